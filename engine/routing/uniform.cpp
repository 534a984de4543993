// Uniform sub-networks: the same widths in every layer.
#include <algorithm>

#include "engine/routing/pricing_p.h"

namespace flextron {

namespace {

/// `a` is the better choice where both can be had.
bool better(const Candidate& a, const Candidate& b, const Measure& measure)
{
    if (a.smaller_share != b.smaller_share) return a.smaller_share > b.smaller_share;
    const double cost_a = measure(a.price);
    const double cost_b = measure(b.price);
    if (cost_a != cost_b) return cost_a > cost_b;
    return a.subnet > b.subnet;
}

double shareOfFull(const Price& price)
{
    return price.share;
}

} // namespace

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

const Candidate* bestNotAbove(const std::vector<Candidate>& candidates, const Measure& measure, double limit)
{
    const Candidate* best = nullptr;
    for (const Candidate& candidate : candidates)
        if (measure(candidate.price) <= limit && (best == nullptr || better(candidate, *best, measure)))
            best = &candidate;
    return best;
}

SubNetwork uniformAtShare(double share, const TargetContext& context)
{
    const ModelConfig& config = *context.config;
    const Pricing pricing(context);
    const LayerSizes full = config.maxSizes();
    const auto priced = [&](int mlp, int heads) {
        Candidate candidate{pricing.full(), 0.0, {}};
        for (int& width : candidate.subnet.mlp) width = std::min(width, mlp);
        for (int& width : candidate.subnet.heads) width = std::min(width, heads);
        candidate.smaller_share = std::min(static_cast<double>(mlp) / full.intermediate_size,
                                           static_cast<double>(heads) / full.num_attention_heads);
        candidate.price = pricing.of(candidate.subnet);
        return candidate;
    };
    const int step = config.headsPerGroup();
    Candidate best = priced(1, step);
    bool best_reaches = false;
    for (int heads = step; heads <= full.num_attention_heads; heads += step) {
        // The most neurons that fit beside so many heads: cost rises with width.
        int fits = 0;
        for (int low = 1, high = full.intermediate_size; low <= high;) {
            const int middle = (low + high) / 2;
            if (priced(middle, heads).price.share <= share) {
                fits = middle;
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        if (fits == 0) continue;
        Candidate candidate = priced(fits, heads);
        // With all its neurons and room left it does not reach the cost: only where nothing does, the costliest counts.
        const bool reaches = fits < full.intermediate_size || heads == full.num_attention_heads;
        const bool wins = reaches != best_reaches ? reaches
                          : reaches               ? better(candidate, best, shareOfFull)
                                                  : candidate.price.share > best.price.share;
        if (!wins) continue;
        best = std::move(candidate);
        best_reaches = reaches;
    }
    return best.subnet;
}

std::vector<Stop> uniformStops(const TargetContext& context)
{
    const Pricing pricing(context);
    const std::vector<Candidate> candidates = uniformCandidates(context, pricing);
    std::vector<double> limits;
    for (const Candidate& candidate : candidates) limits.push_back(candidate.price.share);
    std::sort(limits.begin(), limits.end());
    std::vector<Stop> stops;
    for (const double limit : limits) {
        const Candidate& best = *bestNotAbove(candidates, shareOfFull, limit);
        if (!stops.empty() && stops.back().subnet == best.subnet) continue;
        stops.push_back({best.subnet, best.price.share, best.price.ms, best.price.parameters});
    }
    return stops;
}

} // namespace flextron
