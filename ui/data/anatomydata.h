// One layer in numbers: what it holds, what a token reads of it, and how much each unit matters. No window.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/checkpoint.h"
#include "engine/model/config.h"

namespace flextron::ui {

/// Bytes of weights of one layer, read for one token under the rule "all": K and V of every group are always read.
struct LayerBytes {
    std::int64_t key_value = 0; ///< K and V, whatever the width
    std::int64_t attention = 0; ///< Q and O of the heads in use
    std::int64_t mlp = 0;       ///< of the neurons in use
    [[nodiscard]] std::int64_t sum() const { return key_value + attention + mlp; }
};
/// Norms count to the sub-block they stand before.
LayerBytes layerBytes(const ModelConfig& config, int layer, int mlp, int heads, int bytes_per_weight);

/// Importance of units in the order in which they stand, as shares of the largest; empty when none was recorded.
std::vector<double> relativeImportance(const std::vector<float>& importance);
/// Share of the sum that the first `count` units hold, 0 to 1; NaN without importance.
double importanceHeld(const std::vector<float>& importance, int count);

/// A layer's record, or null: of neurons (`mlp`) or key/value groups.
const std::vector<float>* importanceOf(const FlextronRecord& record, int layer, bool mlp);

/// One layer as it is drawn.
struct AnatomyLayer {
    int heads = 0;
    int full_heads = 0;
    int heads_per_group = 1;
    int mlp = 0;
    int full_mlp = 0;
    LayerBytes full_bytes;
    std::vector<double> group_importance; ///< relative; empty when never measured
    std::vector<double> neuron_importance;
};
/// At given widths, cut to what the layer has.
AnatomyLayer anatomyLayer(const Checkpoint& checkpoint, int layer, int mlp, int heads, int bytes_per_weight);

} // namespace flextron::ui
