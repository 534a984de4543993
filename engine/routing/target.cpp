#include "engine/routing/target.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/base/numbers.h"

namespace flextron {

namespace {

/// What a sub-network costs, in the three units in which it can be asked for.
struct Price {
    double share = 1.0;
    std::optional<double> ms;
    std::int64_t parameters = 0;
};

/// Prices everything against one model, device and K/V rule.
class Pricing {
public:
    explicit Pricing(const TargetContext& context) : context_(context), full_(fullSubNetwork(*context.config))
    {
        if (context.latency != nullptr) full_ms_ = context.latency->predictMs(full_, context.context, context.kv);
        else full_flops_ = static_cast<double>(cost(full_).flops_per_token);
    }

    [[nodiscard]] Price of(const SubNetwork& subnet) const
    {
        const Cost cost_of_subnet = cost(subnet);
        Price price;
        price.parameters = cost_of_subnet.parameters;
        if (context_.latency != nullptr) {
            price.ms = context_.latency->predictMs(subnet, context_.context, context_.kv);
            price.share = *price.ms / full_ms_;
        } else {
            price.share = static_cast<double>(cost_of_subnet.flops_per_token) / full_flops_;
        }
        return price;
    }
    [[nodiscard]] const SubNetwork& full() const { return full_; }
    [[nodiscard]] double fullMs() const { return full_ms_; }
    [[nodiscard]] const char* basis() const { return context_.latency != nullptr ? "latency table" : "FLOPs"; }

private:
    [[nodiscard]] Cost cost(const SubNetwork& subnet) const
    {
        CostOptions options;
        options.context = context_.context;
        options.kv = context_.kv;
        return costOf(subnet, *context_.config, options);
    }

