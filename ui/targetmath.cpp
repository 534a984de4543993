#include "ui/targetmath.h"

#include <algorithm>

namespace flextron::ui {

double valueOf(const Stop& stop, TargetAxis axis)
{
    return axis == TargetAxis::Latency ? stop.share : static_cast<double>(stop.parameters);
}

int stopNotAbove(const std::vector<Stop>& stops, TargetAxis axis, double value)
{
    int found = 0;
    for (int i = 0; i < static_cast<int>(stops.size()); ++i) {
        if (valueOf(stops[static_cast<std::size_t>(i)], axis) <= value) found = i;
    }
    return found;
}

double steppedValue(const std::vector<Stop>& stops, TargetAxis axis, double value, int steps)
{
    const int last = static_cast<int>(stops.size()) - 1;
    int index = stopNotAbove(stops, axis, value);
    // From between two stops, one step down is the stop below: not the one under it.
    if (steps < 0 && valueOf(stops[static_cast<std::size_t>(index)], axis) < value) ++steps;
    index = std::clamp(index + steps, 0, last);
    return valueOf(stops[static_cast<std::size_t>(index)], axis);
}

Target targetFor(TargetAxis axis, double value, Routing routing)
{
    Target target;
    target.kind = axis == TargetAxis::Latency ? Target::Kind::Budget : Target::Kind::Parameters;
    target.value = value;
    target.routing = routing;
    return target;
}

bool isFull(const std::vector<Stop>& stops, int index)
{
    return index == static_cast<int>(stops.size()) - 1;
}

} // namespace flextron::ui
