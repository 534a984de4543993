#include <cmath>

#include <QTest>

#include "engine/model/cost.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/data/heatmapdata.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

/// Two layers; token 0 at full width, token 1 narrower in layer 1, token 2 predicted but not read.
Trace smallTrace()
{
    Trace trace;
    trace.layers = 2;
    trace.full_heads = 8;
    trace.full_mlp = 64;
    trace.choices = {{16, 32, 48, 64}, {2, 4, 6, 8}};
    TokenRecord first;
    first.bytes = " dragon";
    first.read = true;
    first.heads = {8, 8};
    first.mlp = {64, 64};
    first.layer_ns = {2'000'000, 4'000'000};
    TokenRecord second = first;
    second.bytes = "\xc3";
    second.heads = {8, 2};
    second.mlp = {64, 32};
    TokenRecord third;
    third.bytes = "!";
    trace.records = {first, second, third};
    return trace;
}

} // namespace

class HeatmapDataTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { test::failOnWarnings(); }

    void cellsHoldWhatWasRead()
    {
        const Trace trace = smallTrace();
        QCOMPARE(cellValue(trace, 0, 1, Quantity::MlpWidth, nullptr), 64.0);
        QCOMPARE(cellValue(trace, 1, 1, Quantity::MlpWidth, nullptr), 32.0);
        QCOMPARE(cellValue(trace, 1, 1, Quantity::Heads, nullptr), 2.0);
        QCOMPARE(cellValue(trace, 0, 1, Quantity::Milliseconds, nullptr), 4.0);
    }

    void notReadIsNotZero()
    {
        const Trace trace = smallTrace();
        for (const auto quantity :
             {Quantity::MlpWidth, Quantity::Heads, Quantity::ComputeShare, Quantity::Milliseconds}) {
            QVERIFY(std::isnan(cellValue(trace, 2, 0, quantity, nullptr)));
            QVERIFY(std::isnan(cellValue(trace, 3, 0, quantity, nullptr)));
            QVERIFY(std::isnan(cellValue(trace, 0, 2, quantity, nullptr)));
            QVERIFY(std::isnan(cellValue(trace, -1, 0, quantity, nullptr)));
        }
        QVERIFY(cellText(trace, 2, 0, Quantity::MlpWidth, nullptr).contains("not read yet"));
    }

    // A kept trace may be of a model with more layers than the one that is open, or with others.
    void sharesAreOfTheTracesModelOnly()
    {
        const Trace trace = smallTrace();
        ModelConfig config = test::fakeConfig();
        config.layers.resize(2);
        const auto value = [&](int layer) {
            const LayerShares shares(config);
            return cellValue(trace, 1, layer, Quantity::ComputeShare, &shares);
        };
        QVERIFY(value(1) > 0 && value(1) < 1);
        config.layers.resize(1);
        QVERIFY(std::isnan(value(0)) && std::isnan(value(1)));
        config = test::fakeConfig();
        config.layers.resize(2);
        for (LayerSizes& layer : config.layers) layer.intermediate_size *= 2;
        QVERIFY(std::isnan(value(0)));
    }

    void computeIsTheLayersShareOfFlops()
    {
        const ModelConfig config = test::fakeConfig();
        const LayerShares shares(config);
        QCOMPARE(shares.share(0, 64, 8), 1.0);
        // Without the sub-blocks K and V of every group are still computed and stored: the same in every layer, so none
        // of it is the layer's own.
        QVERIFY(shares.share(0, 0, 0) < 1e-9);
        QVERIFY(shares.share(1, 32, 8) > shares.share(1, 32, 4));
        // All layers alike and nothing else: the mean share is the model's saving over what is elastic.
        CostOptions options;
        options.kv = KvRule::All;
        const auto flops = [&](int mlp, int heads) {
            return static_cast<double>(costOf(uniformSubNetwork(config, mlp, heads), config, options).flops_per_token);
        };
        QCOMPARE(shares.share(2, 32, 4), (flops(32, 4) - flops(0, 0)) / (flops(64, 8) - flops(0, 0)));
    }

    void rangesBeginAtZeroAndEndAtFull()
    {
        const Trace trace = smallTrace();
        QCOMPARE(valueRange(trace, Quantity::MlpWidth), (ValueRange{0, 64}));
        QCOMPARE(valueRange(trace, Quantity::Heads), (ValueRange{0, 8}));
        QCOMPARE(valueRange(trace, Quantity::ComputeShare), (ValueRange{0, 1}));
        QCOMPARE(valueRange(trace, Quantity::Milliseconds), (ValueRange{0, 4}));
        QCOMPARE(valueRange(Trace{}, Quantity::Milliseconds), (ValueRange{0, 1}));
    }

    void theLegendNamesTheChoicesAndWhatElseWasUsed()
    {
        Trace trace = smallTrace();
        QCOMPARE(discreteValues(trace, Quantity::MlpWidth), (std::vector<double>{16, 32, 48, 64}));
        trace.records[1].mlp[0] = 0; // skipped by hand
        QCOMPARE(discreteValues(trace, Quantity::MlpWidth), (std::vector<double>{0, 16, 32, 48, 64}));
        QVERIFY(discreteValues(trace, Quantity::Milliseconds).empty());
    }

    void sameForEveryTokenLooksAtWhatWasRead()
    {
        Trace trace = smallTrace();
        QVERIFY(!sameForEveryToken(trace));
        trace.records[1] = trace.records[0];
        QVERIFY(sameForEveryToken(trace));
        QVERIFY(!sameForEveryToken(Trace{}));
        QCOMPARE(tokensRead(trace), 2);
    }

    void aCellIsSaidExactly()
    {
        const Trace trace = smallTrace();
        QCOMPARE(cellText(trace, 0, 1, Quantity::MlpWidth, nullptr),
                 QStringLiteral("token 0 “␣dragon”, layer 1: 64 of 64 neurons (100 %)"));
        QCOMPARE(cellText(trace, 1, 1, Quantity::Heads, nullptr),
                 QStringLiteral("token 1 c3, layer 1: 2 of 8 heads (25 %)"));
        QCOMPARE(cellText(trace, 9, 0, Quantity::Heads, nullptr), QString());
    }
};

QTEST_MAIN(HeatmapDataTest)
#include "test_heatmap_data.moc"
