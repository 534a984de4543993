// One pass of training through a sub-network, sliced or masked, and its loss. Not a public header.
#pragma once

#include <ATen/ATen.h>

#include "engine/compute/reference_forward_p.h"
#include "engine/routing/overrides.h"

namespace flextron {

/// What a pass uses of a sub-block: its first `width` heads or neurons, multiplied by a mask [B or 1, T or 1, width]
/// where one is given.
struct PassWidth {
    int width = 0;
    at::Tensor mask;
};

/// Decides widths on the way, from the sub-block's own normalised input [B, T, d].
class WidthSource {
public:
    virtual ~WidthSource() = default;
    virtual PassWidth choose(int layer, SubBlock block, const at::Tensor& normalised) = 0;
    /// After a pass: share of the full model's FLOPs that each sequence came to, [B]; undefined where nobody counts it.
    [[nodiscard]] virtual at::Tensor cost() const { return {}; }
    /// After a pass: mean over each sequence's tokens of the one-hot choices, in the order of the surrogate's input,
    /// [B, L * (head choices + mlp choices)]; undefined where there are no choices.
    [[nodiscard]] virtual at::Tensor choiceMeans() const { return {}; }
};

/// The widths of a sub-network, really sliced.
class SlicedWidths final : public WidthSource {
public:
    explicit SlicedWidths(SubNetwork subnet) : subnet_(std::move(subnet)) {}
    PassWidth choose(int layer, SubBlock block, const at::Tensor&) override
    {
        const auto l = static_cast<std::size_t>(layer);
        return {block == SubBlock::Attention ? subnet_.heads[l] : subnet_.mlp[l], {}};
    }

private:
    SubNetwork subnet_;
};

/// Logits [B, T, V] of `ids` [B, T] int64. Differentiable. The same numbers as reference::forward and
/// reference::logits but for rounding: the product of queries, keys and values is LibTorch's fused one, which keeps no
/// [T, T] matrix for the way back.
at::Tensor trainingLogits(const ReferenceWeights& weights, const at::Tensor& ids, WidthSource& widths);

/// Mean cross-entropy, in nats, of predicting tokens 1 .. T-1 of each sequence.
at::Tensor nextTokenLoss(const at::Tensor& logits, const at::Tensor& ids);
/// The same of each sequence by itself, [B].
at::Tensor lossPerSequence(const at::Tensor& logits, const at::Tensor& ids);
/// Mean over the predicted tokens of KL(teacher || student), in nats.
at::Tensor divergence(const at::Tensor& teacher_logits, const at::Tensor& student_logits);

} // namespace flextron
