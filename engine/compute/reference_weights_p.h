// The weights of a model as tensors, in one layout for all families: what the forward pass, training and importance
// work on.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string_view>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/progress.h"
#include "engine/compute/device.h"
#include "engine/model/checkpoint.h"
#include "engine/model/config.h"

namespace flextron {

/// H = query heads, G = key/value groups, dh = head size, d = hidden size, D = MLP size of this layer. Biases that the
/// model does not have are undefined tensors. Every elastic slice is a prefix: of rows everywhere but in `o` and
/// `down`, where it is of columns.
struct ReferenceLayer {
    LayerSizes sizes;
    at::Tensor attention_norm, attention_norm_bias; // [d]
    at::Tensor q, q_bias;                           // [H*dh, d], [H*dh]
    at::Tensor k, k_bias;                           // [G*dh, d], [G*dh]
    at::Tensor v, v_bias;                           // [G*dh, d], [G*dh]
    at::Tensor o, o_bias;                           // [d, H*dh], [d]
    at::Tensor mlp_norm, mlp_norm_bias;             // [d]
    at::Tensor gate, gate_bias;                     // [D, d], [D]; undefined in the GPT family
    at::Tensor up, up_bias;                         // [D, d], [D]; GPT: c_fc
    at::Tensor down, down_bias;                     // [d, D], [d]; GPT: c_proj
};

struct ReferenceWeights {
    ModelConfig config;
    at::Tensor embedding; // [V, d]
    at::Tensor positions; // [max_position_embeddings, d]; GPT only
    std::vector<ReferenceLayer> layers;
    at::Tensor final_norm, final_norm_bias; // [d]
    at::Tensor head;                        // [V, d]; the same tensor as `embedding` when tied
    at::Tensor rope_frequencies;            // [dh / 2] float64, on the device; undefined in the GPT family

    [[nodiscard]] at::ScalarType dtype() const { return embedding.scalar_type(); }
    [[nodiscard]] at::Device device() const { return embedding.device(); }
    /// Every tensor once (tied ones are not repeated), with Hugging Face's role in its name: for training, counting and
    /// tests.
    [[nodiscard]] std::vector<at::Tensor> parameters() const;
    [[nodiscard]] std::int64_t bytes() const;
};

/// A device as LibTorch names it.
at::Device placeOf(const Device& device);

/// "float32", "bfloat16", "float64": as in config.json.
std::string_view typeName(at::ScalarType type);

/// Copies and converts. Throws Failure: Corrupt for weights that are not finite, Cancelled.
ReferenceWeights loadReferenceWeights(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                                      const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
