#include "ui/data/panemath.h"

#include <algorithm>
#include <cmath>

namespace flextron::ui {

namespace {
constexpr double kMsPerNs = 1e-6;

double tableMs(const TokenRecord& record, const LatencyTable& table)
{
    const SubNetwork subnet{{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}};
    return table.predictMs(subnet, record.position + 1, KvRule::All, !record.mlp_probabilities.empty());
}
} // namespace

double quantile(std::vector<double> values, double share)
{
    if (values.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(rank, 1, values.size()) - 1);
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

std::optional<int> firstDifference(const Trace& a, const Trace& b, int from)
{
    const auto common = static_cast<int>(std::min(a.records.size(), b.records.size()));
    for (int i = std::max(0, from); i < common; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (a.records[at].id != b.records[at].id) return i;
    }
    return std::nullopt;
}

const LatencyTable* tableFor(const Trace& trace, const ModelInfoPtr& model)
{
    return model && model->latency && model->config().sizes() == trace.sizes() ? &*model->latency : nullptr;
}

std::optional<double> soloMs(const Trace& trace, int from, const LatencyTable& table)
{
    double sum = 0;
    int count = 0;
    for (std::size_t i = static_cast<std::size_t>(std::max(0, from)); i < trace.records.size(); ++i) {
        const TokenRecord& record = trace.records[i];
        if (!record.read || record.mlp.empty()) continue;
        sum += tableMs(record, table);
        ++count;
    }
    return count > 0 ? std::optional(sum / count) : std::nullopt;
}

std::vector<double> soloTimes(const Trace& trace, int given, const LatencyTable* table)
{
    std::vector<double> times;
    double now = 0;
    for (std::size_t i = 0; i < trace.records.size(); ++i) {
        const TokenRecord& record = trace.records[i];
        const bool written = static_cast<int>(i) >= given;
        if (written) times.push_back(now);
        const bool predicted = written && table != nullptr && record.read && !record.mlp.empty();
        now += predicted ? tableMs(record, *table) : record.ns * kMsPerNs;
    }
    return times;
}

ReadSummary readSummary(const Trace& trace)
{
    ReadSummary summary;
    double ms = 0;
    double nll = 0;
    for (const TokenRecord& record : trace.records) {
        if (!record.read) continue;
        ++summary.tokens;
        ms += record.ns * kMsPerNs;
        if (std::isnan(record.logprob)) continue;
        nll -= record.logprob;
        ++summary.predicted;
    }
    constexpr double kMsPerSecond = 1000;
    if (summary.predicted > 0) summary.mean_nll = nll / summary.predicted;
    if (ms > 0) summary.tokens_per_second = kMsPerSecond * summary.tokens / ms;
    return summary;
}

bool sameTarget(const Target& a, const Target& b)
{
    return a.kind == b.kind && a.value == b.value && a.subnet == b.subnet && a.routing == b.routing &&
           a.by_flops == b.by_flops;
}

bool sameChoice(const PaneChoice& a, const PaneChoice& b)
{
    const Overrides none;
    return a.source == b.source && sameTarget(a.target, b.target) &&
           (a.overrides ? *a.overrides : none) == (b.overrides ? *b.overrides : none);
}

} // namespace flextron::ui
