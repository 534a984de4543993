// The slider's arithmetic, without a widget: what a wish becomes. All functions are pure and take microseconds, so that
// a label can follow the mouse. Stops come from the engine (uniformStops and parameterStops); the engine's own answer
// to a run replaces what is shown here.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "engine/routing/quality.h"
#include "engine/routing/target.h"

namespace flextron::ui {

/// What stops are ordered and asked by.
enum class TargetAxis { Latency, Parameters, Quality };

/// Share of full cost, or parameters. Not for Quality, whose stops are a QualityCurve's.
double valueOf(const Stop& stop, TargetAxis axis);

/// Index of the last stop whose value is not above `value`, as resolveTarget picks it; the first one for a value below
/// the floor. Precondition: stops not empty, ascending along `axis`.
int stopNotAbove(const std::vector<Stop>& stops, TargetAxis axis, double value);

/// The next stop above or below the one that `value` becomes; stays at the ends.
double steppedValue(const std::vector<Stop>& stops, TargetAxis axis, double value, int steps);

/// The target that a slider at `value` asks for; `by_flops`: a latency slider that counts in FLOPs.
Target targetFor(TargetAxis axis, double value, Routing routing, bool by_flops = false);

/// What a latency slider's values are said in.
enum class CostScale {
    Share,        ///< of the full model's milliseconds, or of its FLOPs before there is a table
    Milliseconds, ///< a token; needs a table
    Flops,        ///< share of the full model's FLOPs, table or not: what is asked is the same on every machine
};

/// What dynamic routers come to when asked for `budget`, and what to ask them for to come to `share`: lines between the
/// stops (dynamicStops), the nearest one beyond them. The same number where there are none: in FLOPs the routers are
/// asked as they were trained.
double shareOfBudget(const std::vector<DynamicStop>& stops, double budget);
double budgetOfShare(const std::vector<DynamicStop>& stops, double share);

/// Stops that routers were trained for, ascending, the full model last; from `budget_list`, none below `floor`.
std::vector<double> trainedStops(const std::vector<double>& budget_list, double floor);

/// The trained stops around a value that is none itself; none at a stop or outside.
std::optional<std::pair<double, double>> trainedNeighbours(const std::vector<double>& stops, double value);

/// A quality slider's values grow towards the full model like those of the others: `room` nats less the allowed rise.
/// The room is a little more than the largest rise, so that the floor is seen. 0 when there is nothing to choose.
double qualityRoom(const QualityCurve& curve);
std::vector<double> qualityTicks(const QualityCurve& curve);

/// True for the stop that is the full model.
bool isFull(const std::vector<Stop>& stops, int index);

} // namespace flextron::ui
