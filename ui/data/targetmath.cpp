#include "ui/data/targetmath.h"

#include <algorithm>
#include <cmath>

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

Target targetFor(TargetAxis axis, double value, Routing routing, bool by_flops)
{
    Target target;
    target.kind = axis == TargetAxis::Latency      ? Target::Kind::Budget
                  : axis == TargetAxis::Parameters ? Target::Kind::Parameters
                                                   : Target::Kind::Quality;
    target.value = value;
    target.routing = routing;
    target.by_flops = by_flops && axis == TargetAxis::Latency;
    return target;
}

namespace {

/// The value along `to` where the one along `from` is `value`.
double alongStops(const std::vector<DynamicStop>& stops, double DynamicStop::*from, double DynamicStop::*to,
                  double value)
{
    if (stops.empty()) return value;
    if (value <= stops.front().*from) return stops.front().*to;
    for (std::size_t i = 1; i < stops.size(); ++i) {
        const DynamicStop &below = stops[i - 1], &above = stops[i];
        if (value > above.*from || above.*from <= below.*from) continue;
        return below.*to + (value - below.*from) / (above.*from - below.*from) * (above.*to - below.*to);
    }
    return stops.back().*to;
}

} // namespace

double shareOfBudget(const std::vector<DynamicStop>& stops, double budget)
{
    return alongStops(stops, &DynamicStop::budget, &DynamicStop::share, budget);
}

double budgetOfShare(const std::vector<DynamicStop>& stops, double share)
{
    return alongStops(stops, &DynamicStop::share, &DynamicStop::budget, share);
}

std::vector<double> trainedStops(const std::vector<double>& budget_list, double floor)
{
    std::vector<double> stops;
    for (const double budget : budget_list) {
        if (budget >= floor && budget < 1.0) stops.push_back(budget);
    }
    stops.push_back(1.0);
    std::sort(stops.begin(), stops.end());
    return stops;
}

std::optional<std::pair<double, double>> trainedNeighbours(const std::vector<double>& stops, double value)
{
    constexpr double kSame = 0.0005; // shares are shown to two digits
    const auto above = std::upper_bound(stops.begin(), stops.end(), value);
    if (above == stops.begin() || above == stops.end()) return std::nullopt;
    const double below = *std::prev(above);
    if (value - below < kSame || *above - value < kSame) return std::nullopt;
    return std::pair(below, *above);
}

double qualityRoom(const QualityCurve& curve)
{
    constexpr double kBelowFloor = 0.15;
    return (1.0 + kBelowFloor) * curve.stops.back().rise;
}

std::vector<double> qualityTicks(const QualityCurve& curve)
{
    std::vector<double> ticks;
    for (auto stop = curve.stops.rbegin(); stop != curve.stops.rend(); ++stop)
        ticks.push_back(qualityRoom(curve) - stop->rise);
    return ticks;
}

bool isFull(const std::vector<Stop>& stops, int index)
{
    return index == static_cast<int>(stops.size()) - 1;
}

} // namespace flextron::ui
