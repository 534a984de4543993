// What sub-networks cost, and the uniform ones among them: what targets are resolved with. Not a public header.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/routing/target.h"

namespace flextron {

/// What a sub-network costs, in the three units in which it can be asked for.
struct Price {
    double share = 1.0;
    std::optional<double> ms;
    std::int64_t parameters = 0;
};

/// What dynamic routers come to in the mean when asked for `budget`, their own time included.
struct DynamicPoint {
    double budget = 1.0;
    Price price;
};

/// Prices everything against one model, device and K/V rule.
class Pricing {
public:
    explicit Pricing(const TargetContext& context) : context_(context), full_(fullSubNetwork(*context.config))
    {
        if (context.latency != nullptr) {
            full_ms_ = context.latency->predictMs(full_, context.context, context.kv);
            routers_ms_ = context.latency->predictMs(full_, context.context, context.kv, /*routed=*/true) - full_ms_;
        } else full_flops_ = static_cast<double>(cost(full_).flops_per_token);
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
    [[nodiscard]] bool hasTable() const { return context_.latency != nullptr; }
    [[nodiscard]] double fullMs() const { return full_ms_; }
    /// What dynamic routers add to a token's time; 0 without a table.
    [[nodiscard]] double routersMs() const { return routers_ms_; }
    /// At the full model's and at every budget of which the conversion recorded the choices, the largest budget first;
    /// no point is dearer than the one before. Empty where nothing was recorded. Worked out when first asked for.
    [[nodiscard]] const std::vector<DynamicPoint>& dynamicPoints() const;
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
    double routers_ms_ = 0.0;
    double full_flops_ = 1.0;
    mutable std::optional<std::vector<DynamicPoint>> dynamic_points_;
};

/// One pair of choices for all layers.
struct Candidate {
    SubNetwork subnet;
    Price price;
};

using Measure = std::function<double(const Price&)>;

/// What targets counted by `measure` get under Routing::Uniform, the cheapest first (docs/method.md, uniform targets).
std::vector<Candidate> uniformCandidates(const TargetContext& context, const Pricing& pricing, const Measure& measure);

/// The last of uniformCandidates, by the same measure, that is not above the limit. Null when every one is.
const Candidate* bestNotAbove(const std::vector<Candidate>& candidates, const Measure& measure, double limit);

/// What the static router chooses between its stops, from the full model downwards; neighbours differ.
std::vector<SubNetwork> staticMembers(const Routers& routers, const ModelConfig& config);

struct StaticChoice {
    SubNetwork subnet;
    bool met = false; ///< else it is the cheapest one, and above the limit
};
/// The costliest of staticMembers that is not above `limit`: how stops map to milliseconds or sizes depends on the
/// device's table, and is found anew on each (method.md, re-targeting). Precondition: there is a static router.
StaticChoice staticNotAbove(const TargetContext& context, const Measure& measure, double limit, const Pricing& pricing);

/// The budget that comes to `wanted`: a line between two points, the nearest one beyond them. Precondition: not empty.
double budgetWithin(const std::vector<DynamicPoint>& points, const Measure& measure, double wanted);

/// What a budget comes to: by the points and the table; without a table its own share, without points that share of
/// the full model's time and the routers' own.
Price dynamicPrice(double budget, const Pricing& pricing);

/// Routing::Uniform and Routing::Static find what keeps the rise of the loss within target.value; Routing::Dynamic
/// needs recorded losses. Throws Failure(Unsupported) for a model that has neither those nor a surrogate.
struct QualityChoice {
    std::optional<SubNetwork> subnet; ///< none: dynamic routers, asked for `budget`
    double budget = 1.0;
    double predicted_rise = 0.0; ///< nats a token
    std::string basis;           ///< "losses recorded on stories.txt", "surrogate"
};
QualityChoice chooseByQuality(double allowed_rise, Routing routing, const TargetContext& context,
                              const Pricing& pricing);

} // namespace flextron
