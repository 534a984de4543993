// The CUDA decode backend: the CPU decode backend's promises on an NVIDIA GPU.
//
// Each weight is read once a step for all panes; a step of few tokens is one replay of a captured CUDA graph, whatever
// the sub-networks and panes, and one synchronisation. How it is built: docs/architecture.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"
#include "engine/compute/decode_backend.h"
#include "engine/cuda/loader.h"
#include "engine/model/checkpoint.h"

namespace flextron {

/// Bytes of the GPU's memory that the weights will take; step buffers and K/V caches come on top.
std::int64_t estimateCudaBytes(const Checkpoint& checkpoint, WeightType type);

/// Weights as f32, f16 or bf16; sums, K/V, norms and biases are float32 in any case. The backend takes one step at a
/// time and reads at most 128 tokens in one go: cancellation is looked for between those. Errors: Device when `support`
/// has no kernels, the GPU does not exist or fails; OutOfMemory, with numbers, before anything is allocated where that
/// can be known; Unsupported for q8; Corrupt and InvalidArgument as loadDecodeBackend.
///
/// Time: a step's panes share its passes over the weights, so a pane's StepOutput::ns is its share of the step by
/// tokens read. What a layer takes is not known (the kernels of a step are queued as one), so layer_ns stays empty.
Result<std::shared_ptr<const Backend>> loadCudaBackend(std::shared_ptr<const Checkpoint> checkpoint,
                                                       const CudaSupport& support, int gpu,
                                                       WeightType type = WeightType::Auto,
                                                       const ProgressFn& progress = {}, const CancelToken& cancel = {});

/// What a backend has asked of its GPU since it was loaded.
struct GpuUse {
    std::uint64_t bytes = 0;    ///< of the GPU's memory in use: weights, buffers, texts, routers
    std::uint64_t launches = 0; ///< kernels started one by one
    std::uint64_t replays = 0;  ///< of a captured graph: steps of few tokens
    std::uint64_t captures = 0;
    std::uint64_t waits = 0; ///< for results: one for at most 128 tokens
};
/// Nothing for a backend that is not loadCudaBackend's.
std::optional<GpuUse> gpuUse(const Backend& backend);

} // namespace flextron
