// Random members of a model's family.
#pragma once

#include <random>

#include "engine/model/subnetwork.h"

namespace flextron::test {

/// Any widths that fit, drawn layer by layer, 0 among them: of four sub-blocks one is left out on average, one is
/// whole.
inline SubNetwork randomSubNetwork(const ModelConfig& config, std::mt19937& random)
{
    const auto draw = [&](int full) {
        switch (random() % 4) {
        case 0: return 0;
        case 1: return full;
        default: return static_cast<int>(random() % static_cast<unsigned>(full + 1));
        }
    };
    SubNetwork subnet;
    for (const LayerSizes& sizes : config.layers) {
        subnet.mlp.push_back(draw(sizes.intermediate_size));
        subnet.heads.push_back(draw(sizes.num_key_value_heads) * config.headsPerGroup());
    }
    return subnet;
}

/// The config that the sub-network would have on its own.
inline ModelConfig configOf(const SubNetwork& subnet, ModelConfig config)
{
    const int per_group = config.headsPerGroup();
    for (std::size_t l = 0; l < config.layers.size(); ++l)
        config.layers[l] = {subnet.heads[l], subnet.heads[l] / per_group, subnet.mlp[l]};
    return config;
}

} // namespace flextron::test
