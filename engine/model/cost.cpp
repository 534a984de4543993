#include "engine/model/cost.h"

#include <algorithm>

namespace flextron {

namespace {

/// Weights of one layer: those of products and the others (biases, norms).
struct LayerWeights {
    std::int64_t products = 0;
    std::int64_t others = 0;
};

LayerWeights attentionWeights(const ModelConfig& config, std::int64_t q, std::int64_t kv)
{
    if (q == 0 && kv == 0) return {};
    const std::int64_t d = config.hidden_size;
    LayerWeights weights;
    weights.products = d * q + 2 * d * kv + q * d; // Q, K and V, O
    weights.others = config.isGpt() ? 2 * d : d;   // norm: weight, and bias in the GPT family
    if (config.attention_qkv_bias) weights.others += q + 2 * kv;
    if (config.attention_output_bias && q > 0) weights.others += d;
    return weights;
}

LayerWeights mlpWeights(const ModelConfig& config, std::int64_t m)
{
    if (m == 0) return {};
    const std::int64_t d = config.hidden_size;
    const std::int64_t inputs = config.gatedMlp() ? 2 : 1; // gate and up, or fc
    LayerWeights weights;
    weights.products = (inputs + 1) * d * m;
    weights.others = config.isGpt() ? 2 * d : d;
    if (config.mlp_bias) weights.others += inputs * m + d;
    return weights;
}

} // namespace

std::string_view kvRuleName(KvRule rule)
{
    return rule == KvRule::Own ? "own" : "all";
}

Cost costOf(const SubNetwork& subnet, const ModelConfig& config, const CostOptions& options)
{
    const std::int64_t d = config.hidden_size;
    const std::int64_t dh = config.head_dim;
    const std::int64_t vocabulary = config.vocab_size;
    const std::int64_t per_group = config.headsPerGroup();
    const std::int64_t seen = config.sliding_window == 0 ? options.context
                                                         : std::min(options.context, config.sliding_window);

    std::int64_t products = vocabulary * d;           // the output head
    std::int64_t others = config.isGpt() ? 2 * d : d; // the last norm
    std::int64_t attention_flops = 0;
    std::int64_t kv_elements = 0;
    for (std::size_t l = 0; l < config.layers.size(); ++l) {
        const std::int64_t q = subnet.heads[l] * dh; // columns of Q
        const std::int64_t own = subnet.heads[l] / per_group * dh;
        const std::int64_t stored = options.kv == KvRule::All ? config.layers[l].num_key_value_heads * dh
                                                              : own; // columns of K, and of V
        const LayerWeights attention = attentionWeights(config, q, stored);
        const LayerWeights mlp = mlpWeights(config, subnet.mlp[l]);
        products += attention.products + mlp.products;
        others += attention.others + mlp.others;
        attention_flops += 2 * (q * seen + q * seen); // scores, then the weighted sum of values
        kv_elements += 2 * (own * seen + stored);
    }
    const std::int64_t positions = config.isGpt() ? config.max_position_embeddings : 0;
    const std::int64_t input_embedding = config.tie_word_embeddings ? 0 : vocabulary * d;
    const std::int64_t embedding_rows = config.isGpt() ? 2 * d : d;

    Cost cost;
    cost.parameters = products + others + input_embedding + positions * d;
    cost.flops_per_token = 2 * products + attention_flops;
    cost.weight_bytes = (products + others + embedding_rows) * options.bytes_per_weight;
    cost.kv_bytes = kv_elements * options.bytes_per_kv;
    return cost;
}

double flopShare(const SubNetwork& subnet, const ModelConfig& config, const CostOptions& options)
{
    const auto full = costOf(fullSubNetwork(config), config, options).flops_per_token;
    return static_cast<double>(costOf(subnet, config, options).flops_per_token) / static_cast<double>(full);
}

} // namespace flextron
