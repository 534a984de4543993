// Dynamic routers: what they come to in the mean when they are asked for a share, by any latency table.
#include <algorithm>
#include <cmath>
#include <map>

#include "engine/routing/pricing_p.h"

namespace flextron {

namespace {

/// Recorded means of each budget, over all texts, by their tokens; the largest budget first.
std::map<double, std::vector<double>, std::greater<>> recordedMeans(const TargetContext& context)
{
    const std::size_t size = context.config->layers.size() *
                             (context.choices->head_int_list.size() + context.choices->mlp_int_list.size());
    std::map<double, std::vector<double>, std::greater<>> sums;
    std::map<double, double> tokens;
    for (const RecordedLoss& loss : *context.losses) {
        if (loss.choice_means.size() != size || !(loss.budget > 0.0 && loss.budget < 1.0)) continue;
        std::vector<double>& sum = sums.try_emplace(loss.budget, size, 0.0).first->second;
        const auto weight = static_cast<double>(std::max<std::int64_t>(loss.tokens, 1));
        for (std::size_t i = 0; i < size; ++i) sum[i] += weight * loss.choice_means[i];
        tokens[loss.budget] += weight;
    }
    for (auto& [budget, sum] : sums)
        for (double& mean : sum) mean /= tokens[budget];
    return sums;
}

/// What one choice takes less than the full width of its sub-block, in the order of choiceMeans().
std::vector<Price> savings(const TargetContext& context, const Pricing& pricing)
{
    const Price full = pricing.of(pricing.full());
    std::vector<Price> saved;
    const auto save = [&](SubNetwork subnet) {
        const Price price = pricing.of(subnet);
        saved.push_back({full.share - price.share, full.ms ? std::optional(*full.ms - *price.ms) : std::nullopt,
                         full.parameters - price.parameters});
    };
    for (std::size_t layer = 0; layer < context.config->layers.size(); ++layer) {
        SubNetwork subnet = pricing.full();
        const int all_heads = subnet.heads[layer], all_neurons = subnet.mlp[layer];
        for (const int heads : context.choices->head_int_list) {
            subnet.heads[layer] = std::min(heads, all_heads);
            save(subnet);
        }
        subnet.heads[layer] = all_heads;
        for (const int neurons : context.choices->mlp_int_list) {
            subnet.mlp[layer] = std::min(neurons, all_neurons);
            save(subnet);
        }
    }
    return saved;
}

/// Their own time on top of what the widths take.
Price withRouters(Price price, const Pricing& pricing)
{
    if (!price.ms) return price;
    *price.ms += pricing.routersMs();
    price.share = *price.ms / pricing.fullMs();
    return price;
}

Price meanPrice(const std::vector<double>& means, const std::vector<Price>& saved, const Pricing& pricing)
{
    Price price = pricing.of(pricing.full());
    double parameters = 0.0;
    for (std::size_t i = 0; i < means.size(); ++i) {
        price.share -= means[i] * saved[i].share;
        if (price.ms) *price.ms -= means[i] * saved[i].ms.value_or(0.0);
        parameters += means[i] * static_cast<double>(saved[i].parameters);
    }
    price.parameters -= std::llround(parameters);
    return withRouters(price, pricing);
}

double between(double from, double to, double part)
{
    return from + part * (to - from);
}

std::vector<DynamicPoint> pointsOf(const TargetContext& context, const Pricing& pricing)
{
    std::vector<DynamicPoint> points;
    if (context.losses == nullptr) return points;
    const auto recorded = recordedMeans(context);
    if (recorded.empty()) return points;
    points.push_back({1.0, withRouters(pricing.of(pricing.full()), pricing)});
    const std::vector<Price> saved = savings(context, pricing);
    for (const auto& [budget, means] : recorded) {
        Price price = meanPrice(means, saved, pricing);
        const Price& above = points.back().price; // a noisy table: less is never dearer
        price.share = std::min(price.share, above.share);
        if (price.ms) price.ms = std::min(*price.ms, *above.ms);
        price.parameters = std::min(price.parameters, above.parameters);
        points.push_back({budget, price});
    }
    return points;
}

Price priceAt(const std::vector<DynamicPoint>& points, double budget)
{
    if (budget >= points.front().budget) return points.front().price;
    for (std::size_t i = 1; i < points.size(); ++i) {
        if (budget < points[i].budget) continue;
        const Price &from = points[i].price, &to = points[i - 1].price;
        const double part = (budget - points[i].budget) / (points[i - 1].budget - points[i].budget);
        Price price;
        price.share = between(from.share, to.share, part);
        if (from.ms) price.ms = between(*from.ms, *to.ms, part);
        price.parameters = std::llround(
            between(static_cast<double>(from.parameters), static_cast<double>(to.parameters), part));
        return price;
    }
    return points.back().price;
}

} // namespace

const std::vector<DynamicPoint>& Pricing::dynamicPoints() const
{
    if (!dynamic_points_) dynamic_points_ = pointsOf(context_, *this);
    return *dynamic_points_;
}

double budgetWithin(const std::vector<DynamicPoint>& points, const Measure& measure, double wanted)
{
    if (wanted >= measure(points.front().price)) return points.front().budget;
    for (std::size_t i = 1; i < points.size(); ++i) {
        const double above = measure(points[i - 1].price), below = measure(points[i].price);
        if (wanted < below) continue;
        return between(points[i].budget, points[i - 1].budget, (wanted - below) / (above - below));
    }
    return points.back().budget;
}

std::vector<DynamicStop> dynamicStops(const TargetContext& context)
{
    std::vector<DynamicStop> stops;
    if (context.latency == nullptr) return stops;
    const Pricing pricing(context);
    const std::vector<DynamicPoint>& points = pricing.dynamicPoints();
    for (auto point = points.rbegin(); point != points.rend(); ++point)
        stops.push_back({point->budget, point->price.share, point->price.ms});
    return stops;
}

Price dynamicPrice(double budget, const Pricing& pricing)
{
    const std::vector<DynamicPoint>& points = pricing.dynamicPoints();
    // Without a table a stop is what the routers were trained for: a share of FLOPs.
    if (!points.empty() && pricing.hasTable()) return priceAt(points, budget);
    Price price;
    price.share = budget;
    if (pricing.hasTable()) price.ms = budget * pricing.fullMs() + pricing.routersMs();
    return price;
}

} // namespace flextron
