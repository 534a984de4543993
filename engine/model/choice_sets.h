// The widths that a model's sub-networks may have.
#pragma once

#include <vector>

#include "engine/base/error.h"
#include "engine/model/config.h"

namespace flextron {

/// Names of Flextron's own code: ascending, last = the full width. 0 (skip the sub-block) is never a member: it is for
/// trials by hand. One set serves all layers (method: section 3).
struct ChoiceSets {
    std::vector<int> mlp_int_list;  ///< MLP hidden neurons
    std::vector<int> head_int_list; ///< query heads, in whole groups
    bool operator==(const ChoiceSets&) const = default;
};

/// Quarters of the full width: MLP to multiples of 32 neurons where that leaves distinct choices, heads to whole
/// groups. A model that is not uniform over its layers, or has a single group, gets the one full entry for what cannot
/// vary: the largest layer's. Our choice.
ChoiceSets defaultChoiceSets(const ModelConfig& config);

/// Ascending, distinct, positive, last = full, heads in whole groups.
Result<void> validateChoiceSets(const ChoiceSets& choices, const ModelConfig& config);

} // namespace flextron
