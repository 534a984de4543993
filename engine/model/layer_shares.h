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
    explicit LayerShares(ModelConfig config) : config_(std::move(config)), sizes_(config_.sizes()) {}
    /// The model's.
    [[nodiscard]] const ModelSizes& sizes() const { return sizes_; }
    /// Precondition: the model has that layer.
    [[nodiscard]] double share(int layer, int mlp, int heads) const;

private:
    [[nodiscard]] std::int64_t layerFlops(int layer, int mlp, int heads) const;
    ModelConfig config_;
    ModelSizes sizes_;
    mutable std::map<std::tuple<int, int, int>, double> known_;
};

} // namespace flextron
