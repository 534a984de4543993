// The border between the program and its GPU part, libflextron_cuda.so: plain C data and one table of functions.
//
// The plug-in is compiled by nvcc, knows no LibTorch, and is opened at run time where there is a driver. The program
// finds one symbol in it, `flextron_cuda_plugin`, and uses the table only if `abi` is the number it was built with.
// Functions return 0, or another number with a sentence in `message`; none throws. They may be called from any thread,
// those of one model and of what was made for it by one thread at a time.
#ifndef FLEXTRON_CUDA_PLUGIN_H
#define FLEXTRON_CUDA_PLUGIN_H

#include <stdint.h>

// Raised with every change of this file.
#define FLEXTRON_CUDA_ABI 3
#define FLEXTRON_CUDA_SYMBOL "flextron_cuda_plugin"

#define FLEXTRON_CUDA_FAILED 1
#define FLEXTRON_CUDA_NO_MEMORY 2 // the GPU's memory does not suffice; the model can still be used

#define FLEXTRON_CUDA_MAX_ROWS 128 // of a step
#define FLEXTRON_CUDA_MAX_TOP 32   // most probable tokens that a draw can list

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FlextronCudaMessage {
    char text[512]; // ends in 0
} FlextronCudaMessage;

typedef struct FlextronCudaDevice {
    char name[256];
    int32_t compute_major;
    int32_t compute_minor;
    int32_t multiprocessors;
    int32_t reserved;
    uint64_t total_bytes; // of the device's memory
    uint64_t free_bytes;  // at the time of the call
    uint64_t l2_bytes;    // of the cache between it and the multiprocessors
} FlextronCudaDevice;

typedef struct FlextronCudaRead {
    double median_bytes_per_second;
    double slowest_bytes_per_second;
    double fastest_bytes_per_second;
    uint64_t bytes;  // read in one repeat
    int32_t repeats; // timed ones
    uint32_t fold;   // exclusive or of all 32-bit words read: foldOfPattern(bytes / 4) of engine/cuda/pattern.h
} FlextronCudaRead;

// What a model is. The engine's names; sizes are checked by the caller.
typedef struct FlextronCudaShape {
    int32_t hidden;
    int32_t head_dim;
    int32_t heads_per_group;
    int32_t vocab;
    int32_t layers;
    int32_t positions;      // learned ones; 0 without
    int32_t sliding_window; // 0: every token sees all before it
    int32_t layer_norm;     // 1: LayerNorm, 0: RMSNorm
    int32_t gated;          // the MLP
    int32_t activation;     // ActivationKind of engine/cuda/kernels/step_math_p.h
    int32_t rotary;
    int32_t tied;         // the output head is the embedding
    int32_t weight_bytes; // 4: float32, 2: a 16-bit type
    int32_t bfloat16;     // which one
    float norm_eps;
} FlextronCudaShape;

typedef struct FlextronCudaLayer {
    int32_t heads;
    int32_t groups;
    int32_t neurons;
} FlextronCudaLayer;

// Tensors by name. Matrices are rows of inputs padded with zeros to a multiple of 8, in the type of the weights; norms
// and biases float32. engine/cuda/kernels/views_p.h gives the shapes.
typedef enum FlextronCudaTensor {
    FLEXTRON_CUDA_EMBEDDING,
    FLEXTRON_CUDA_POSITIONS,
    FLEXTRON_CUDA_HEAD,
    FLEXTRON_CUDA_FINAL_NORM,
    FLEXTRON_CUDA_FINAL_NORM_BIAS,
    FLEXTRON_CUDA_FREQUENCIES, // float64
    FLEXTRON_CUDA_ATTENTION_NORM,
    FLEXTRON_CUDA_ATTENTION_NORM_BIAS,
    FLEXTRON_CUDA_MLP_NORM,
    FLEXTRON_CUDA_MLP_NORM_BIAS,
    FLEXTRON_CUDA_QUERIES,
    FLEXTRON_CUDA_KEYS,
    FLEXTRON_CUDA_VALUES,
    FLEXTRON_CUDA_OUTPUT,
    FLEXTRON_CUDA_UP_GATE,
    FLEXTRON_CUDA_DOWN,
    FLEXTRON_CUDA_QUERY_BIAS,
    FLEXTRON_CUDA_KEY_BIAS,
    FLEXTRON_CUDA_VALUE_BIAS,
    FLEXTRON_CUDA_OUTPUT_BIAS,
    FLEXTRON_CUDA_UP_GATE_BIAS,
    FLEXTRON_CUDA_DOWN_BIAS
} FlextronCudaTensor;

typedef struct FlextronCudaModel FlextronCudaModel;
typedef struct FlextronCudaCache FlextronCudaCache;
typedef struct FlextronCudaRouters FlextronCudaRouters;

// A dynamic router of one layer and sub-block, row-major float32.
typedef struct FlextronCudaRouter {
    const float* hidden;      // [inner][hidden + stops]
    const float* hidden_bias; // [inner]
    const float* output;      // [choices][inner]
    const float* output_bias; // [choices]
} FlextronCudaRouter;

