// The slider's arithmetic, without a widget: what a wish becomes. All functions are pure and take microseconds, so that
// a label can follow the mouse. Stops come from the engine (uniformStops and parameterStops); the engine's own answer
// to a run replaces what is shown here.
#pragma once

#include <vector>

#include "engine/routing/target.h"

namespace flextron::ui {

/// What stops are ordered and asked by.
enum class TargetAxis { Latency, Parameters };

/// Share of full cost, or parameters.
double valueOf(const Stop& stop, TargetAxis axis);

/// Index of the last stop whose value is not above `value`, as resolveTarget picks it; the first one for a value below
/// the floor. Precondition: stops not empty, ascending along `axis`.
int stopNotAbove(const std::vector<Stop>& stops, TargetAxis axis, double value);

/// The next stop above or below the one that `value` becomes; stays at the ends.
double steppedValue(const std::vector<Stop>& stops, TargetAxis axis, double value, int steps);

/// The target that a slider at `value` asks for.
Target targetFor(TargetAxis axis, double value, Routing routing);

/// True for the stop that is the full model.
bool isFull(const std::vector<Stop>& stops, int index);

} // namespace flextron::ui
