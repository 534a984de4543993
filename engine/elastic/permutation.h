// Sorting units by importance: the permutation that puts the most important neurons and heads first and leaves the
// function as it is.
//
// Source: Flextron section 3.1. The order in which units stand does not matter to the sums over them, so permuting the
// rows and columns that belong to a unit together preserves the function up to the rounding of those sums (method:
// section 4.1).
#pragma once

#include <memory>
#include <vector>

#include "engine/base/error.h"
#include "engine/model/checkpoint.h"

namespace flextron {

/// One layer's new order: new position -> old index. `groups` moves a key/value head together with its query heads,
/// whose order inside the group stays: under multi-head attention these are single heads.
struct LayerPermutation {
    std::vector<int> mlp;
    std::vector<int> groups;
    bool operator==(const LayerPermutation&) const = default;
};

/// The order that leaves everything where it is.
std::vector<LayerPermutation> identityPermutation(const ModelConfig& config);
std::vector<LayerPermutation> inverse(const std::vector<LayerPermutation>& permutation);

/// Descending importance; equal units keep their order. InvalidArgument for a report with NaN.
Result<std::vector<LayerPermutation>> permutationByImportance(const ImportanceReport& report);

/// The report of the permuted model: each value where its unit now stands, `sorted` set when that is descending
/// everywhere. Precondition: the permutation fits the report.
ImportanceReport permuteReport(const ImportanceReport& report, const std::vector<LayerPermutation>& permutation);

/// The same model with its units in the new order. Bytes are moved, never computed with: a float16 weight stays that
/// very float16 weight. The record, if there is one, is taken over with its importance permuted. The changed tensors
/// are held in memory. InvalidArgument when a list is not a permutation of its layer's units.
Result<CheckpointContents> permuteCheckpoint(const std::shared_ptr<const Checkpoint>& source,
                                             const std::vector<LayerPermutation>& permutation);

} // namespace flextron
