#include "engine/compute/reference_forward_p.h"

#include <cmath>
#include <limits>

namespace flextron::reference {
namespace {

/// The first `n` of a dimension, as a view. All of them is the tensor itself: the way back through a view fills a
/// tensor of zeros and adds it.
at::Tensor first(const at::Tensor& tensor, std::int64_t dimension, std::int64_t n)
{
    return tensor.size(dimension) == n ? tensor : tensor.narrow(dimension, 0, n);
}

at::Tensor firstRows(const at::Tensor& tensor, std::int64_t n)
{
    return tensor.defined() ? first(tensor, 0, n) : tensor;
}

at::Tensor firstColumns(const at::Tensor& tensor, std::int64_t n)
{
    return first(tensor, 1, n);
}

/// y = x W^T + b; at::linear takes an undefined bias for none.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
{
    return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

/// Rotates pairs (i, i + dh/2) of [..., T, dh], as Hugging Face lays them out.
at::Tensor rotate(const at::Tensor& x, const Rotary& rotary)
{
    if (!rotary.cos.defined()) return x;
    const auto halves = x.chunk(2, -1);
    return x * rotary.cos + at::cat({-halves[1], halves[0]}, -1) * rotary.sin;
}

/// 16-bit: sums and exponentials of such values are taken in float32.
bool isNarrow(const at::Tensor& x)
{
    return x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16;
}

at::Tensor activate(Activation activation, const at::Tensor& x)
{
    switch (activation) {
    case Activation::Silu: return at::silu(x);
    case Activation::GeluTanh: return at::gelu(x, "tanh");
    case Activation::GeluErf: return at::gelu(x);
    }
    throw Failure(ErrorCode::Internal, "unknown activation");
}

/// The definition of AttentionCore.
at::Tensor plainAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible)
{
    const std::int64_t batch = q.size(0), heads = q.size(1), tokens = q.size(2), dh = q.size(3);
    const std::int64_t groups = k.size(1), n = k.size(2);
    const std::int64_t per_group = heads / groups;
    // The heads of a group share its keys: as rows of one product.
    const at::Tensor rows = q.reshape({batch, groups, per_group * tokens, dh});
    at::Tensor scores = at::matmul(rows, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(dh));
    if (visible.defined()) {
        scores = scores.view({batch, groups, per_group, tokens, n}) + visible;
        scores = scores.view({batch, groups, per_group * tokens, n});
    }
    const at::Tensor shares = isNarrow(scores) ? at::softmax(scores, -1, at::kFloat).to(scores.scalar_type())
                                               : at::softmax(scores, -1);
    return at::matmul(shares, v).view({batch, heads, tokens, dh});
}

} // namespace

Rotary rotaryAt(const ReferenceWeights& weights, int first_position, int tokens)
{
    if (!weights.rope_frequencies.defined()) return {};
    const at::Tensor positions = at::arange(first_position, first_position + tokens,
                                            weights.rope_frequencies.options());
    const at::Tensor half = positions.unsqueeze(1) * weights.rope_frequencies; // [T, dh/2], float64: exact angles
    const at::Tensor angles = at::cat({half, half}, -1);
    return {angles.cos().to(weights.dtype()), angles.sin().to(weights.dtype())};
}

at::Tensor embed(const ReferenceWeights& weights, const at::Tensor& ids, int first_position)
{
    const at::Tensor x = at::embedding(weights.embedding, ids);
    if (!weights.positions.defined()) return x;
    return x + weights.positions.narrow(0, first_position, ids.size(1));
}

at::Tensor normalise(const ModelConfig& config, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
{
    if (!weight.defined()) return x; // a layer without this sub-block (width 0): nothing reads the result
    if (config.isGpt()) return at::layer_norm(x, {x.size(-1)}, weight, bias, config.norm_eps);
    // Squares of 16-bit values overflow or lose their low bits: the mean is taken in float32, as Hugging Face does.
    const at::Tensor wide = isNarrow(x) ? x.to(at::kFloat) : x;
    const at::Tensor scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + config.norm_eps);
    return (wide * scale).to(x.scalar_type()) * weight;
}

KeysValues keysValues(const ModelConfig& config, const ReferenceLayer& layer, const at::Tensor& normalised, int groups,
                      const Rotary& rotary)
{
    const std::int64_t batch = normalised.size(0);
    const std::int64_t tokens = normalised.size(1);
    const std::int64_t rows = std::int64_t{groups} * config.head_dim;
    const auto split = [&](const at::Tensor& x) { // [B, T, G*dh] -> [B, G, T, dh]
        return x.view({batch, tokens, groups, config.head_dim}).transpose(1, 2);
    };
    const at::Tensor k = linear(normalised, firstRows(layer.k, rows), firstRows(layer.k_bias, rows));
    const at::Tensor v = linear(normalised, firstRows(layer.v, rows), firstRows(layer.v_bias, rows));
    return {rotate(split(k), rotary), split(v)};
}

at::Tensor visibility(const ModelConfig& config, int first_position, int tokens, int n, at::TensorOptions options)
{
    const bool windowed = config.sliding_window > 0 && n > config.sliding_window;
    if (tokens == 1 && !windowed) return {};
    const at::Tensor query = at::arange(first_position, first_position + tokens, options.dtype(at::kLong)).unsqueeze(1);
    const at::Tensor key = at::arange(n, options.dtype(at::kLong)).unsqueeze(0);
    at::Tensor hidden = key > query;
    if (windowed) hidden = hidden.logical_or(query - key >= config.sliding_window);
    return at::zeros({tokens, n}, options).masked_fill_(hidden, -std::numeric_limits<double>::infinity());
}

at::Tensor attention(const ModelConfig& config, const ReferenceLayer& layer, const at::Tensor& normalised, int heads,
                     const KeysValues& past, const at::Tensor& visible, const Rotary& rotary, const at::Tensor& mask,
                     const std::function<void(const at::Tensor&)>& observe, const AttentionCore& core)
{
    const std::int64_t batch = normalised.size(0);
    const std::int64_t tokens = normalised.size(1);
    const std::int64_t dh = config.head_dim;
    const std::int64_t groups = heads / config.headsPerGroup();
    const std::int64_t rows = heads * dh;

    const at::Tensor k = first(past.k, 1, groups); // [B, g, n, dh]
    const at::Tensor v = first(past.v, 1, groups);
    at::Tensor q = linear(normalised, firstRows(layer.q, rows), firstRows(layer.q_bias, rows));
    q = rotate(q.view({batch, tokens, heads, dh}).transpose(1, 2), rotary); // [B, H, T, dh]
    at::Tensor outputs = core ? core(q, k, v, visible) : plainAttention(q, k, v, visible);
    outputs = outputs.transpose(1, 2); // [B, T, H, dh]
    if (observe) observe(outputs);
    if (mask.defined()) outputs = outputs * mask.unsqueeze(-1);
    return linear(outputs.reshape({batch, tokens, rows}), firstColumns(layer.o, rows), layer.o_bias);
}

at::Tensor mlp(const ModelConfig& config, const ReferenceLayer& layer, const at::Tensor& normalised, int width,
               const at::Tensor& mask, const std::function<void(const at::Tensor&)>& observe)
{
    at::Tensor activations = linear(normalised, firstRows(layer.up, width), firstRows(layer.up_bias, width));
    if (config.gatedMlp()) {
        const at::Tensor gate = linear(normalised, firstRows(layer.gate, width), firstRows(layer.gate_bias, width));
        activations = activate(config.hidden_act, gate) * activations;
    } else {
        activations = activate(config.hidden_act, activations);
    }
    if (observe) observe(activations);
    if (mask.defined()) activations = activations * mask;
    return linear(activations, firstColumns(layer.down, width), layer.down_bias);
}

at::Tensor logits(const ReferenceWeights& weights, const at::Tensor& x)
{
    return at::linear(normalise(weights.config, x, weights.final_norm, weights.final_norm_bias), weights.head);
}

std::vector<LayerWidths> layerWidths(const SubNetwork& subnet)
{
    std::vector<LayerWidths> widths(subnet.mlp.size());
    for (std::size_t l = 0; l < widths.size(); ++l) {
        widths[l].heads = subnet.heads[l];
        widths[l].mlp = subnet.mlp[l];
    }
    return widths;
}

at::Tensor forward(const ReferenceWeights& weights, const at::Tensor& ids, std::span<const LayerWidths> widths,
                   const Observer* observer)
{
    const ModelConfig& config = weights.config;
    const int tokens = static_cast<int>(ids.size(1));
    const Rotary rotary = rotaryAt(weights, 0, tokens);
    const at::Tensor visible = visibility(config, 0, tokens, tokens, weights.embedding.options().requires_grad(false));
    at::Tensor x = embed(weights, ids, 0);
    for (int l = 0; l < config.numLayers(); ++l) {
        const ReferenceLayer& layer = weights.layers[static_cast<std::size_t>(l)];
        const LayerWidths& width = widths[static_cast<std::size_t>(l)];
        std::function<void(const at::Tensor&)> see_heads, see_mlp;
        if (observer && observer->heads) see_heads = [&](const at::Tensor& t) { observer->heads(l, t); };
        if (observer && observer->mlp) see_mlp = [&](const at::Tensor& t) { observer->mlp(l, t); };
        if (width.heads > 0) {
            const at::Tensor h = normalise(config, x, layer.attention_norm, layer.attention_norm_bias);
            const KeysValues past = keysValues(config, layer, h, width.heads / config.headsPerGroup(), rotary);
            x = x + attention(config, layer, h, width.heads, past, visible, rotary, width.head_mask, see_heads);
        }
        if (width.mlp > 0) {
            const at::Tensor h = normalise(config, x, layer.mlp_norm, layer.mlp_norm_bias);
            x = x + mlp(config, layer, h, width.mlp, width.mlp_mask, see_mlp);
        }
    }
    return x;
}

} // namespace flextron::reference
