#include "ui/data/layercosts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/model/cost.h"
#include "ui/data/routerdata.h"
#include "ui/data/targetmath.h"

namespace flextron::ui {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kMsPerNs = 1e-6;
constexpr std::array kBlocks{SubBlock::Attention, SubBlock::Mlp};

/// Adds up what is known.
struct Mean {
    double sum = 0;
    int count = 0;
    void add(double value)
    {
        if (std::isnan(value)) return;
        sum += value;
        ++count;
    }
    [[nodiscard]] double value() const { return count > 0 ? sum / count : kNaN; }
};

} // namespace

LayerCosts::LayerCosts(ModelConfig config, std::optional<LatencyTable> table, int context)
    : config_(std::move(config))
    , table_(std::move(table))
    , context_(context)
{
    const auto layers = static_cast<std::size_t>(config_.numLayers());
    fixed_ = whole({std::vector<int>(layers, 0), std::vector<int>(layers, 0)});
    full_ = whole(fullSubNetwork(config_));
    if (table_) routers_ms_ = table_->predictMs(fullSubNetwork(config_), context_, KvRule::All, true) - full_;
}

double LayerCosts::whole(const SubNetwork& subnet) const
{
    if (table_) return table_->predictMs(subnet, context_, KvRule::All);
    CostOptions options;
    options.context = context_;
    options.kv = KvRule::All;
    return static_cast<double>(costOf(subnet, config_, options).flops_per_token);
}

double LayerCosts::block(int layer, SubBlock block, int width) const
{
    auto& known = block == SubBlock::Mlp ? mlp_ : attention_;
    const auto [entry, added] = known.try_emplace({layer, width}, 0.0);
    if (added) {
        const auto layers = static_cast<std::size_t>(config_.numLayers());
        SubNetwork subnet{std::vector<int>(layers, 0), std::vector<int>(layers, 0)};
        (block == SubBlock::Mlp ? subnet.mlp : subnet.heads)[static_cast<std::size_t>(layer)] = width;
        entry->second = whole(subnet) - fixed_;
    }
    return entry->second;
}

double LayerCosts::fullLayer(int layer) const
{
    const LayerSizes& sizes = config_.layers[static_cast<std::size_t>(layer)];
    return block(layer, SubBlock::Attention, sizes.num_attention_heads) +
           block(layer, SubBlock::Mlp, sizes.intermediate_size);
}

double layerCost(const Trace& trace, int token, int layer, const LayerCosts& costs)
{
    double cost = 0;
    for (const SubBlock block : kBlocks) {
        const int width = usedWidth(trace, token, layer, block);
        if (width < 0) return kNaN;
        cost += costs.block(layer, block, width);
    }
    return cost;
}

double expectedLayerCost(const Trace& trace, int token, int layer, const LayerCosts& costs)
{
    double cost = 0;
    for (const SubBlock block : kBlocks) {
        const auto probabilities = routerProbabilities(trace, token, layer, block);
        if (probabilities.empty()) return kNaN;
        const auto& choices = choicesOf(trace, block);
        for (std::size_t i = 0; i < choices.size(); ++i)
            cost += static_cast<double>(probabilities[i]) * costs.block(layer, block, choices[i]);
    }
    return cost;
}

BudgetEntry budgetEntry(const Trace& trace, int token, const LayerCosts& costs)
{
    BudgetEntry entry{costs.fixed(), costs.fixed(), kNaN, kNaN, 0};
    for (int layer = 0; layer < trace.layers; ++layer) {
        entry.expected += expectedLayerCost(trace, token, layer, costs);
        entry.chosen += layerCost(trace, token, layer, costs);
        for (const SubBlock block : kBlocks) entry.forced += forced(trace, token, layer, block) ? 1 : 0;
    }
    if (costs.fromTable()) {
        if (!routerProbabilities(trace, token, 0, SubBlock::Mlp).empty()) {
            entry.expected += costs.routersMs();
            entry.chosen += costs.routersMs();
        }
        entry.table_ms = entry.chosen;
    }
    entry.expected /= costs.full();
    entry.chosen /= costs.full();
    if (token >= 0 && token < static_cast<int>(trace.records.size())) {
        const TokenRecord& record = trace.records[static_cast<std::size_t>(token)];
        if (record.read && !record.given) entry.measured_ms = record.ns * kMsPerNs;
    }
    return entry;
}

BudgetLedger budgetLedger(const Trace& trace, const LayerCosts& costs, const std::vector<DynamicStop>& stops)
{
    BudgetLedger ledger;
    const bool by_table = costs.fromTable() && trace.routing == routingName(Routing::Dynamic);
    ledger.asked = by_table ? shareOfBudget(stops, trace.budget) : trace.budget;
    const auto layers = static_cast<std::size_t>(trace.layers);
    std::vector<Mean> expected_by_layer(layers);
    std::vector<Mean> chosen_by_layer(layers);
    Mean expected;
    Mean chosen;
    Mean table_ms;
    Mean measured_ms;
    for (int token = 0; token < static_cast<int>(trace.records.size()); ++token) {
        const BudgetEntry entry = budgetEntry(trace, token, costs);
        ledger.chosen.push_back(entry.chosen);
        expected.add(entry.expected);
        chosen.add(entry.chosen);
        table_ms.add(entry.table_ms);
        measured_ms.add(entry.measured_ms);
        ledger.running_mean.push_back(chosen.value());
        ledger.mean.forced += entry.forced;
        for (int layer = 0; layer < trace.layers; ++layer) {
            expected_by_layer[static_cast<std::size_t>(layer)].add(expectedLayerCost(trace, token, layer, costs));
            chosen_by_layer[static_cast<std::size_t>(layer)].add(layerCost(trace, token, layer, costs));
        }
    }
    ledger.mean.expected = expected.value();
    ledger.mean.chosen = chosen.value();
    ledger.mean.table_ms = table_ms.value();
    ledger.mean.measured_ms = measured_ms.value();
    for (int layer = 0; layer < trace.layers; ++layer) {
        const auto at = static_cast<std::size_t>(layer);
        const double full = costs.fullLayer(layer);
        if (chosen_by_layer[at].count == 0 || full <= 0) continue;
        const double spent = chosen_by_layer[at].value();
        ledger.layers.push_back(
            {layer, expected_by_layer[at].value() / full, spent / full, (spent - ledger.asked * full) / costs.full()});
    }
    std::stable_sort(ledger.layers.begin(), ledger.layers.end(),
                     [](const LayerSpending& a, const LayerSpending& b) { return a.over > b.over; });
    return ledger;
}

} // namespace flextron::ui