    const TargetContext& context_;
    SubNetwork full_;
    double full_ms_ = 0.0;
    double full_flops_ = 1.0;
};

/// One pair of choices for all layers.
struct Candidate {
    SubNetwork subnet;
    double smaller_share = 1.0; ///< the smaller of the two shares of width
    Price price;
};

std::vector<Candidate> uniformCandidates(const TargetContext& context, const Pricing& pricing)
{
    const ChoiceSets& choices = *context.choices;
    const SubNetwork& full = pricing.full();
    std::vector<Candidate> candidates;
    for (const int mlp : choices.mlp_int_list)
        for (const int heads : choices.head_int_list) {
            Candidate candidate;
            candidate.subnet = full;
            // A layer that is narrower than the choice gives all it has.
            for (int& width : candidate.subnet.mlp) width = std::min(width, mlp);
            for (int& width : candidate.subnet.heads) width = std::min(width, heads);
            candidate.smaller_share = std::min(static_cast<double>(mlp) / choices.mlp_int_list.back(),
                                               static_cast<double>(heads) / choices.head_int_list.back());
            candidate.price = pricing.of(candidate.subnet);
            candidates.push_back(std::move(candidate));
        }
    return candidates;
}

using Measure = std::function<double(const Price&)>;

/// `a` is the better choice where both can be had.
bool better(const Candidate& a, const Candidate& b, const Measure& measure)
{
    if (a.smaller_share != b.smaller_share) return a.smaller_share > b.smaller_share;
    const double cost_a = measure(a.price);
    const double cost_b = measure(b.price);
    if (cost_a != cost_b) return cost_a > cost_b;
    return a.subnet > b.subnet;
}

/// Null when every candidate is above the limit.
const Candidate* bestNotAbove(const std::vector<Candidate>& candidates, const Measure& measure, double limit)
{
    const Candidate* best = nullptr;
    for (const Candidate& candidate : candidates)
        if (measure(candidate.price) <= limit && (best == nullptr || better(candidate, *best, measure)))
            best = &candidate;
    return best;
}

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
    double floor = unit.measure(candidates.front().price);
    for (const Candidate& candidate : candidates) floor = std::min(floor, unit.measure(candidate.price));
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

SubNetwork staticChoice(const Routers& routers, double budget, const ModelConfig& config)
{
    const std::vector<float> logits = routerLogits(*routers.fixed, targetCode(budget, routers.budget_list));
    auto next = logits.begin();
    const auto pick = [&next](const std::vector<int>& choices, int full) {
        const auto first = next;
        next += static_cast<std::ptrdiff_t>(choices.size());
        return std::min(full, choices[static_cast<std::size_t>(argmax({first, next}))]);
    };
    SubNetwork subnet = fullSubNetwork(config);
    for (std::size_t layer = 0; layer < subnet.mlp.size(); ++layer) {
        subnet.heads[layer] = pick(routers.choices.head_int_list, subnet.heads[layer]);
        subnet.mlp[layer] = pick(routers.choices.mlp_int_list, subnet.mlp[layer]);
    }
    validateSubNetwork(subnet, config).orThrow();
    return subnet;
}

void requireStaticSize(const Routers& routers, const ModelConfig& config)
{
    const std::size_t per_layer = routers.choices.head_int_list.size() + routers.choices.mlp_int_list.size();
    const std::size_t expected = per_layer * config.layers.size();
    if (static_cast<std::size_t>(routers.fixed->output.out) != expected)
        throw Failure(ErrorCode::InvalidArgument,
                      "the static router gives " + std::to_string(routers.fixed->output.out) +
                          " numbers; this model needs " + std::to_string(expected),
                      "use the routers that were made for this model");
}

/// The share that routers are asked for: of a size, the share of the uniform sub-network of that size (our choice).
double budgetFor(const Target& target, const Candidate& uniform, const Pricing& pricing)
{
    if (target.kind == Target::Kind::Budget) return target.value;
    if (target.kind == Target::Kind::LatencyMs) return std::min(1.0, target.value / pricing.fullMs());
    return std::min(1.0, uniform.price.share);
}

ResolvedTarget dynamicResult(const TargetContext& context, const SubNetwork& fallback, double budget,
                             const Pricing& pricing)
{
    ResolvedTarget result = resultFor({fallback, context.routers, budget, nullptr}, Routing::Dynamic, pricing);
    // Outside the trained stops the routers are asked for the nearest one.
    const std::vector<double>& stops = context.routers->budget_list;
    result.share = stops.empty() ? budget : std::clamp(budget, stops.back(), stops.front());
    if (result.predicted_ms) result.predicted_ms = result.share * pricing.fullMs();
    return result;
}

ResolvedTarget resolveCost(const Target& target, const TargetContext& context, const Pricing& pricing)
{
    requireValue(target, context);
    const Routing routing = chosenRouting(target, context);
    const std::vector<Candidate> candidates = uniformCandidates(context, pricing);
    const Unit unit = unitOf(target.kind);
    requireAboveFloor(candidates, unit, target.value, pricing);
    const Candidate& uniform = *bestNotAbove(candidates, unit.measure, target.value);
    // The whole model fits: there is nothing for a router to save.
    if (routing == Routing::Uniform || uniform.subnet == pricing.full())
        return resultFor({uniform.subnet, nullptr, 1.0, nullptr}, Routing::Uniform, pricing);
    const double budget = budgetFor(target, uniform, pricing);
    if (routing == Routing::Dynamic) return dynamicResult(context, uniform.subnet, budget, pricing);
    requireStaticSize(*context.routers, *context.config);
    return resultFor({staticChoice(*context.routers, budget, *context.config), nullptr, budget, nullptr},
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

Result<ResolvedTarget> resolveTarget(const Target& target, const TargetContext& context)
{
    return guarded([&] {
        requireContext(context);
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
        case Target::Kind::Quality:
            throw Failure(ErrorCode::Unsupported,
                          "this model has no record of how its loss rises as it shrinks, which a quality target needs",
                          "give a budget, a latency or a number of parameters");
        default: return resolveCost(target, context, pricing);
        }
    });
}

std::vector<Stop> uniformStops(const TargetContext& context)
{
    const Pricing pricing(context);
    const std::vector<Candidate> candidates = uniformCandidates(context, pricing);
    const Unit unit = unitOf(Target::Kind::Budget);
    std::vector<double> limits;
    for (const Candidate& candidate : candidates) limits.push_back(candidate.price.share);
    std::sort(limits.begin(), limits.end());
    std::vector<Stop> stops;
    for (const double limit : limits) {
        const Candidate& best = *bestNotAbove(candidates, unit.measure, limit);
        if (!stops.empty() && stops.back().subnet == best.subnet) continue;
        stops.push_back({best.subnet, best.price.share, best.price.ms, best.price.parameters});
    }
    return stops;
}

} // namespace flextron
