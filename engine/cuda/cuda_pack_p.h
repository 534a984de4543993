// From the mapped checkpoint into the GPU's memory: every tensor is read once, checked, converted and sent.
#pragma once

#include <cstdint>

#include "engine/base/cancellation.h"
#include "engine/base/progress.h"
#include "engine/cuda/cuda_model_p.h"
#include "engine/model/checkpoint.h"

namespace flextron {

/// Bytes of all tensors as they will lie there.
std::int64_t cudaWeightBytes(const ModelConfig& config, WeightType type);

/// Throws Failure as loadCudaBackend says.
void uploadWeights(const Checkpoint& checkpoint, const CudaModel& model, const ProgressFn& progress,
                   const CancelToken& cancel);

} // namespace flextron