// One token of one pane.
typedef struct FlextronCudaRow {
    FlextronCudaCache* cache;
    FlextronCudaRouters* routers; // null: widths are given
    int32_t id;
    int32_t position; // in the text; rows of one cache come in rising order
} FlextronCudaRow;

// How to judge or draw the token after a row. Settings as in engine/generate/sampler.h.
typedef struct FlextronCudaDraw {
    uint64_t seed;
    double penalty;   // 1: off
    double top_p;     // 1: off
    double min_p;     // 0: off
    float factor;     // 1 / temperature; 0: the most probable token
    int32_t top_k;    // 0: off
    int32_t top;      // most probable tokens to list, at most FLEXTRON_CUDA_MAX_TOP
    int32_t given;    // judge this token instead of drawing one; -1: draw
    int32_t position; // of the token in the text
    int32_t reserved;
} FlextronCudaDraw;

typedef struct FlextronCudaTop {
    int32_t id;
    float logprob;
} FlextronCudaTop;

typedef struct FlextronCudaDrawn {
    int32_t id;
    float logprob; // nats, under the plain softmax
    int32_t rank;
    int32_t finite; // 0: the logits are not finite, and nothing else here means anything
    FlextronCudaTop top[FLEXTRON_CUDA_MAX_TOP];
} FlextronCudaDrawn;

typedef struct FlextronCudaStep {
    int32_t row_count; // 1 to FLEXTRON_CUDA_MAX_ROWS
    int32_t logit_count;
    int32_t code_stride;
    int32_t choice_stride; // of `probabilities`: the most choices of any routers in use
    int32_t by_graph;      // replay a captured graph if there are few rows; else every kernel is launched
    int32_t reserved;
    const FlextronCudaRow* rows;
    const int32_t* widths;         // [layer][attention, MLP][row]: query heads, neurons; -1: the router decides
    const float* codes;            // [row][code_stride]; null without routers
    const int32_t* logit_rows;     // rows whose logits are wanted, rising
    const FlextronCudaDraw* draws; // [logit_count], or null
    // Results; null where they are not wanted.
    float* logits;            // [logit_count][vocab]
    FlextronCudaDrawn* drawn; // [logit_count]
    int32_t* chosen;          // as widths, without -1
    float* probabilities;     // [layer][attention, MLP][row][choice_stride]
} FlextronCudaStep;

typedef struct FlextronCudaUse {
    uint64_t bytes;    // of the GPU's memory that the model has taken, its caches and routers included
    uint64_t launches; // kernels, one by one
    uint64_t replays;  // of a captured graph
    uint64_t captures;
    uint64_t waits; // of the host for the GPU: one a step
} FlextronCudaUse;

typedef struct FlextronCudaPlugin {
    int32_t abi;
    int32_t runtime_version; // of the CUDA toolkit: 13000 is 13.0

    // How many GPUs the driver shows.
    int (*device_count)(int32_t* count, FlextronCudaMessage* message);
    int (*describe_device)(int32_t index, FlextronCudaDevice* device, FlextronCudaMessage* message);
    // Reads `bytes` (a multiple of 16) of device memory `repeats` times and times each. Take many times the cache.
    int (*measure_read)(int32_t index, uint64_t bytes, int32_t repeats, FlextronCudaRead* result,
                        FlextronCudaMessage* message);

    // A model without weights; upload gives it `bytes` of one tensor at `offset`. Tensors that are not there are left
    // out.
    int (*create_model)(int32_t device, const FlextronCudaShape* shape, const FlextronCudaLayer* layers,
                        FlextronCudaModel** model, FlextronCudaMessage* message);
    int (*upload)(FlextronCudaModel* model, int32_t tensor, int32_t layer, uint64_t offset, const void* data,
                  uint64_t bytes, FlextronCudaMessage* message);
    void (*destroy_model)(FlextronCudaModel* model); // after its caches and routers

    // Keys and values of groups[layer] groups, for `capacity` tokens.
    int (*create_cache)(FlextronCudaModel* model, int32_t capacity, const int32_t* groups, FlextronCudaCache** cache,
                        FlextronCudaMessage* message);
    int (*copy_cache)(FlextronCudaModel* model, const FlextronCudaCache* from, FlextronCudaCache* to,
                      FlextronCudaMessage* message); // of the same sizes
    void (*destroy_cache)(FlextronCudaModel* model, FlextronCudaCache* cache);

    // routers[layer][attention, MLP]; widths and choices of either kind, attention first.
    int (*create_routers)(FlextronCudaModel* model, int32_t inner, int32_t stops, const FlextronCudaRouter* routers,
                          const int32_t* const* widths, const int32_t* choices, FlextronCudaRouters** made,
                          FlextronCudaMessage* message);
    void (*destroy_routers)(FlextronCudaModel* model, FlextronCudaRouters* routers);

    int (*step)(FlextronCudaModel* model, const FlextronCudaStep* step, FlextronCudaMessage* message);
    int (*use)(FlextronCudaModel* model, FlextronCudaUse* use, FlextronCudaMessage* message);
} FlextronCudaPlugin;

typedef const FlextronCudaPlugin* (*FlextronCudaEntry)(void);

#ifdef __cplusplus
}
#endif

#endif
