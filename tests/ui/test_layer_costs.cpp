// The budget ledger's arithmetic, against costs of whole sub-networks and figures worked out by hand.
#include <cmath>

#include <QTest>

#include "engine/model/cost.h"
#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/data/activeparameters.h"
#include "ui/data/layercosts.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

LatencyTable table()
{
    LatencyTable value;
    value.mlp_widths = {0, 16, 32, 48, 64};
    value.head_counts = {0, 2, 4, 6, 8};
    value.contexts = {256};
    value.fixed_ms = 2;
    value.mlp_ms = {0, 1, 2, 3, 4};
    value.attention_own_ms = {{0, 1, 2, 3, 4}};
    value.attention_all_ms = {{1, 2, 3, 4, 5}};
    return value;
}

/// The fake model's three layers, of which smallTrace() has two.
ModelConfig twoLayers()
{
    ModelConfig config = test::fakeConfig();
    config.layers.resize(2);
    return config;
}

} // namespace

class LayerCostsTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { test::failOnWarnings(); }

    void partsAddUpToTheWhole_data()
    {
        QTest::addColumn<bool>("with_table");
        QTest::newRow("FLOPs") << false;
        QTest::newRow("milliseconds") << true;
    }
    void partsAddUpToTheWhole()
    {
        QFETCH(bool, with_table);
        const ModelConfig config = twoLayers();
        const LayerCosts costs(config, with_table ? std::optional(table()) : std::nullopt);
        CostOptions options;
        options.kv = KvRule::All;
        const SubNetwork subnet{{32, 64}, {8, 2}};
        const double whole = with_table ? table().predictMs(subnet, 256, KvRule::All)
                                        : static_cast<double>(costOf(subnet, config, options).flops_per_token);
        double sum = costs.fixed();
        for (int layer = 0; layer < 2; ++layer) {
            const auto at = static_cast<std::size_t>(layer);
            sum += costs.block(layer, SubBlock::Mlp, subnet.mlp[at]) +
                   costs.block(layer, SubBlock::Attention, subnet.heads[at]);
        }
        QCOMPARE(sum, whole);
        QCOMPARE(costs.fixed() + costs.fullLayer(0) + costs.fullLayer(1), costs.full());
        QCOMPARE(costs.fromTable(), with_table);
    }

    void theLedgerOfAToken()
    {
        // Full: 2 fixed, twice 1 for K and V, twice 4 + 4 = 20 ms.
        const LayerCosts costs(twoLayers(), table());
        QCOMPARE(costs.full(), 20.0);
        const Trace trace = test::smallTrace();
        const BudgetEntry full = budgetEntry(trace, 0, costs);
        QCOMPARE(full.chosen, 1.0);
        QCOMPARE(full.table_ms, 20.0);
        QVERIFY(std::isnan(full.measured_ms)); // read together with the rest of the prompt
        // Layer 1 of token 1: 2 heads (1 ms) and 32 neurons (2 ms) in place of 8.
        const BudgetEntry narrow = budgetEntry(trace, 1, costs);
        QCOMPARE(narrow.table_ms, 15.0);
        QCOMPARE(narrow.chosen, 0.75);
        QCOMPARE(narrow.measured_ms, 7.0);
        // Soft: heads 0.5 x 1 + 0.25 x 2 + 0.25 x 3, neurons 0.125 x 1 + 0.5 x 2 + 0.375 x 3.
        QCOMPARE(narrow.expected, (12 + 1.75 + 2.25) / 20.0);
        QCOMPARE(narrow.forced, 0);
        const BudgetEntry unread = budgetEntry(trace, 2, costs);
        QVERIFY(std::isnan(unread.chosen));
        QVERIFY(std::isnan(unread.expected));
    }

    void theLedgerOfARun()
    {
        const LayerCosts costs(twoLayers(), table());
        Trace trace = test::smallTrace();
        const BudgetLedger ledger = budgetLedger(trace, costs);
        QCOMPARE(ledger.asked, 0.5);
        QCOMPARE(ledger.mean.chosen, (1.0 + 0.75) / 2);
        QCOMPARE(ledger.mean.measured_ms, 7.0);
        QCOMPARE(ledger.running_mean[0], 1.0);
        QCOMPARE(ledger.running_mean[1], 0.875);
        QCOMPARE(ledger.running_mean[2], 0.875); // nothing was read there
        QVERIFY(std::isnan(ledger.chosen[2]));
        // Layer 0 is always full: 8 of 20 ms, of which half was asked for.
        QCOMPARE(ledger.layers.front().layer, 0);
        QCOMPARE(ledger.layers.front().chosen, 1.0);
        QCOMPARE(ledger.layers.front().over, 4.0 / 20);
        QCOMPARE(ledger.layers.back().chosen, (8 + 3) / 2.0 / 8);
        trace.records[1].mlp[1] = 64;
        QCOMPARE(budgetLedger(trace, costs).mean.forced, 1);
    }

    void whatDynamicRoutersWereAskedIsSaidInTime()
    {
        const std::vector<DynamicStop> stops{{0.4, 0.3, 6.0}, {0.6, 0.6, 12.0}, {1.0, 1.1, 22.0}};
        Trace trace = test::smallTrace(); // asked for 0.5
        trace.routing = "dynamic";
        QCOMPARE(budgetLedger(trace, LayerCosts(twoLayers(), table()), stops).asked, 0.45);
        QCOMPARE(budgetLedger(trace, LayerCosts(twoLayers(), std::nullopt), stops).asked, 0.5); // FLOPs
        trace.routing = "static";
        QCOMPARE(budgetLedger(trace, LayerCosts(twoLayers(), table()), stops).asked, 0.5);
    }

    void routersTakeTheirOwnTime()
    {
        LatencyTable with_routers = table();
        with_routers.router_ms = 0.5;
        const LayerCosts costs(twoLayers(), with_routers);
        Trace trace = test::smallTrace();
        const BudgetEntry routed = budgetEntry(trace, 1, costs);
        QCOMPARE(routed.table_ms, 16.0);    // 15 as above, and twice 0.5
        QCOMPARE(routed.chosen, 16.0 / 20); // as targets count it
        QCOMPARE(routed.expected, (12 + 1.75 + 2.25 + 1) / 20.0);
        trace.records[1].mlp_probabilities.clear();
        QCOMPARE(budgetEntry(trace, 1, costs).table_ms, 15.0);
    }

    void weightsThatTokensTouchAreCountedAsTheyAreRead()
    {
        const ModelConfig config = twoLayers();
        CostOptions options;
        options.kv = KvRule::All;
        const auto weights = [&](const SubNetwork& subnet) {
            return static_cast<double>(costOf(subnet, config, options).parameters);
        };
        const double first = weights({{64, 64}, {8, 8}});
        const double second = weights({{64, 32}, {8, 2}});
        QVERIFY(second < first);
        ActiveParameters active;
        PaneData pane;
        pane.serial = 1;
        pane.trace = test::smallTrace();
        pane.trace.records[1].read = false;
        QCOMPARE(active.mean(pane, config), std::optional(first));
        pane.trace.records[1].read = true;
        QCOMPARE(active.mean(pane, config), std::optional((first + second) / 2));
        QCOMPARE(active.mean(pane, config), std::optional((first + second) / 2)); // each is counted once
        // Another width in mid-text: what was read before it says nothing of it.
        pane.plan.budget = 0.25;
        QCOMPARE(active.mean(pane, config), std::nullopt);
        pane.serial = 2;
        pane.trace.full_mlp = 128; // of another model
        QCOMPARE(active.mean(pane, config), std::nullopt);
    }

    void withoutATableThereAreNoPredictedMilliseconds()
    {
        const LayerCosts costs(twoLayers(), std::nullopt);
        const Trace trace = test::smallTrace();
        QVERIFY(std::isnan(budgetEntry(trace, 1, costs).table_ms));
        QCOMPARE(budgetEntry(trace, 0, costs).chosen, 1.0);
        QVERIFY(budgetLedger(Trace{}, costs).layers.empty());
    }
};

QTEST_MAIN(LayerCostsTest)
#include "test_layer_costs.moc"
