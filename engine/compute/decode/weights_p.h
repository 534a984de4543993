// A model's weights as the decode step wants them: laid out so that the prefix that a sub-network uses is read in one
// direction, and what it leaves out is never touched.
//
//   queries:     [heads][panels of a head][d inputs]
//   K/V:         [groups]: [panels of a head][d inputs] of K, then of V
//                (in a stream of their own: the K/V rule "all" reads them whatever the number of heads)
//   output:      [panels of d][groups][heads of a group * dh inputs]
//   MLP block b: 32 neurons: gate [d inputs], up [d inputs]
//   down:        [panels of d][blocks][32 inputs]
//   output head: [panels of V][d inputs]
//
// Heads, blocks, hidden size and vocabulary are padded with zeros to whole panels. The projections back (output, down)
// stand by themselves, because whoever computes a panel of theirs reads all of its inputs: between the queries of a
// group or the gates of a block these came a few kilobytes at a time, at half the speed of the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/memory_p.h"
#include "engine/base/progress.h"
#include "engine/compute/decode/kernels_p.h"
#include "engine/model/checkpoint.h"
#include "engine/model/config.h"

namespace flextron {
class ThreadPool;
} // namespace flextron

namespace flextron::decode {

/// Sizes that follow from the configuration, the same in every layer.
struct Shape {
    Shape() = default;
    Shape(const ModelConfig& config, PanelType type);

    int hidden = 0; ///< d
    int hidden_panels = 0;
    int head_dim = 0;    ///< dh
    int head_panels = 0; ///< of one head
    int heads_per_group = 1;
    int vocab = 0;
    int vocab_panels = 0;
    bool gated = false;
    std::size_t input_panel = 0;  ///< bytes of a panel with d inputs
    std::size_t output_piece = 0; ///< of a panel of the output projection, with the inputs of a group of heads
    std::size_t down_piece = 0;   ///< of a panel of the down projection, with 32 inputs
    std::size_t head_bytes = 0;   ///< from one head's queries to the next
    std::size_t kv_bytes = 0;     ///< from one group's K to the next
    std::size_t block_bytes = 0;  ///< from one MLP block to the next
};

/// Biases and norms are float32; empty where the model has none.
struct LayerWeights {
    LayerSizes sizes;
    const std::byte* queries = nullptr;
    const std::byte* kv = nullptr;
    const std::byte* output = nullptr;
    const std::byte* blocks = nullptr;
    const std::byte* down = nullptr;
    std::vector<float> attention_norm, attention_norm_bias, mlp_norm, mlp_norm_bias; ///< [d]
    std::vector<float> q_bias, k_bias, v_bias;                                       ///< [heads * dh], [groups * dh]
    std::vector<float> o_bias, down_bias;                                            ///< [d]
    std::vector<float> gate_bias, up_bias;                                           ///< [neurons, padded to blocks]
};

/// Rows that are looked up by id or position: untied embeddings and learned positions.
struct RowTable {
    const std::byte* rows = nullptr;     ///< [n][d]
    PanelType type = PanelType::Float32; ///< Int8 weights keep such rows as bfloat16: one row a token is no traffic
};

struct DecodeWeights {
    PanelType type = PanelType::Float32;
    Shape shape;
    Memory memory; ///< holds all panels and tables
    std::vector<LayerWeights> layers;
    const std::byte* head = nullptr; ///< panels of the output head
    RowTable embedding;              ///< rows == nullptr when tied: then a row is gathered from `head`
    RowTable positions;              ///< GPT only
    std::vector<float> final_norm, final_norm_bias;
    std::vector<double> rope_frequencies; ///< [dh / 2]; empty in the GPT family

    /// x[0 .. d) = the embedding of `id`, plus learned positions where the family has them.
    void embed(std::int32_t id, int position, float* x) const;
    [[nodiscard]] std::int64_t bytes() const;
};

/// Bytes of DecodeWeights::memory.
std::int64_t decodeWeightBytes(const ModelConfig& config, PanelType type);

/// Throws Failure as loadDecodeBackend says.
DecodeWeights packWeights(const Checkpoint& checkpoint, PanelType type, ThreadPool& pool, const ProgressFn& progress,
                          const CancelToken& cancel);

} // namespace flextron::decode
