// Quality targets: how far can a model shrink before its loss rises by more than is allowed?
#include <algorithm>
#include <vector>

#include "engine/routing/pricing_p.h"
#include "engine/routing/quality.h"

namespace flextron {

namespace {

struct RecordedPoint {
    double budget = 1.0;
    double rise = 0.0;
    double cost = 1.0; ///< what the widths that were read came to
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
            points.push_back({loss.budget, loss.loss - full->loss, loss.cost});
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
            return {last.budget + part * (point.budget - last.budget), allowed, 1.0};
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

double shareOfPrice(const Price& price)
{
    return price.share;
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
        // The network whose loss it was: not the one that the budget gets, where the router was above its stop.
        constexpr double kCounted = 1e-3; // the context at which the stage counted
        choice.subnet = staticNotAbove(recorded, shareOfPrice, point.cost + kCounted, Pricing(recorded)).subnet;
    } else if (routing == Routing::Uniform) {
        const std::vector<Candidate> candidates = uniformCandidates(context, pricing, shareOfPrice);
        const Candidate* best = bestNotAbove(candidates, shareOfPrice, point.budget);
        choice.subnet = best ? best->subnet : pricing.full();
    }
    return choice;
}

/// Sub-networks that the routing can come to, all with widths that the surrogate knows.
std::vector<SubNetwork> members(Routing routing, const TargetContext& context, const Pricing& pricing)
{
    std::vector<SubNetwork> result;
    if (routing == Routing::Uniform) {
        for (const Candidate& candidate : uniformCandidates(context, pricing, shareOfPrice))
            result.push_back(candidate.subnet);
        return result;
    }
    return staticMembers(*context.routers, *context.config);
}

double surrogateRise(const SubNetwork& subnet, const TargetContext& context)
{
    return context.routers->surrogate->predictRise(choiceMeans(subnet, context.routers->choices));
}

QualityChoice bySurrogate(double allowed, Routing routing, const TargetContext& context, const Pricing& pricing)
{
    QualityChoice choice;
    choice.subnet = pricing.full();
    choice.basis = "surrogate";
    double least = 1.0;
    for (const SubNetwork& subnet : members(routing, context, pricing)) {
        const double share = pricing.of(subnet).share;
        const double rise = surrogateRise(subnet, context);
        if (rise > allowed || share >= least) continue;
        least = share;
        choice.subnet = subnet;
        choice.predicted_rise = rise;
    }
    choice.budget = least;
    return choice;
}

/// What a routing's targets are answered by: its recorded points, or none for the surrogate. Throws where neither is.
struct Knowledge {
    std::vector<RecordedPoint> points;
    std::string text;
};

Knowledge knowledgeOf(Routing routing, const TargetContext& context)
{
    const bool surrogate = context.routers && context.routers->surrogate;
    if (context.losses != nullptr && !context.losses->empty()) {
        const std::string text = chosenText(context);
        auto points = recordedRises(*context.losses, text, routing);
        // Of uniform widths the surrogate knows every pair, the record only the stops.
        if (!points.empty() && !(routing == Routing::Uniform && surrogate && context.quality_text.empty()))
            return {std::move(points), text};
    }
    if (surrogate && routing != Routing::Dynamic) return {};
    throw Failure(ErrorCode::Unsupported,
                  "this model has no record of how its loss rises as it shrinks, which a quality target needs",
                  surrogate ? "choose static or uniform routing, whose loss its surrogate foretells"
                            : "give a budget, a latency or a number of parameters");
}

QualityStop stopOf(const QualityChoice& choice, const Pricing& pricing)
{
    const SubNetwork& subnet = choice.subnet ? *choice.subnet : pricing.full();
    const Price price = pricing.of(subnet);
    QualityStop stop{choice.predicted_rise, choice.budget, {subnet, price.share, price.ms, price.parameters}};
    if (!choice.subnet) {
        const Price dynamic = dynamicPrice(choice.budget, pricing);
        stop.member.share = dynamic.share;
        stop.member.predicted_ms = dynamic.ms;
    }
    return stop;
}

/// Every answer that a rise above 0 can get, by rising rise.
std::vector<QualityChoice> answers(const Knowledge& known, Routing routing, const TargetContext& context,
                                   const Pricing& pricing)
{
    std::vector<QualityChoice> found;
    for (const RecordedPoint& point : known.points)
        found.push_back(byRecord(point, known.text, routing, context, pricing));
    if (!known.points.empty()) return found;
    for (const SubNetwork& subnet : members(routing, context, pricing))
        found.push_back({subnet, pricing.of(subnet).share, surrogateRise(subnet, context), "surrogate"});
    std::sort(found.begin(), found.end(), [](const QualityChoice& a, const QualityChoice& b) {
        return a.predicted_rise != b.predicted_rise ? a.predicted_rise < b.predicted_rise : a.budget < b.budget;
    });
    return found;
}

} // namespace

QualityChoice chooseByQuality(double allowed_rise, Routing routing, const TargetContext& context,
                              const Pricing& pricing)
{
    if (allowed_rise == 0.0) return {pricing.full(), 1.0, 0.0, "the full model itself"};
    const Knowledge known = knowledgeOf(routing, context);
    if (known.points.empty()) return bySurrogate(allowed_rise, routing, context, pricing);
    return byRecord(routing == Routing::Dynamic ? lowestBetween(known.points, allowed_rise)
                                                : lowestOf(known.points, allowed_rise),
                    known.text, routing, context, pricing);
}

Result<QualityCurve> qualityCurve(Routing routing, const TargetContext& context)
{
    return guarded([&] {
        const Pricing pricing(context);
        const Knowledge known = knowledgeOf(routing, context);
        QualityCurve curve{routing, {}, known.text};
        const Price full = pricing.of(pricing.full());
        curve.stops.push_back({0.0, 1.0, {pricing.full(), full.share, full.ms, full.parameters}});
        for (const QualityChoice& answer : answers(known, routing, context, pricing)) {
            QualityStop stop = stopOf(answer, pricing);
            QualityStop& last = curve.stops.back();
            if (stop.budget >= last.budget) continue;
            if (stop.rise > last.rise) {
                curve.stops.push_back(std::move(stop));
            } else if (curve.stops.size() > 1) { // who allows the last one's rise gets this one
                stop.rise = last.rise;
                last = std::move(stop);
            }
        }
        return curve;
    });
}

double riseAt(const QualityCurve& curve, double budget)
{
    for (std::size_t i = 1; i < curve.stops.size(); ++i) {
        const QualityStop& above = curve.stops[i - 1];
        const QualityStop& below = curve.stops[i];
        if (budget < below.budget) continue;
        const double part = (above.budget - std::min(budget, above.budget)) / (above.budget - below.budget);
        return above.rise + part * (below.rise - above.rise);
    }
    return curve.stops.back().rise;
}

QualityStop stopWithin(const QualityCurve& curve, double rise)
{
    constexpr double kRounding = 1e-9; // a slider's arithmetic
    std::size_t last = 0;
    while (last + 1 < curve.stops.size() && curve.stops[last + 1].rise <= rise + kRounding) ++last;
    QualityStop stop = curve.stops[last];
    if (curve.routing != Routing::Dynamic || last + 1 == curve.stops.size() || rise <= stop.rise) return stop;
    const QualityStop& next = curve.stops[last + 1];
    const double part = (rise - stop.rise) / (next.rise - stop.rise);
    const auto between = [part](double from, double to) { return from + part * (to - from); };
    stop.rise = rise;
    stop.budget = between(stop.budget, next.budget);
    if (stop.member.predicted_ms && next.member.predicted_ms)
        stop.member.predicted_ms = between(*stop.member.predicted_ms, *next.member.predicted_ms);
    stop.member.share = between(stop.member.share, next.member.share);
    return stop;
}

std::optional<double> expectedRise(const ResolvedTarget& resolved, const TargetContext& context)
{
    if (resolved.predicted_rise) return resolved.predicted_rise;
    const WidthPlan& plan = resolved.plan;
    if (!plan.dynamic() && plan.subnet == fullSubNetwork(*context.config)) return 0.0;
    const auto curve = qualityCurve(resolved.routing, context);
    if (!curve.ok()) return std::nullopt;
    if (plan.dynamic()) return riseAt(*curve, plan.budget);
    for (const QualityStop& stop : curve->stops)
        if (stop.member.subnet == plan.subnet) return stop.rise;
    if (!context.routers || !context.routers->surrogate) return std::nullopt;
    const auto rise = guarded([&] { return surrogateRise(plan.subnet, context); });
    return rise.ok() ? std::optional(*rise) : std::nullopt; // a width that the surrogate does not know
}

} // namespace flextron
