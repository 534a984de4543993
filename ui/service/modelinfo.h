// From the engine's loaded model to what the window knows of it. Engine thread.
#pragma once

#include "engine/generate/loaded_model.h"
#include "ui/service/rundata.h"

namespace flextron::ui {

Preparation preparationOf(const Checkpoint& checkpoint);

/// What parameter targets can become: distinct, ascending in parameters.
std::vector<Stop> parameterStops(const TargetContext& context);

/// Throws Failure where the model gives no targets at all.
ModelInfoPtr describeModel(const LoadedModel& model);

/// What the window shows of a resolved target.
PlanInfo describePlan(const ResolvedTarget& resolved, const LoadedModel& model);

} // namespace flextron::ui
