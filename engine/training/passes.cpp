#include "engine/training/passes_p.h"

#include <torch/csrc/autograd/custom_function.h>

#include "engine/training/fast_products_p.h"

namespace flextron {
namespace {

using namespace reference;

/// LibTorch's fused causal attention on the CPU, there and back without FastProducts.
class CausalAttention final : public torch::autograd::Function<CausalAttention> {
public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v)
    {
        const UsualProducts usual;
        const auto [output, log_sums] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, kCausal);
        context->save_for_backward({q, k, v, output, log_sums});
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   const torch::autograd::variable_list& gradients)
    {
        const UsualProducts usual;
        const auto saved = context->get_saved_variables();
        auto [q, k, v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
            gradients[0], saved[0], saved[1], saved[2], saved[3], saved[4], 0.0, kCausal);
        return {std::move(q), std::move(k), std::move(v)};
    }

private:
    static constexpr bool kCausal = true;
};

/// Causal without a mask where every token sees all before it, which is what the fused product is fastest at.
at::Tensor fusedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible)
{
    const std::int64_t per_group = q.size(1) / k.size(1);
    const at::Tensor keys = per_group == 1 ? k : k.repeat_interleave(per_group, 1); // [B, H, T, dh]
    const at::Tensor values = per_group == 1 ? v : v.repeat_interleave(per_group, 1);
    if (visible.defined()) return at::scaled_dot_product_attention(q, keys, values, visible);
    if (q.is_cpu()) return CausalAttention::apply(q, keys, values);
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
