#include "engine/training/passes_p.h"

namespace flextron {
namespace {

using namespace reference;

/// Causal without a mask where every token sees all before it, which is what the fused product is fastest at.
at::Tensor fusedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible)
{
    const std::int64_t per_group = q.size(1) / k.size(1);
    const at::Tensor keys = per_group == 1 ? k : k.repeat_interleave(per_group, 1); // [B, H, T, dh]
    const at::Tensor values = per_group == 1 ? v : v.repeat_interleave(per_group, 1);
    if (visible.defined()) return at::scaled_dot_product_attention(q, keys, values, visible);
    return at::scaled_dot_product_attention(q, keys, values, {}, 0.0, /*is_causal=*/true);
}

} // namespace

at::Tensor trainingLogits(const ReferenceWeights& weights, const at::Tensor& ids, WidthSource& widths)
{
    const ModelConfig& config = weights.config;
    const int tokens = static_cast<int>(ids.size(1));
    const Rotary rotary = rotaryAt(weights, 0, tokens);
    at::Tensor window; // only a sliding window needs a mask
    if (config.sliding_window > 0 && tokens > config.sliding_window)
        window = visibility(config, 0, tokens, tokens, weights.embedding.options().requires_grad(false));
    at::Tensor x = embed(weights, ids, 0);
    for (int l = 0; l < config.numLayers(); ++l) {
        const ReferenceLayer& layer = weights.layers[static_cast<std::size_t>(l)];
        if (layer.q.defined()) {
            const at::Tensor h = normalise(config, x, layer.attention_norm, layer.attention_norm_bias);
            const PassWidth heads = widths.choose(l, SubBlock::Attention, h);
            if (heads.width > 0) {
                const KeysValues past = keysValues(config, layer, h, heads.width / config.headsPerGroup(), rotary);
                x = x + attention(config, layer, h, heads.width, past, window, rotary, heads.mask, {}, fusedAttention);
            }
        }
        if (layer.up.defined()) {
            const at::Tensor h = normalise(config, x, layer.mlp_norm, layer.mlp_norm_bias);
            const PassWidth neurons = widths.choose(l, SubBlock::Mlp, h);
            if (neurons.width > 0) x = x + mlp(config, layer, h, neurons.width, neurons.mask);
        }
    }
    return logits(weights, x);
}

at::Tensor nextTokenLoss(const at::Tensor& logits, const at::Tensor& ids)
{
    const std::int64_t predicted = ids.size(1) - 1;
    return at::cross_entropy_loss(logits.narrow(1, 0, predicted).flatten(0, 1), ids.narrow(1, 1, predicted).flatten());
}

at::Tensor lossPerSequence(const at::Tensor& logits, const at::Tensor& ids)
{
    const std::int64_t predicted = ids.size(1) - 1;
    return at::cross_entropy_loss(logits.narrow(1, 0, predicted).flatten(0, 1), ids.narrow(1, 1, predicted).flatten(),
                                  {}, at::Reduction::None)
        .view({ids.size(0), predicted})
        .mean(1);
}

at::Tensor divergence(const at::Tensor& teacher_logits, const at::Tensor& student_logits)
{
    const std::int64_t predicted = teacher_logits.size(1) - 1;
    const at::Tensor teacher = at::log_softmax(teacher_logits.narrow(1, 0, predicted), -1);
    const at::Tensor student = at::log_softmax(student_logits.narrow(1, 0, predicted), -1);
    return (teacher.exp() * (teacher - student)).sum(-1).mean();
}

} // namespace flextron
