#include "engine/latency/latency_table.h"

#include <algorithm>
#include <cmath>

namespace flextron {

namespace {

/// Where `x` lies between the ascending `entries`: values[index] and values[index + 1] in parts (1 - part) and part.
/// `part` is above 1 beyond the last entry, where the line is continued, and 0 before the first.
struct Place {
    std::size_t index = 0;
    double part = 0.0;
};

Place placeOf(int x, const std::vector<int>& entries)
{
    if (entries.size() < 2 || x <= entries.front()) return {};
    const auto above = std::lower_bound(entries.begin(), entries.end(), x);
    const auto index = std::min(static_cast<std::size_t>(above - entries.begin()), entries.size() - 1) - 1;
    return {index, static_cast<double>(x - entries[index]) / (entries[index + 1] - entries[index])};
}

double between(const std::vector<double>& values, const Place& place)
{
    // At an entry the entry itself, to the last bit.
    if (place.part == 0.0) return values[place.index];
    if (place.part == 1.0) return values[place.index + 1];
    return values[place.index] + place.part * (values[place.index + 1] - values[place.index]);
}

} // namespace

double LatencyTable::predictMs(const SubNetwork& subnet, int context, KvRule kv, bool routed) const
{
    const std::vector<std::vector<double>>& attention_ms = kv == KvRule::Own ? attention_own_ms : attention_all_ms;
    const Place context_place = placeOf(context, contexts);
    double sum = fixed_ms + (routed ? router_ms * static_cast<double>(subnet.mlp.size()) : 0.0);
    for (std::size_t l = 0; l < subnet.mlp.size(); ++l) {
        sum += between(mlp_ms, placeOf(subnet.mlp[l], mlp_widths));
        const Place heads = placeOf(subnet.heads[l], head_counts);
        const double shorter = between(attention_ms[context_place.index], heads);
        const double longer = contexts.size() > 1 ? between(attention_ms[context_place.index + 1], heads) : shorter;
        // Beyond the longest context the cost goes on growing, and noise must not make it fall.
        const double slope = context_place.part > 1.0 ? std::max(0.0, longer - shorter) : longer - shorter;
        if (context_place.part == 1.0) sum += longer;
        else if (context_place.part > 1.0) sum += longer + (context_place.part - 1.0) * slope;
        else sum += shorter + context_place.part * slope;
    }
    return sum;
}

} // namespace flextron
