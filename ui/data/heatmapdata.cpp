#include "ui/data/heatmapdata.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <QCoreApplication>
#include <QLocale>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Heatmap)
};

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kMsPerNs = 1e-6;

const TokenRecord* readRecord(const Trace& trace, int token, int layer)
{
    if (token < 0 || token >= static_cast<int>(trace.records.size())) return nullptr;
    const TokenRecord& record = trace.records[static_cast<std::size_t>(token)];
    const auto at = static_cast<std::size_t>(layer);
    if (!record.read || layer < 0 || at >= record.mlp.size() || at >= record.heads.size()) return nullptr;
    return &record;
}

QString percent(double share)
{
    return QLocale().toString(100.0 * share, 'f', 0);
}

} // namespace

double cellValue(const Trace& trace, int token, int layer, Quantity quantity, const LayerShares* shares)
{
    const TokenRecord* record = readRecord(trace, token, layer);
    if (record == nullptr) return kNaN;
    const auto at = static_cast<std::size_t>(layer);
    switch (quantity) {
    case Quantity::MlpWidth: return record->mlp[at];
    case Quantity::Heads: return record->heads[at];
    case Quantity::ComputeShare:
        if (shares == nullptr || shares->sizes() != trace.sizes()) return kNaN;
        return shares->share(layer, record->mlp[at], record->heads[at]);
    case Quantity::Milliseconds: return at < record->layer_ns.size() ? record->layer_ns[at] * kMsPerNs : kNaN;
    }
    return kNaN;
}

ValueRange valueRange(const Trace& trace, Quantity quantity)
{
    switch (quantity) {
    case Quantity::MlpWidth: return {0, std::max(1.0, static_cast<double>(trace.full_mlp))};
    case Quantity::Heads: return {0, std::max(1.0, static_cast<double>(trace.full_heads))};
    case Quantity::ComputeShare: return {0, 1};
    case Quantity::Milliseconds: break;
    }
    double high = 0;
    for (const TokenRecord& record : trace.records) {
        for (const float ns : record.layer_ns) high = std::max(high, ns * kMsPerNs);
    }
    return {0, high > 0 ? high : 1};
}

std::vector<double> discreteValues(const Trace& trace, Quantity quantity)
{
    if (quantity != Quantity::MlpWidth && quantity != Quantity::Heads) return {};
    const bool mlp = quantity == Quantity::MlpWidth;
    const auto& choices = mlp ? trace.choices.mlp_int_list : trace.choices.head_int_list;
    std::set<double> values(choices.begin(), choices.end());
    for (const TokenRecord& record : trace.records) {
        const auto& used = mlp ? record.mlp : record.heads;
        values.insert(used.begin(), used.end());
    }
    return {values.begin(), values.end()};
}

bool sameForEveryToken(const Trace& trace)
{
    const TokenRecord* first = nullptr;
    for (const TokenRecord& record : trace.records) {
        if (!record.read) continue;
        if (first == nullptr) first = &record;
        else if (record.mlp != first->mlp || record.heads != first->heads) return false;
    }
    return first != nullptr;
}

int tokensRead(const Trace& trace)
{
    return static_cast<int>(std::count_if(trace.records.begin(), trace.records.end(),
                                          [](const TokenRecord& record) { return record.read; }));
}

QString cellText(const Trace& trace, int token, int layer, Quantity quantity, const LayerShares* shares)
{
    if (token < 0 || token >= static_cast<int>(trace.records.size())) return {};
    const TokenRecord& record = trace.records[static_cast<std::size_t>(token)];
    const QString place = Text::tr("token %1 %2, layer %3").arg(token).arg(formatToken(record.bytes)).arg(layer);
    if (quantity == Quantity::ComputeShare && shares == nullptr)
        return Text::tr("%1: open the model to see shares of its compute").arg(place);
    const double value = cellValue(trace, token, layer, quantity, shares);
    if (std::isnan(value)) return Text::tr("%1: not read yet").arg(place);
    switch (quantity) {
    case Quantity::MlpWidth:
        return Text::tr("%1: %2 of %3 neurons (%4 %)")
            .arg(place)
            .arg(value)
            .arg(trace.full_mlp)
            .arg(percent(value / trace.full_mlp));
    case Quantity::Heads:
        return Text::tr("%1: %2 of %3 heads (%4 %)")
            .arg(place)
            .arg(value)
            .arg(trace.full_heads)
            .arg(percent(value / trace.full_heads));
    case Quantity::ComputeShare: return Text::tr("%1: %2 % of the full layer's FLOPs").arg(place, percent(value));
    case Quantity::Milliseconds: return Text::tr("%1: %2 in this run").arg(place, valueText(value, quantity));
    }
    return {};
}

QString quantityName(Quantity quantity)
{
    switch (quantity) {
    case Quantity::MlpWidth: return Text::tr("MLP width (neurons)");
    case Quantity::Heads: return Text::tr("Attention heads");
    case Quantity::ComputeShare: return Text::tr("Share of compute");
    case Quantity::Milliseconds: return Text::tr("Time (ms)");
    }
    return {};
}

QString valueText(double value, Quantity quantity)
{
    const QLocale locale;
    switch (quantity) {
    case Quantity::MlpWidth:
    case Quantity::Heads: return locale.toString(value, 'f', 0);
    case Quantity::ComputeShare: return Text::tr("%1 %").arg(percent(value));
    case Quantity::Milliseconds: return Text::tr("%1 ms").arg(locale.toString(value, 'f', 3));
    }
    return {};
}

} // namespace flextron::ui
