// What quality costs: how the loss rises as a model shrinks, by what its conversion recorded or by its surrogate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/routing/target.h"

namespace flextron {

/// The cheapest member of a routing that keeps the rise of the loss within `rise`.
struct QualityStop {
    double rise = 0.0;   ///< nats a token over the full model's loss
    double budget = 1.0; ///< what is asked of the routers; the member's own share for uniform widths
    Stop member;         ///< for dynamic routing the full model's sub-network: widths differ from token to token
};

/// What a quality target can become under one routing: a slider's stops.
struct QualityCurve {
    Routing routing = Routing::Uniform;
    std::vector<QualityStop> stops; ///< ascending in rise, falling in budget; the first is the full model
    std::string text;               ///< that the losses were recorded on; empty: the surrogate foretells
};

/// Each stop is what its own `rise` resolves to (Target::Kind::Quality). Unsupported where nothing is known, as
/// resolveTarget says it. Precondition: the context is complete and its routers have what the routing needs.
Result<QualityCurve> qualityCurve(Routing routing, const TargetContext& context);

/// Rise at a budget: a line between stops, beyond the last one its own. Precondition: stops not empty.
double riseAt(const QualityCurve& curve, double budget);

/// What a rise becomes: dynamic routers answer between two stops as well, the others are at the last stop that keeps
/// within it. Precondition: stops not empty.
QualityStop stopWithin(const QualityCurve& curve, double rise);

/// What to expect of a plan, where something is known: nats a token over the full model's loss.
std::optional<double> expectedRise(const ResolvedTarget& resolved, const TargetContext& context);

} // namespace flextron
