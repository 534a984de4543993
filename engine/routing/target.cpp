#include "engine/routing/target.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/base/numbers.h"
#include "engine/routing/pricing_p.h"

namespace flextron {

namespace {

/// A kind of target: how it is counted, and how it is written in a message.
struct Unit {
    Measure measure;
    const char* name;
    const char* unit;
    int decimals;
};

Unit unitOf(Target::Kind kind)
{
    if (kind == Target::Kind::LatencyMs)
        return {[](const Price& price) { return price.ms.value_or(0.0); }, "a latency", " ms", 4};
    if (kind == Target::Kind::Parameters)
        return {[](const Price& price) { return static_cast<double>(price.parameters); }, "a size", " parameters", 0};
    return {[](const Price& price) { return price.share; }, "a budget", " of the full model", 4};
}

/// Rounded up, so that asking for the number shown succeeds.
std::string roundedUp(double value, int decimals)
{
    const double scale = std::pow(10.0, decimals);
    return formatNumber(std::ceil(value * scale - 1e-9) / scale, decimals);
}

void requireAboveFloor(const std::vector<Candidate>& candidates, const Unit& unit, double value, const Pricing& pricing)
{
    const double floor = unit.measure(candidates.front().price);
    if (value >= floor) return;
    std::string nearest = roundedUp(floor, unit.decimals);
    throw Failure(ErrorCode::InvalidArgument,
                  std::string(unit.name) + " of " + formatNumber(value, 6) + unit.unit +
                      " is below the floor: the smallest sub-network takes " + nearest + unit.unit + " (counted by " +
                      (unit.decimals == 0 ? "weights" : pricing.basis()) + ")",
                  "the nearest target that can be met is " + nearest);
}

void requireContext(const TargetContext& context)
{
    if (context.config == nullptr || context.choices == nullptr)
        throw Failure(ErrorCode::Internal, "a target needs a model's configuration and choice sets");
    if (context.context < 1)
        throw Failure(ErrorCode::InvalidArgument, "a context of " + std::to_string(context.context) + " tokens",
                      "give at least 1");
    validateChoiceSets(*context.choices, *context.config).orThrow();
}

void requireValue(const Target& target, const TargetContext& context)
{
    const bool positive = std::isfinite(target.value) && target.value > 0.0;
    if (target.kind == Target::Kind::Budget && !(positive && target.value <= 1.0))
        throw Failure(ErrorCode::InvalidArgument,
                      "a budget of " + formatNumber(target.value, 6) + " is no share of the full model",
                      "give a number above 0 and at most 1");
    if (!positive)
        throw Failure(ErrorCode::InvalidArgument, "a target of " + formatNumber(target.value, 6),
                      "give a number above 0");
    if (target.kind == Target::Kind::LatencyMs && context.latency == nullptr)
        throw Failure(
            ErrorCode::Unsupported,
            "a latency in milliseconds needs the latency table of this model on this device, and there is none",
            "measure it once (flextron profile), or give a share of the full model as a budget");
}

ResolvedTarget resultFor(WidthPlan plan, Routing routing, const Pricing& pricing)
{
    const Price price = pricing.of(plan.subnet);
    ResolvedTarget result;
    result.plan = std::move(plan);
    result.routing = routing;
    result.share = price.share;
    result.predicted_ms = price.ms;
    result.cost_basis = pricing.basis();
    return result;
}

Routing chosenRouting(const Target& target, const TargetContext& context)
{
    const bool can_be_dynamic = context.routers && context.routers->dynamic();
    const Routing routing = target.routing.value_or(can_be_dynamic ? Routing::Dynamic : Routing::Uniform);
    const bool there = routing == Routing::Uniform || (routing == Routing::Dynamic && can_be_dynamic) ||
                       (routing == Routing::Static && context.routers && context.routers->fixed);
    if (!there)
        throw Failure(ErrorCode::InvalidArgument,
                      "this model has no " + std::string(routingName(routing)) + " router" +
                          (routing == Routing::Dynamic ? "s" : ""),
                      "choose uniform routing, which needs none, or give a file of routers");
    return routing;
}

/// The share that dynamic routers are asked for. Where no choices were recorded: of a latency what their own time
/// leaves of it, of a size the share of the uniform sub-network of that size (our choice).
double budgetFor(const Target& target, const Candidate& uniform, const Pricing& pricing)
{
    const std::vector<DynamicPoint>& points = pricing.dynamicPoints();
    const bool as_it_is = target.kind == Target::Kind::Budget && !pricing.hasTable();
    if (!points.empty() && !as_it_is) return budgetWithin(points, unitOf(target.kind).measure, target.value);
    if (target.kind == Target::Kind::Budget) return target.value;
    if (target.kind == Target::Kind::LatencyMs)
        return std::min(1.0, std::max(0.0, target.value - pricing.routersMs()) / pricing.fullMs());
    return std::min(1.0, uniform.price.share);
}

ResolvedTarget dynamicResult(const TargetContext& context, const SubNetwork& fallback, double budget,
                             const Pricing& pricing)
{
    ResolvedTarget result = resultFor({fallback, context.routers, budget, nullptr}, Routing::Dynamic, pricing);
    // Outside the trained stops the routers are asked for the nearest one.
    const std::vector<double>& stops = context.routers->budget_list;
    const Price price = dynamicPrice(stops.empty() ? budget : std::clamp(budget, stops.back(), stops.front()), pricing);
    result.share = price.share;
    result.predicted_ms = price.ms;
    return result;
}

ResolvedTarget resolveQuality(const Target& target, const TargetContext& context, const Pricing& pricing)
{
    if (!(std::isfinite(target.value) && target.value >= 0.0))
        throw Failure(ErrorCode::InvalidArgument, "a rise of the loss by " + formatNumber(target.value, 6) + " nats",
                      "give a number of at least 0");
    const Routing routing = chosenRouting(target, context);
    const QualityChoice choice = chooseByQuality(target.value, routing, context, pricing);
    ResolvedTarget result = choice.subnet
                                ? resultFor({*choice.subnet, nullptr, choice.budget, nullptr},
                                            *choice.subnet == pricing.full() ? Routing::Uniform : routing, pricing)
                                : dynamicResult(context, pricing.full(), choice.budget, pricing);
    result.predicted_rise = choice.predicted_rise;
    result.quality_basis = choice.basis;
    return result;
}

[[noreturn]] void failStatic(const Unit& unit, double asked, double least)
{
    const std::string nearest = roundedUp(least, unit.decimals);
    throw Failure(ErrorCode::InvalidArgument,
                  std::string(unit.name) + " of " + formatNumber(asked, 6) + unit.unit +
                      " is below what the static router was trained for: its smallest sub-network takes " + nearest +
                      unit.unit,
                  "the nearest target that it can meet is " + nearest + "; uniform routing goes lower");
}

ResolvedTarget resolveCost(const Target& target, const TargetContext& context, const Pricing& pricing)
{
    requireValue(target, context);
    const Routing routing = chosenRouting(target, context);
    const Unit unit = unitOf(target.kind);
    const std::vector<Candidate> candidates = uniformCandidates(context, pricing, unit.measure);
    requireAboveFloor(candidates, unit, target.value, pricing);
    const Candidate& uniform = *bestNotAbove(candidates, unit.measure, target.value);
    // The whole model fits: there is nothing for a router to save.
    if (routing == Routing::Uniform || uniform.subnet == pricing.full())
        return resultFor({uniform.subnet, nullptr, 1.0, nullptr}, Routing::Uniform, pricing);
    if (routing == Routing::Dynamic)
        return dynamicResult(context, uniform.subnet, budgetFor(target, uniform, pricing), pricing);
    const StaticChoice choice = staticNotAbove(context, unit.measure, target.value, pricing);
    if (!choice.met && target.kind != Target::Kind::Budget)
        failStatic(unit, target.value, unit.measure(pricing.of(choice.subnet)));
    return resultFor({choice.subnet, nullptr, target.kind == Target::Kind::Budget ? target.value : 1.0, nullptr},
                     Routing::Static, pricing);
}

} // namespace

std::string_view routingName(Routing routing)
{
    switch (routing) {
    case Routing::Static: return "static";
    case Routing::Dynamic: return "dynamic";
    case Routing::Uniform: break;
    }
    return "uniform";
}

Result<Routing> parseRouting(std::string_view name)
{
    for (const Routing routing : {Routing::Uniform, Routing::Static, Routing::Dynamic})
        if (name == routingName(routing)) return routing;
    return Error{ErrorCode::InvalidArgument, "there is no routing \"" + std::string(name) + "\"",
                 "choose dynamic, static or uniform"};
}

Result<double> parseParameters(std::string_view text, const ModelConfig& config)
{
    return guarded([&] {
        std::string_view number = text;
        double scale = 1.0;
        const std::string_view suffixes = "kKmMbB";
        const auto suffix = number.empty() ? std::string_view::npos : suffixes.find(number.back());
        if (suffix != std::string_view::npos) {
            scale = suffix < 2 ? 1e3 : suffix < 4 ? 1e6 : 1e9;
            number.remove_suffix(1);
        }
        const std::optional<double> value = parseNumber(number);
        if (!value || !std::isfinite(*value) || *value <= 0.0)
            throw Failure(ErrorCode::InvalidArgument, "\"" + std::string(text) + "\" is no number of parameters",
                          "give a count such as 12.5M or 7e6, or a share of the model such as 0.6");
        if (scale == 1.0 && *value <= 1.0)
            return *value * static_cast<double>(costOf(fullSubNetwork(config), config).parameters);
        return *value * scale;
    });
}

namespace {

/// By FLOPs, with the time that the table foretells for it.
ResolvedTarget resolveByFlops(const Target& target, const TargetContext& context)
{
    TargetContext by_flops = context;
    by_flops.latency = nullptr;
    ResolvedTarget result = resolveCost(target, by_flops, Pricing(by_flops));
    if (context.latency == nullptr) return result;
    const Pricing pricing(context);
    result.predicted_ms = result.plan.dynamic()
                              ? dynamicResult(context, result.plan.subnet, result.plan.budget, pricing).predicted_ms
                              : pricing.of(result.plan.subnet).ms;
    return result;
}

} // namespace

Result<ResolvedTarget> resolveTarget(const Target& target, const TargetContext& context)
{
    return guarded([&] {
        requireContext(context);
        if (target.kind == Target::Kind::Budget && target.by_flops) return resolveByFlops(target, context);
        const Pricing pricing(context);
        switch (target.kind) {
        case Target::Kind::Full: return resultFor({pricing.full(), nullptr, 1.0, nullptr}, Routing::Uniform, pricing);
        case Target::Kind::Explicit:
            validateSubNetwork(target.subnet, *context.config).orThrow();
            if (target.routing && *target.routing != Routing::Uniform)
                throw Failure(ErrorCode::InvalidArgument,
                              "an explicit sub-network leaves " + std::string(routingName(*target.routing)) +
                                  " routing nothing to choose",
                              "give either a sub-network or a routing");
            return resultFor({target.subnet, nullptr, 1.0, nullptr}, Routing::Uniform, pricing);
        case Target::Kind::Quality: return resolveQuality(target, context, pricing);
        default: return resolveCost(target, context, pricing);
        }
    });
}

double shareOf(const SubNetwork& subnet, const TargetContext& context)
{
    return Pricing(context).of(subnet).share;
}

} // namespace flextron
