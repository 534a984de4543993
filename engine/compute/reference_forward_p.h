// The forward pass, once: decode, prefill, scoring, importance and training are all built from these functions.
//
// Everything is differentiable and runs on any device and dtype. Shapes: B texts, T tokens, d hidden size, H query
// heads of this pass, G key/value groups, dh head size, n tokens in the cache, m MLP neurons of this pass. Source of
// the sliced formulas: Flextron, nested elastic MLP and MHA.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <span>

#include "engine/compute/reference_weights_p.h"
#include "engine/model/subnetwork.h"

namespace flextron::reference {

/// cos and sin of the rotary angles, [T, dh] each; undefined in the GPT family.
struct Rotary {
    at::Tensor cos, sin;
};
Rotary rotaryAt(const ReferenceWeights& weights, int first_position, int tokens);

/// Keys and values of whole groups, rotated, [B, G, T, dh].
struct KeysValues {
    at::Tensor k, v;
};

/// [B, T, d] token embeddings, with learned positions where the family has them. `ids`: [B, T] int64.
at::Tensor embed(const ReferenceWeights& weights, const at::Tensor& ids, int first_position);

/// RMSNorm or LayerNorm of [..., d], in at least float32.
at::Tensor normalise(const ModelConfig& config, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// Of the first `groups` groups, from the normalised input [B, T, d].
KeysValues keysValues(const ModelConfig& config, const ReferenceLayer& layer, const at::Tensor& normalised, int groups,
                      const Rotary& rotary);

/// Additive mask [T, n]: 0 where token first+t may look at token j, -inf elsewhere (causal, and Mistral's sliding
/// window). Undefined when one token looks at everything.
at::Tensor visibility(const ModelConfig& config, int first_position, int tokens, int n, at::TensorOptions options);

/// What is seen of the inside of a pass: activations at the input of the down projection [B, T, m], outputs of the
/// heads before O [B, T, H, dh].
struct Observer {
    std::function<void(int layer, const at::Tensor& activations)> mlp;
    std::function<void(int layer, const at::Tensor& outputs)> heads;
};

/// softmax(q k^T / sqrt(dh) + visible) v, [B, H, T, dh], of rotated queries [B, H, T, dh] and keys and values of their
/// groups [B, H / heads in a group, n, dh].
using AttentionCore =
    std::function<at::Tensor(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible)>;

/// Output [B, T, d] of the attention sub-block with its first `heads` query heads; `past` holds at least their groups.
/// `mask` [B, T, H] or undefined multiplies the heads' outputs: masked execution, for training and for checking slices
/// against. `core` takes the place of this file's own product of queries, keys and values, and must compute the same:
/// training gives a fused one.
at::Tensor attention(const ModelConfig& config, const ReferenceLayer& layer, const at::Tensor& normalised, int heads,
                     const KeysValues& past, const at::Tensor& visible, const Rotary& rotary,
                     const at::Tensor& mask = {}, const std::function<void(const at::Tensor&)>& observe = {},
                     const AttentionCore& core = {});

/// Output [B, T, d] of the MLP sub-block with its first `width` neurons; `mask` [B, T, m] or undefined multiplies the
/// activations.
at::Tensor mlp(const ModelConfig& config, const ReferenceLayer& layer, const at::Tensor& normalised, int width,
               const at::Tensor& mask = {}, const std::function<void(const at::Tensor&)>& observe = {});

/// Logits [..., V] of hidden states [..., d], final norm included.
at::Tensor logits(const ReferenceWeights& weights, const at::Tensor& x);

/// Widths of one layer for a whole batch: sliced to `heads` and `mlp`, then masked where a mask is given.
struct LayerWidths {
    int heads = 0;
    int mlp = 0;
    at::Tensor head_mask; // [B, T, heads] or undefined
    at::Tensor mlp_mask;  // [B, T, mlp] or undefined
};
std::vector<LayerWidths> layerWidths(const SubNetwork& subnet);

/// Final hidden states [B, T, d] before the final norm, without a cache, positions from 0. `ids`: [B, T] int64.
at::Tensor forward(const ReferenceWeights& weights, const at::Tensor& ids, std::span<const LayerWidths> widths,
                   const Observer* observer = nullptr);

} // namespace flextron::reference
