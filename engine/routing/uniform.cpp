// Uniform sub-networks: the same widths in every layer.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "engine/routing/pricing_p.h"

namespace flextron {

namespace {

double shareOfFull(const Price& price)
{
    return price.share;
}

/// The largest gap between neighbouring choices, as a share of the width.
double largestStep(const std::vector<int>& choices)
{
    int step = 0;
    for (std::size_t i = 1; i < choices.size(); ++i) step = std::max(step, choices[i] - choices[i - 1]);
    return static_cast<double>(step) / choices.back();
}

/// A pair of choices for all layers, and where it stands among the others.
struct Pair {
    Candidate candidate;
    int mlp = 0;
    int heads = 0;
    double cost = 0.0;
    double apart = 0.0; ///< difference of the two shares of width
    bool balanced = false;
};

std::vector<Pair> allPairs(const TargetContext& context, const Pricing& pricing, const Measure& measure)
{
    const ChoiceSets& choices = *context.choices;
    const double tolerance = 1e-9 + std::max(largestStep(choices.mlp_int_list), largestStep(choices.head_int_list));
    std::vector<Pair> pairs;
    for (const int mlp : choices.mlp_int_list)
        for (const int heads : choices.head_int_list) {
            Pair pair{{pricing.full(), {}}, mlp, heads};
            // A layer that is narrower than the choice gives all it has.
            for (int& width : pair.candidate.subnet.mlp) width = std::min(width, mlp);
            for (int& width : pair.candidate.subnet.heads) width = std::min(width, heads);
            pair.candidate.price = pricing.of(pair.candidate.subnet);
            pair.cost = measure(pair.candidate.price);
            pair.apart = std::abs(static_cast<double>(mlp) / choices.mlp_int_list.back() -
                                  static_cast<double>(heads) / choices.head_int_list.back());
            pair.balanced = pair.apart <= tolerance;
            pairs.push_back(std::move(pair));
        }
    return pairs;
}

/// Another pair is at least as wide in both, costs no more and is no worse a member: measured tables are noisy.
bool beaten(const Pair& pair, const std::vector<Pair>& pairs)
{
    return std::any_of(pairs.begin(), pairs.end(), [&](const Pair& other) {
        const bool same = other.mlp == pair.mlp && other.heads == pair.heads;
        return !same && other.balanced >= pair.balanced && other.mlp >= pair.mlp && other.heads >= pair.heads &&
               other.cost <= pair.cost;
    });
}

} // namespace

std::vector<Candidate> uniformCandidates(const TargetContext& context, const Pricing& pricing, const Measure& measure)
{
    std::vector<Pair> pairs = allPairs(context, pricing, measure);
    // Of equal cost the more balanced one comes last, and so is the one that is found.
    std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
        return std::tuple(a.cost, -a.apart, a.mlp) < std::tuple(b.cost, -b.apart, b.mlp);
    });
    std::vector<Candidate> candidates;
    bool met_balanced = false;
    for (const Pair& pair : pairs) {
        // A lopsided pair is for targets that no balanced one meets.
        if ((met_balanced && !pair.balanced) || beaten(pair, pairs)) continue;
        met_balanced = met_balanced || pair.balanced;
        candidates.push_back(pair.candidate);
    }
    return candidates;
}

const Candidate* bestNotAbove(const std::vector<Candidate>& candidates, const Measure& measure, double limit)
{
    const auto above = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& candidate) { return measure(candidate.price) > limit; });
    return above == candidates.begin() ? nullptr : &*(above - 1);
}

SubNetwork uniformAtShare(double share, const TargetContext& context)
{
    /// Heads, the most neurons that fit beside them, and the smaller of the two shares of width.
    struct Fit {
        Candidate candidate;
        double smaller_share = 0.0;
        bool reaches = false; ///< the cost: with all its neurons and room left it does not
    };
    const ModelConfig& config = *context.config;
    const Pricing pricing(context);
    const LayerSizes full = config.maxSizes();
    const auto priced = [&](int mlp, int heads) {
        Candidate candidate{pricing.full(), {}};
        for (int& width : candidate.subnet.mlp) width = std::min(width, mlp);
        for (int& width : candidate.subnet.heads) width = std::min(width, heads);
        candidate.price = pricing.of(candidate.subnet);
        return candidate;
    };
    // Only where nothing reaches the cost, the costliest counts.
    const auto better = [](const Fit& a, const Fit& b) {
        if (a.reaches != b.reaches) return a.reaches;
        if (a.reaches && a.smaller_share != b.smaller_share) return a.smaller_share > b.smaller_share;
        return a.candidate.price.share > b.candidate.price.share;
    };
    const int step = config.headsPerGroup();
    Fit best{priced(1, step)};
    for (int heads = step; heads <= full.num_attention_heads; heads += step) {
        int fits = 0;
        for (int low = 1, high = full.intermediate_size; low <= high;) {
            const int middle = (low + high) / 2; // cost rises with width
            if (priced(middle, heads).price.share <= share) {
                fits = middle;
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        if (fits == 0) continue;
        Fit fit{priced(fits, heads),
                std::min(static_cast<double>(fits) / full.intermediate_size,
                         static_cast<double>(heads) / full.num_attention_heads),
                fits < full.intermediate_size || heads == full.num_attention_heads};
        if (better(fit, best)) best = std::move(fit);
    }
    return best.candidate.subnet;
}

std::vector<Stop> uniformStops(const TargetContext& context)
{
    std::vector<Stop> stops;
    for (const Candidate& candidate : uniformCandidates(context, Pricing(context), shareOfFull)) {
        // Only the last one of equal cost is ever found.
        if (!stops.empty() && stops.back().share == candidate.price.share) stops.pop_back();
        stops.push_back({candidate.subnet, candidate.price.share, candidate.price.ms, candidate.price.parameters});
    }
    return stops;
}

} // namespace flextron
