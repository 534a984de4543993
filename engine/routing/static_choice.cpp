// The static router: one choice of widths for a whole text.
#include <algorithm>
#include <limits>

#include "engine/routing/pricing_p.h"

namespace flextron {

namespace {

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

} // namespace

std::vector<SubNetwork> staticMembers(const Routers& routers, const ModelConfig& config)
{
    constexpr int kSteps = 256;
    const std::vector<double>& stops = routers.budget_list;
    std::vector<SubNetwork> result;
    if (!routers.fixed || stops.empty()) return result;
    requireStaticSize(routers, config);
    for (int step = 0; step <= kSteps; ++step) {
        SubNetwork subnet = staticChoice(routers, stops.front() + (stops.back() - stops.front()) * step / kSteps,
                                         config);
        if (result.empty() || !(result.back() == subnet)) result.push_back(std::move(subnet));
    }
    return result;
}

StaticChoice staticNotAbove(const TargetContext& context, const Measure& measure, double limit, const Pricing& pricing)
{
    StaticChoice best, least;
    double best_cost = 0.0, least_cost = std::numeric_limits<double>::infinity();
    for (const SubNetwork& subnet : staticMembers(*context.routers, *context.config)) {
        const double cost = measure(pricing.of(subnet));
        if (cost < least_cost) {
            least = {subnet, false};
            least_cost = cost;
        }
        // What a message rounded may be a hair below what it named.
        if (cost > limit * (1 + 1e-9) || (best.met && cost <= best_cost)) continue;
        best = {subnet, true};
        best_cost = cost;
    }
    return best.met ? best : least;
}

Result<SubNetwork> staticSubNetwork(const Routers& routers, double budget, const ModelConfig& config)
{
    return guarded([&] {
        if (!routers.fixed)
            throw Failure(ErrorCode::InvalidArgument, "there is no static router",
                          "choose uniform routing, which needs none, or give a file of routers");
        requireStaticSize(routers, config);
        return staticChoice(routers, budget, config);
    });
}

} // namespace flextron
