#include "ui/data/anatomydata.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/model/cost.h"

namespace flextron::ui {

LayerBytes layerBytes(const ModelConfig& config, int layer, int mlp, int heads, int bytes_per_weight)
{
    // One layer alone: under the rule "all", without heads, it is its K and V; under "own" nothing is left of it.
    ModelConfig alone = config;
    alone.layers = {config.layers[static_cast<std::size_t>(layer)]};
    const auto bytes_of = [&](int m, int a, KvRule kv) {
        CostOptions options;
        options.bytes_per_weight = bytes_per_weight;
        options.kv = kv;
        return costOf({{m}, {a}}, alone, options).weight_bytes;
    };
    const std::int64_t key_value = bytes_of(0, 0, KvRule::All);
    LayerBytes bytes;
    bytes.key_value = key_value - bytes_of(0, 0, KvRule::Own);
    bytes.attention = bytes_of(0, heads, KvRule::All) - key_value;
    bytes.mlp = bytes_of(mlp, 0, KvRule::All) - key_value;
    return bytes;
}

std::vector<double> relativeImportance(const std::vector<float>& importance)
{
    const auto largest = std::max_element(importance.begin(), importance.end());
    if (largest == importance.end() || *largest <= 0) return {};
    std::vector<double> shares;
    shares.reserve(importance.size());
    for (const float value : importance) shares.push_back(static_cast<double>(value) / *largest);
    return shares;
}

double importanceHeld(const std::vector<float>& importance, int count)
{
    const auto end = importance.begin() + std::clamp<std::ptrdiff_t>(count, 0, std::ssize(importance));
    const double all = std::accumulate(importance.begin(), importance.end(), 0.0);
    return all > 0 ? std::accumulate(importance.begin(), end, 0.0) / all : std::numeric_limits<double>::quiet_NaN();
}

const std::vector<float>* importanceOf(const FlextronRecord& record, int layer, bool mlp)
{
    if (!record.importance) return nullptr;
    const auto& layers = mlp ? record.importance->mlp : record.importance->groups;
    return layer >= 0 && layer < static_cast<int>(layers.size()) ? &layers[static_cast<std::size_t>(layer)] : nullptr;
}

AnatomyLayer anatomyLayer(const Checkpoint& checkpoint, int layer, int mlp, int heads, int bytes_per_weight)
{
    const ModelConfig& config = checkpoint.config();
    const LayerSizes& sizes = config.layers[static_cast<std::size_t>(layer)];
    AnatomyLayer drawn;
    drawn.mlp = std::clamp(mlp, 0, sizes.intermediate_size);
    drawn.heads = std::clamp(heads, 0, sizes.num_attention_heads);
    drawn.full_mlp = sizes.intermediate_size;
    drawn.full_heads = sizes.num_attention_heads;
    drawn.heads_per_group = std::max(1, config.headsPerGroup());
    drawn.full_bytes = layerBytes(config, layer, drawn.full_mlp, drawn.full_heads, bytes_per_weight);
    if (const auto* neurons = importanceOf(checkpoint.record(), layer, true); neurons != nullptr)
        drawn.neuron_importance = relativeImportance(*neurons);
    if (const auto* groups = importanceOf(checkpoint.record(), layer, false); groups != nullptr)
        drawn.group_importance = relativeImportance(*groups);
    return drawn;
}

} // namespace flextron::ui
