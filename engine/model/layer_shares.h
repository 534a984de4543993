// What a layer costs at given widths, as a share of the full layer: the measure of compute that views and files share.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "engine/model/config.h"

namespace flextron {

/// FLOPs of a layer at given widths over those at full width, K/V of all groups, 256 tokens of context. The MLP's and
/// the heads' parts add up. Remembers what it has computed; one thread.
class LayerShares {
public:
    explicit LayerShares(ModelConfig config) : config_(std::move(config)), full_(config_.maxSizes()) {}
    /// Whether a record of so many layers, with these full widths, can be this model's. A kept trace may be another's.
    [[nodiscard]] bool fits(int layers, int full_mlp, int full_heads) const
    {
        return layers == config_.numLayers() && full_mlp == full_.intermediate_size &&
               full_heads == full_.num_attention_heads;
    }
    /// Precondition: the model has that layer.
    [[nodiscard]] double share(int layer, int mlp, int heads) const;

private:
    [[nodiscard]] std::int64_t layerFlops(int layer, int mlp, int heads) const;
    ModelConfig config_;
    LayerSizes full_; // the widest
    mutable std::map<std::tuple<int, int, int>, double> known_;
};

} // namespace flextron
