// Quality targets: how far can a model shrink before its loss rises by more than is allowed?
#include <algorithm>
#include <vector>

#include "engine/routing/pricing_p.h"

namespace flextron {

namespace {

struct RecordedPoint {
    double budget = 1.0;
    double rise = 0.0;
};

/// What was recorded of one routing, from the full model downwards; empty without the full model's own loss.
std::vector<RecordedPoint> recordedRises(const std::vector<RecordedLoss>& losses, const std::string& text,
                                         Routing routing)
{
    const auto of_text = [&](const RecordedLoss& loss) { return loss.text == text; };
    const auto full = std::find_if(losses.begin(), losses.end(),
                                   [&](const RecordedLoss& loss) { return of_text(loss) && loss.routing == "full"; });
    if (full == losses.end()) return {};
    std::vector<RecordedPoint> points;
    for (const RecordedLoss& loss : losses)
        if (of_text(loss) && loss.routing == routingName(routing) && loss.budget < 1.0)
            points.push_back({loss.budget, loss.loss - full->loss});
    std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.budget > b.budget; });
    return points;
}

/// The text that the rise is meant on.
std::string chosenText(const TargetContext& context)
{
    std::string known;
    for (const RecordedLoss& loss : *context.losses) {
        if (context.quality_text.empty() || loss.text == context.quality_text) return loss.text;
        if (known.find(loss.text) == std::string::npos) known += (known.empty() ? "" : ", ") + loss.text;
    }
    throw Failure(ErrorCode::InvalidArgument, "no loss was recorded on a text named " + context.quality_text,
                  known.empty() ? "leave the name out" : "the texts with recorded losses are " + known);
}

/// Dynamic routers answer to any budget: between two recorded ones the rise is taken as a line. Downwards from the full
/// model until it is first above what is allowed; never below the last recorded stop.
RecordedPoint lowestBetween(const std::vector<RecordedPoint>& points, double allowed)
{
    RecordedPoint last; // the full model
    for (const RecordedPoint& point : points) {
        if (point.rise > allowed) {
            if (point.rise <= last.rise) return last;
            const double part = (allowed - last.rise) / (point.rise - last.rise);
            return {last.budget + part * (point.budget - last.budget), allowed};
        }
        last = point;
    }
    return last;
}

/// Static and uniform sub-networks are few: the last recorded one within what is allowed.
RecordedPoint lowestOf(const std::vector<RecordedPoint>& points, double allowed)
{
    RecordedPoint last;
    for (const RecordedPoint& point : points) {
        if (point.rise > allowed) break;
        last = point;
    }
    return last;
}

QualityChoice byRecord(const RecordedPoint& point, const std::string& text, Routing routing,
                       const TargetContext& context, const Pricing& pricing)
{
    QualityChoice choice;
    choice.budget = point.budget;
    choice.predicted_rise = point.rise;
    choice.basis = "losses recorded on " + text;
    if (point.budget >= 1.0) choice.subnet = pricing.full();
    else if (routing == Routing::Static) {
        TargetContext recorded = context; // the conversion counted FLOPs, with the keys and values of all heads
        recorded.latency = nullptr;
        recorded.kv = KvRule::All;
        choice.subnet = staticNotAbove(
                            recorded, [](const Price& price) { return price.share; }, point.budget, Pricing(recorded))
                            .subnet;
    } else if (routing == Routing::Uniform) {
        const std::vector<Candidate> candidates = uniformCandidates(context, pricing);
        const Candidate* best = bestNotAbove(
            candidates, [](const Price& price) { return price.share; }, point.budget);
        choice.subnet = best ? best->subnet : pricing.full();
    }
    return choice;
}

/// Sub-networks that the routing can come to, all with widths that the surrogate knows.
std::vector<SubNetwork> members(Routing routing, const TargetContext& context, const Pricing& pricing)
{
    std::vector<SubNetwork> result;
    if (routing == Routing::Uniform) {
        for (const Candidate& candidate : uniformCandidates(context, pricing)) result.push_back(candidate.subnet);
        return result;
    }
    return staticMembers(*context.routers, *context.config);
}

QualityChoice bySurrogate(double allowed, Routing routing, const TargetContext& context, const Pricing& pricing)
{
    const Surrogate& surrogate = *context.routers->surrogate;
    QualityChoice choice;
    choice.subnet = pricing.full();
    choice.basis = "surrogate";
    double least = 1.0;
    for (const SubNetwork& subnet : members(routing, context, pricing)) {
        const double share = pricing.of(subnet).share;
        const double rise = surrogate.predictRise(choiceMeans(subnet, context.routers->choices));
        if (rise > allowed || share >= least) continue;
        least = share;
        choice.subnet = subnet;
        choice.predicted_rise = rise;
    }
    choice.budget = least;
    return choice;
}

} // namespace

QualityChoice chooseByQuality(double allowed_rise, Routing routing, const TargetContext& context,
                              const Pricing& pricing)
{
    if (allowed_rise == 0.0) return {pricing.full(), 1.0, 0.0, "the full model itself"};
    const bool surrogate = context.routers && context.routers->surrogate;
    if (context.losses != nullptr && !context.losses->empty()) {
        const std::string text = chosenText(context);
        const auto points = recordedRises(*context.losses, text, routing);
        // Of uniform widths the surrogate knows every pair, the record only the stops.
        if (!points.empty() && !(routing == Routing::Uniform && surrogate && context.quality_text.empty()))
            return byRecord(routing == Routing::Dynamic ? lowestBetween(points, allowed_rise)
                                                        : lowestOf(points, allowed_rise),
                            text, routing, context, pricing);
    }
    if (surrogate && routing != Routing::Dynamic) return bySurrogate(allowed_rise, routing, context, pricing);
    throw Failure(ErrorCode::Unsupported,
                  "this model has no record of how its loss rises as it shrinks, which a quality target needs",
                  surrogate ? "choose static or uniform routing, whose loss its surrogate foretells"
                            : "give a budget, a latency or a number of parameters");
}

} // namespace flextron
