// What kernels see: sizes and device addresses, as plain data.
//
// Weights lie as rows of inputs, [outputs][inputs padded to 8], so that a warp reads a row in neighbouring 16-byte
// loads. What a sub-network uses is a prefix: of the rows for Q (by head), K and V (by group), up and gate (a neuron's
// two rows beside each other); of every row's inputs for O and down, which is a run of kilobytes in each row. (The
// panels of the CPU backend keep a block's output columns apart so that a vector's lanes are outputs. A warp's lanes
// share one output instead: rows need no transposition, no partial sums between blocks, and no padding to 32 neurons.)
#pragma once

#include "engine/cuda/kernels/portable_p.h"
#include "engine/cuda/plugin.h"

namespace flextron::cuda {

inline constexpr int kTileRows = 8;   ///< tokens that share one pass over the weights
inline constexpr int kKeyChunk = 64;  ///< positions of a chunk of keys and values
inline constexpr int kKeySplits = 32; ///< blocks that may share a long text; chunk c belongs to c % kKeySplits

struct ModelShape {
    std::int32_t hidden = 0;      ///< d
    std::int32_t head_dim = 0;    ///< dh
    std::int32_t head_stride = 0; ///< dh padded to 4
    std::int32_t heads_per_group = 1;
    std::int32_t vocab = 0;
    std::int32_t sliding_window = 0; ///< 0: all
    std::int32_t layer_norm = 0;     ///< LayerNorm, else RMSNorm
    std::int32_t gated = 1;
    std::int32_t activation = 0; ///< ActivationKind
    std::int32_t rotary = 1;
    float norm_eps = 0;
    std::int32_t hidden_stride = 0;    ///< d padded to 8
    std::int32_t head_rows_stride = 0; ///< of Q and of the heads' outputs: most heads of a layer * dh
    std::int32_t neuron_stride = 0;    ///< of activations: most neurons of a layer
};

/// Norm of [d]; no bias in RMSNorm.
struct NormView {
    const float* weight = nullptr;
    const float* bias = nullptr;
};

/// Biases may be null. A sub-block that is not there has size 0 and null everywhere.
struct LayerView {
    std::int32_t heads = 0;
    std::int32_t groups = 0;
    std::int32_t neurons = 0;
    std::int32_t output_stride = 0; ///< heads * dh padded to 8
    std::int32_t down_stride = 0;   ///< neurons padded to 8
    NormView attention_norm, mlp_norm;
    const void* queries = nullptr; ///< [heads * dh][d]
    const void* keys = nullptr;    ///< [groups * dh][d]
    const void* values = nullptr;  ///< [groups * dh][d]
    const void* output = nullptr;  ///< [d][output_stride]
    const void* up_gate = nullptr; ///< [neurons][up, then gate if gated][d]
    const void* down = nullptr;    ///< [d][down_stride]
    const float *query_bias = nullptr, *key_bias = nullptr, *value_bias = nullptr, *output_bias = nullptr;
    const float* up_gate_bias = nullptr; ///< [neurons][up, then gate if gated]
    const float* down_bias = nullptr;
};

struct ModelView {
    ModelShape shape;
    const void* embedding = nullptr; ///< [vocab][d]
    const void* positions = nullptr; ///< [positions][d]; null without learned positions
    const void* head = nullptr;      ///< [vocab][d]; the embedding when tied
    NormView final_norm;
    const double* frequencies = nullptr; ///< radians a position, [dh / 2]
};

/// Keys and values of one text in one layer: K [group][chunk][dh][kKeyChunk], V [group][position][dh padded to 4]. A
/// load is four positions in the products with keys, and four elements in those with values.
struct CacheLayer {
    float* keys = nullptr;
    float* values = nullptr;
    std::int32_t groups = 0;
    std::int32_t padded = 0; ///< positions, a multiple of kKeyChunk
};
struct CacheView {
    CacheLayer* layers = nullptr;
    std::int32_t* ids = nullptr; ///< of the tokens read, by position
};

/// A layer's dynamic router for one sub-block, float32.
struct RouterLayer {
    const float* hidden = nullptr;      ///< [inner][d]
    const float* code = nullptr;        ///< [inner][stops]: the inputs after the hidden state
    const float* hidden_bias = nullptr; ///< [inner]
    const float* output = nullptr;      ///< [choices][inner]
    const float* output_bias = nullptr; ///< [choices]
};
struct RouterView {
    const RouterLayer* layers = nullptr; ///< [layer][attention, MLP]
    const std::int32_t* widths[2] = {};  ///< of each choice
    std::int32_t choices[2] = {};
    std::int32_t inner = 0;
    std::int32_t stops = 0;
};

/// One token of one pane.
struct RowInput {
    const CacheView* cache = nullptr;
    const RouterView* router = nullptr; ///< null: widths are given
    std::int32_t id = 0;
    std::int32_t position = 0;
};

/// The buffers of a step: their addresses and capacities never change, so that a captured graph can be replayed; what
/// changes is in memory. "rows" below means `capacity`.
struct StepView {
    std::int32_t capacity = 0;
    std::int32_t layers = 0;
    std::int32_t code_stride = 0;   ///< room for a target's code
    std::int32_t choice_stride = 0; ///< room for the probabilities of one choice
    std::int32_t inner_stride = 0;  ///< room for a router's hidden layer

    // Given.
    const std::int32_t* counts = nullptr;     ///< rows, logit rows, draws wanted, ring sequence
    const RowInput* rows = nullptr;           ///< [rows]
    const std::int32_t* logit_rows = nullptr; ///< [rows]: which rows' logits are wanted
    const FlextronCudaDraw* draws = nullptr;  ///< [logit row]
    const float* codes = nullptr;             ///< [rows][code_stride]
    std::int32_t* widths =
        nullptr; ///< [layer][attention, MLP][rows]; -1: the router's choice, which then takes its place

    // Worked on.
    float* x = nullptr;                ///< [rows][d padded to 8] the residual stream
    float* angles = nullptr;           ///< [rows][dh / 2][cosine, sine]
    float* queries = nullptr;          ///< [rows][head_rows_stride]
    float* outputs = nullptr;          ///< [rows][head_rows_stride], of the heads
    float* activations = nullptr;      ///< [rows][neuron_stride]
    float* inner = nullptr;            ///< [rows][inner_stride], of a router
    float* partials = nullptr;         ///< [rows][groups][kKeySplits][heads of a group][dh + 2]
    std::uint32_t* arrivals = nullptr; ///< [rows][groups]: blocks that are done; 0 between launches
    std::uint32_t* seen = nullptr;     ///< [rows][words of the vocabulary]: tokens of the text

    // Results.
    float* logits = nullptr;            ///< [logit row][vocab]
    FlextronCudaDrawn* drawn = nullptr; ///< [logit row]
    float* probabilities = nullptr;     ///< [layer][attention, MLP][rows][choice_stride]
};
enum StepCount : int { kRowCount = 0, kLogitCount = 1, kDrawCount = 2, kSequence = 3, kCounts = 4 };

FLEXTRON_HD std::int64_t widthIndex(const StepView& step, int layer, int block, int row)
{
    return (static_cast<std::int64_t>(layer) * 2 + block) * step.capacity + row;
}

} // namespace flextron::cuda
