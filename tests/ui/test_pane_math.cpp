// Where texts part, and what a pane takes alone: arithmetic over records, checked against sums done here.
#include <cmath>
#include <limits>

#include <QTest>

#include "ui/data/panemath.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

TokenRecord record(int position, TokenId id, int mlp, int heads, double ms, double logprob)
{
    TokenRecord value;
    value.position = position;
    value.id = id;
    value.read = true;
    value.mlp = {mlp, mlp};
    value.heads = {heads, heads};
    value.ns = static_cast<float>(ms * 1e6);
    value.logprob = static_cast<float>(logprob);
    return value;
}

/// 1 ms fixed, 0.01 ms a neuron, 0.1 ms a head, whatever the context.
LatencyTable table()
{
    LatencyTable value;
    value.mlp_widths = {0, 100};
    value.head_counts = {0, 10};
    value.contexts = {64};
    value.fixed_ms = 1;
    value.mlp_ms = {0, 1};
    value.attention_own_ms = {{0, 1}};
    value.attention_all_ms = {{0, 1}};
    return value;
}

} // namespace

class PaneMathTest final : public QObject {
    Q_OBJECT

private slots:
    void textsPartAtTheFirstTokenThatDiffers()
    {
        Trace a;
        Trace b;
        for (int i = 0; i < 6; ++i) a.records.push_back(record(i, i, 10, 2, 1, -1));
        b = a;
        QCOMPARE(firstDifference(a, b, 0), std::nullopt);
        b.records[4].id = 99;
        QCOMPARE(firstDifference(a, b, 0), std::optional(4));
        QCOMPARE(firstDifference(a, b, 5), std::nullopt);
        b.records.resize(3);
        QCOMPARE(firstDifference(a, b, 0), std::nullopt);
    }

    void aloneIsWhatTheTableSaysOfEachTokensWidths()
    {
        Trace trace;
        trace.records.push_back(record(0, 1, 100, 10, 7, -1)); // given
        trace.records.push_back(record(1, 2, 50, 5, 9, -1));   // 1 + 2 (0.5 + 0.5)
        trace.records.push_back(record(2, 3, 100, 0, 9, -1));  // 1 + 2 (1 + 0)
        QVERIFY(std::abs(*soloMs(trace, 1, table()) - 3.0) < 1e-9);
        trace.records[2].mlp = {20, 20};
        QVERIFY(std::abs(*soloMs(trace, 1, table()) - (3.0 + 1.4) / 2) < 1e-9);
        QCOMPARE(soloMs(trace, 3, table()), std::nullopt);
        trace.records[1].read = false;
        QVERIFY(std::abs(*soloMs(trace, 1, table()) - 1.4) < 1e-9);
    }

    void aTableIsOfModelsOfItsSizesOnly()
    {
        auto model = std::make_shared<ModelInfo>();
        model->checkpoint = Checkpoint::open(FLEXTRON_TEST_DATA "/stories260k-llama").orThrow();
        const ModelSizes sizes = model->config().sizes();
        Trace trace;
        trace.layers = sizes.layers;
        trace.full_mlp = sizes.full_mlp;
        trace.full_heads = sizes.full_heads;
        QVERIFY(tableFor(trace, nullptr) == nullptr);
        QVERIFY(tableFor(trace, model) == nullptr); // nothing was measured
        model->latency = table();
        QVERIFY(tableFor(trace, model) == &*model->latency);
        for (int Trace::*size : {&Trace::layers, &Trace::full_mlp, &Trace::full_heads}) {
            Trace other = trace;
            ++(other.*size);
            QVERIFY(tableFor(other, model) == nullptr);
        }
    }

    void aReplayWaitsForThePromptAndThenGoesAtThePanesOwnSpeed()
    {
        Trace trace;
        trace.records.push_back(record(0, 1, 100, 10, 4, -1));
        trace.records.push_back(record(1, 2, 100, 10, 6, -1));
        trace.records.push_back(record(2, 3, 50, 5, 20, -1));
        trace.records.push_back(record(3, 4, 50, 5, 20, -1));
        const LatencyTable by = table();
        const auto predicted = soloTimes(trace, 2, &by);
        QCOMPARE(predicted.size(), std::size_t{2});
        QVERIFY(std::abs(predicted[0] - 10) < 1e-6);
        QVERIFY(std::abs(predicted[1] - 13) < 1e-6);
        const auto measured = soloTimes(trace, 2, nullptr);
        QVERIFY(std::abs(measured[1] - 30) < 1e-6);
    }

    void aReadTextIsSummedUp()
    {
        Trace trace;
        trace.records.push_back(record(0, 1, 1, 1, 2, std::numeric_limits<double>::quiet_NaN()));
        trace.records.push_back(record(1, 2, 1, 1, 2, -1));
        trace.records.push_back(record(2, 3, 1, 1, 4, -2));
        trace.records.push_back(record(3, 3, 1, 1, 4, -8));
        trace.records.back().read = false; // not yet
        const ReadSummary summary = readSummary(trace);
        QCOMPARE(summary.tokens, 3);
        QCOMPARE(summary.predicted, 2);
        QVERIFY(std::abs(summary.mean_nll - 1.5) < 1e-6);
        QVERIFY(std::abs(summary.tokens_per_second - 375) < 1e-3);
    }
};

QTEST_MAIN(PaneMathTest)
#include "test_pane_math.moc"
