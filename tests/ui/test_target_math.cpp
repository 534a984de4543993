// What the slider says at once must be what the engine answers later.
#include <random>

#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/data/targetmath.h"
#include "ui/service/modelinfo.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

ModelConfig randomConfig(std::mt19937& random)
{
    const auto pick = [&random](int low, int high) { return std::uniform_int_distribution(low, high)(random); };
    ModelConfig config = test::fakeConfig();
    const int groups = pick(1, 8);
    config.layers.assign(static_cast<std::size_t>(pick(1, 6)),
                         LayerSizes{groups * pick(1, 3), groups, 32 * pick(1, 30)});
    config.hidden_size = 8 * pick(1, 40);
    return config;
}

} // namespace

class TargetMathTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { test::failOnWarnings(); }

    void agreesWithTheEngine_data()
    {
        QTest::addColumn<int>("seed");
        for (int seed = 0; seed < 12; ++seed) QTest::addRow("seed %d", seed) << seed;
    }

    void agreesWithTheEngine()
    {
        QFETCH(int, seed);
        std::mt19937 random(static_cast<unsigned>(seed));
        const ModelConfig config = randomConfig(random);
        const ChoiceSets choices = defaultChoiceSets(config);
        TargetContext context;
        context.config = &config;
        context.choices = &choices;
        for (const TargetAxis axis : {TargetAxis::Latency, TargetAxis::Parameters}) {
            const std::vector<Stop> stops = axis == TargetAxis::Latency ? uniformStops(context)
                                                                        : parameterStops(context);
            QVERIFY(!stops.empty());
            const double low = valueOf(stops.front(), axis);
            const double high = valueOf(stops.back(), axis);
            std::uniform_real_distribution<double> anywhere(low, high);
            for (int i = 0; i < 200; ++i) {
                const double value = i < static_cast<int>(stops.size())
                                         ? valueOf(stops[static_cast<std::size_t>(i)], axis)
                                         : anywhere(random);
                const auto resolved = resolveTarget(targetFor(axis, value, Routing::Uniform), context);
                QVERIFY2(resolved.ok(), resolved.ok() ? "" : resolved.error().message.c_str());
                const Stop& stop = stops[static_cast<std::size_t>(stopNotAbove(stops, axis, value))];
                QCOMPARE(QString::fromStdString(toString(stop.subnet)),
                         QString::fromStdString(toString(resolved->plan.subnet)));
            }
        }
    }

    void theLastStopIsTheFullModel()
    {
        const ModelConfig config = test::fakeConfig();
        const ChoiceSets choices = defaultChoiceSets(config);
        TargetContext context;
        context.config = &config;
        context.choices = &choices;
        for (const auto& stops : {uniformStops(context), parameterStops(context)}) {
            QVERIFY(stops.back().subnet == fullSubNetwork(config));
            QVERIFY(isFull(stops, static_cast<int>(stops.size()) - 1));
            QVERIFY(!isFull(stops, 0));
        }
    }

    void belowTheFloorIsTheFloor()
    {
        const std::vector<Stop> stops{{{}, 0.4, {}, 40}, {{}, 0.7, {}, 70}, {{}, 1.0, {}, 100}};
        QCOMPARE(stopNotAbove(stops, TargetAxis::Latency, 0.1), 0);
        QCOMPARE(stopNotAbove(stops, TargetAxis::Latency, 0.7), 1);
        QCOMPARE(stopNotAbove(stops, TargetAxis::Parameters, 99), 1);
    }

    void stepsGoFromStopToStop_data()
    {
        QTest::addColumn<double>("from");
        QTest::addColumn<int>("steps");
        QTest::addColumn<double>("to");
        QTest::newRow("up") << 0.4 << 1 << 0.7;
        QTest::newRow("down") << 0.7 << -1 << 0.4;
        QTest::newRow("down from between: the stop below") << 0.8 << -1 << 0.7;
        QTest::newRow("up from between: the stop above") << 0.8 << 1 << 1.0;
        QTest::newRow("not beyond the end") << 1.0 << 1 << 1.0;
        QTest::newRow("not below the floor") << 0.4 << -3 << 0.4;
    }

    void stepsGoFromStopToStop()
    {
        QFETCH(double, from);
        QFETCH(int, steps);
        QFETCH(double, to);
        const std::vector<Stop> stops{{{}, 0.4, {}, 40}, {{}, 0.7, {}, 70}, {{}, 1.0, {}, 100}};
        QCOMPARE(steppedValue(stops, TargetAxis::Latency, from, steps), to);
    }

    void budgetsAndSharesAreTwoSidesOfOneMap_data()
    {
        QTest::addColumn<double>("budget");
        QTest::addColumn<double>("share");
        QTest::newRow("a stop") << 0.6 << 0.5;
        QTest::newRow("between two") << 0.7 << 0.6;
        QTest::newRow("the lowest") << 0.4 << 0.45;
        QTest::newRow("the full widths, and the routers") << 1.0 << 1.1;
    }

    void budgetsAndSharesAreTwoSidesOfOneMap()
    {
        QFETCH(double, budget);
        QFETCH(double, share);
        const std::vector<DynamicStop> stops{{0.4, 0.45, {}}, {0.6, 0.5, {}}, {0.8, 0.7, {}}, {1.0, 1.1, {}}};
        QCOMPARE(shareOfBudget(stops, budget), share);
        QCOMPARE(budgetOfShare(stops, share), budget);
        QCOMPARE(budgetOfShare(stops, 0.2), 0.4); // less than they can give
        QCOMPARE(shareOfBudget({}, budget), budget);
        QCOMPARE(budgetOfShare({}, share), share);
        const std::vector<DynamicStop> flat{{0.5, 0.6, {}}, {0.7, 0.6, {}}, {1.0, 1.0, {}}}; // a noisy table
        QCOMPARE(shareOfBudget(flat, 0.65), 0.6);
        QCOMPARE(budgetOfShare(flat, 0.8), 0.85);
    }

    void routersStopsAreThoseTheyWereTrainedFor()
    {
        const std::vector<double> trained{1.0, 0.75, 0.5, 0.25}; // as a record holds them
        const std::vector<double> all{0.25, 0.5, 0.75, 1.0};
        const std::vector<double> above{0.5, 0.75, 1.0};
        QCOMPARE(trainedStops(trained, 0.0), all);
        QCOMPARE(trainedStops(trained, 0.4), above);
        QCOMPARE(trainedStops({}, 0.4), std::vector<double>{1.0});
        QVERIFY(trainedNeighbours(all, 0.6) == std::pair(0.5, 0.75));
        QVERIFY(!trainedNeighbours(all, 0.5));
        QVERIFY(!trainedNeighbours(all, 1.0));
        QVERIFY(!trainedNeighbours(all, 0.1));
    }
};

QTEST_MAIN(TargetMathTest)
#include "test_target_math.moc"
