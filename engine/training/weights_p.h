// Weights in training: made at random, named, and turned into a checkpoint. Not a public header.
#pragma once

#include <string>
#include <vector>

#include "engine/compute/reference_weights_p.h"
#include "engine/model/checkpoint.h"

namespace flextron {

/// A tensor that a stage trains.
struct TrainedTensor {
    std::string name; ///< unique in the stage: "layers.0.q", "embedding"
    at::Tensor tensor;
    bool decays = false;
    double rate = 1; ///< of the stage's learning rate
};

/// Float32 on the CPU. Normal with deviation 0.02, norms 1, biases 0; the GPT family's projections into the residual
/// stream are scaled by 1/sqrt(2 layers). Source: Radford et al., 2019; LlamaConfig's initializer_range.
ReferenceWeights randomWeights(const ModelConfig& config, std::uint64_t seed, at::Device place = at::kCPU);

/// Every tensor of the model once; a tied head is the embedding. `rate` goes into each entry.
std::vector<TrainedTensor> trainedTensors(const ReferenceWeights& weights, double rate = 1);

/// Turns the gradients of all of the model's tensors on or off.
void setTrainable(const ReferenceWeights& weights, bool trainable);

/// The checkpoint's tensors under Hugging Face's names, converted to `dtype`: the inverse of loadReferenceWeights.
/// Throws Failure(InvalidArgument) when a value does not fit the type.
CheckpointContents checkpointContents(const ReferenceWeights& weights, DType dtype);

/// at::Tensor <-> TensorView.
at::ScalarType scalarType(DType dtype);
/// `tensor` must be contiguous, on the CPU, and outlive the view.
TensorView viewOf(const at::Tensor& tensor);
at::Tensor copyOf(const TensorView& view);

} // namespace flextron
