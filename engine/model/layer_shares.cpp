#include "engine/model/layer_shares.h"

#include "engine/model/cost.h"

namespace flextron {

std::int64_t LayerShares::layerFlops(int layer, int mlp, int heads) const
{
    const auto layers = static_cast<std::size_t>(config_.numLayers());
    SubNetwork subnet{std::vector<int>(layers, 0), std::vector<int>(layers, 0)};
    CostOptions options;
    options.kv = KvRule::All;
    const std::int64_t without = costOf(subnet, config_, options).flops_per_token;
    subnet.mlp[static_cast<std::size_t>(layer)] = mlp;
    subnet.heads[static_cast<std::size_t>(layer)] = heads;
    return costOf(subnet, config_, options).flops_per_token - without;
}

double LayerShares::share(int layer, int mlp, int heads) const
{
    const auto [entry, added] = known_.try_emplace({layer, mlp, heads}, 0.0);
    if (added) {
        const LayerSizes& full = config_.layers[static_cast<std::size_t>(layer)];
        const auto whole = layerFlops(layer, full.intermediate_size, full.num_attention_heads);
        entry->second = static_cast<double>(layerFlops(layer, mlp, heads)) / static_cast<double>(whole);
    }
    return entry->second;
}

} // namespace flextron
