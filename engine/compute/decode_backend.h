// The CPU decode backend: a token costs the bytes of the widths it uses and little else.
//
// It agrees with the reference backend (reference.h) on every sub-network, to the rounding of the weights' type; it
// does not call LibTorch and, once warm, allocates nothing in a step. Why it is laid out so: docs/architecture.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"
#include "engine/model/checkpoint.h"

namespace flextron {

/// How the weights lie in memory while generating. Activations and sums are float32 in any case; norms and biases too.
enum class WeightType {
    Auto, ///< the checkpoint's own 16-bit type as it is; everything else as float32
    Float32,
    Float16,
    BFloat16,
    Int8, ///< 8 bits and one bfloat16 scale for every 32 inputs of an output
};
/// "auto", "f32", "f16", "bf16", "q8"
Result<WeightType> parseWeightType(std::string_view text);
std::string_view weightTypeName(WeightType type);

/// What Auto stands for with this checkpoint.
WeightType resolveWeightType(const Checkpoint& checkpoint, WeightType type);

/// How keys and values lie in memory. What a token attends to is read anew for every token, like the weights: half the
/// bytes are half the time of that.
enum class KvType {
    Auto, ///< Float16 where the weights take 16 bits or 8, Float32 where they are exact
    Float32,
    Float16, ///< beyond its range (65,504) the largest number it has
    BFloat16,
};
/// "auto", "f32", "f16", "bf16"
Result<KvType> parseKvType(std::string_view text);
std::string_view kvTypeName(KvType type);
KvType resolveKvType(WeightType resolved, KvType type);

struct DecodeOptions {
    WeightType weights = WeightType::Auto;
    KvType kv = KvType::Auto;
    int threads = 0; ///< 0: all the processors this process may use
};

/// Bytes that loading will need, everything included but K/V caches.
std::int64_t estimateDecodeBytes(const Checkpoint& checkpoint, WeightType type);

/// Lays the weights out for nested widths. The backend has its own threads, and takes one step at a time; its panes are
/// meant to be read together. Errors: OutOfMemory, with numbers, before anything is allocated; Corrupt for weights that
/// are not finite and InvalidArgument for those too large for their type, naming the tensor. Progress in bytes of the
/// checkpoint; cancel takes effect between tensors.
///
/// Time: a step's panes share its passes over the weights, so a pane's StepOutput::ns and layer_ns are its share of the
/// step by tokens read. Alone in a step, a pane has the whole of it.
Result<std::shared_ptr<const Backend>> loadDecodeBackend(std::shared_ptr<const Checkpoint> checkpoint,
                                                         const DecodeOptions& options = {},
                                                         const ProgressFn& progress = {},
                                                         const CancelToken& cancel = {});

} // namespace flextron
