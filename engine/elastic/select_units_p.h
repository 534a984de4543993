// Taking units (MLP neurons, groups of heads) out of a checkpoint by byte moves: what permutation and extraction share.
// Not a public header.
#pragma once

#include <memory>
#include <vector>

#include "engine/model/checkpoint.h"

namespace flextron {

/// A unit of zeros in place of one of the source's.
inline constexpr int kZeroUnit = -1;

/// Units of one layer: new position -> index in the source, or kZeroUnit.
struct UnitSelection {
    std::vector<int> mlp;    ///< hidden neurons
    std::vector<int> groups; ///< key/value heads, each with its query heads
};

struct SelectedTensors {
    std::vector<NamedTensor> tensors;    ///< those that `config` implies, by name
    std::shared_ptr<const void> storage; ///< keeps the tensors' bytes alive
};

/// The tensors of `config` (the source's with other layer sizes), made of the selected units. Types stay; tensors that
/// come out unchanged are views of the source's map. Preconditions: a selection a layer, whose counts are the sizes in
/// `config`; indices within the source.
SelectedTensors selectUnits(const std::shared_ptr<const Checkpoint>& source, const ModelConfig& config,
                            const std::vector<UnitSelection>& selections);

} // namespace flextron
