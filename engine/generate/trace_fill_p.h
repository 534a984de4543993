// Filling traces: generation and scoring make the same records.
#pragma once

#include "engine/compute/backend.h"
#include "engine/generate/loaded_model.h"
#include "engine/generate/trace.h"
#include "engine/routing/target.h"

namespace flextron {

/// A trace without records: the model, the machine and the plan.
Trace newTrace(const LoadedModel& model, const WidthPlan& plan, Routing routing);
/// The plan from here on. One with routers is dynamic in any case.
void describePlan(Trace& trace, const WidthPlan& plan, Routing routing);
/// A token that was neither predicted nor read yet.
TokenRecord newRecord(const LoadedModel& model, int position, TokenId id);
/// Row `row` of a step that read `tokens` tokens, as the reading of `record`.
void fillRead(TokenRecord& record, const StepOutput& output, int row, int tokens, const Trace& trace);
/// Margins and entropies of the record's router probabilities.
void fillCertainty(TokenRecord& record, const ChoiceSets& choices);

} // namespace flextron
