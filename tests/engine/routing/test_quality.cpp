// Quality targets and re-targeting: what recorded losses, a surrogate and another latency table make of a target.
#include <QTest>

#include <algorithm>
#include <cmath>

#include "engine/routing/quality.h"
#include "engine/routing/target.h"
#include "tests/engine/support/expect.h"

using namespace flextron;
using namespace flextron::test;

namespace {

ModelConfig makeConfig()
{
    ModelConfig config;
    config.hidden_size = 32;
    config.head_dim = 4;
    config.vocab_size = 50;
    config.max_position_embeddings = 512;
    config.layers.assign(3, LayerSizes{8, 8, 128});
    return config;
}

/// Says that the loss rises by 0.1 nats for every choice that a layer's MLP is below the widest, and by `heads` for its
/// heads: exactly additive, so that everything can be worked out by hand.
Surrogate additiveSurrogate(const ChoiceSets& choices, int layers, double heads)
{
    const int inputs = layers * static_cast<int>(choices.head_int_list.size() + choices.mlp_int_list.size());
    Surrogate surrogate;
    surrogate.network.hidden = {inputs, 1, std::vector<float>(static_cast<std::size_t>(inputs)), {0}};
    surrogate.network.output = {1, 1, {1}, {0}};
    std::size_t next = 0;
    for (int l = 0; l < layers; ++l) {
        for (std::size_t i = 0; i < choices.head_int_list.size(); ++i)
            surrogate.network.hidden.weight[next++] = static_cast<float>(
                heads * static_cast<double>(choices.head_int_list.size() - 1 - i));
        for (std::size_t i = 0; i < choices.mlp_int_list.size(); ++i)
            surrogate.network.hidden.weight[next++] = static_cast<float>(
                0.1 * static_cast<double>(choices.mlp_int_list.size() - 1 - i));
    }
    return surrogate;
}

LatencyTable tableWith(double mlp_full, double attention_full)
{
    LatencyTable table;
    table.mlp_widths = {0, 32, 64, 96, 128};
    table.head_counts = {0, 2, 4, 6, 8};
    table.contexts = {64};
    table.fixed_ms = 0.1;
    table.router_ms = 0.01;
    for (int i = 0; i < 5; ++i) table.mlp_ms.push_back(mlp_full * i / 4);
    std::vector<double> attention;
    for (int i = 0; i < 5; ++i) attention.push_back(attention_full * i / 4);
    table.attention_own_ms = {attention};
    table.attention_all_ms = {attention};
    return table;
}

struct World {
    ModelConfig config = makeConfig();
    ChoiceSets choices{{32, 64, 96, 128}, {2, 4, 6, 8}};
    std::vector<RecordedLoss> losses;
    std::optional<LatencyTable> table;
    TargetContext context;

    World()
    {
        Routers routers = randomRouters(config, choices, {1.0, 0.8, 0.6, 0.4}, 8, 3);
        routers.surrogate = additiveSurrogate(choices, 3, 0.05);
        context.config = &config;
        context.choices = &choices;
        context.routers = std::make_shared<Routers>(routers);
        context.losses = &losses;
    }
    World(const World&) = delete;

    void record()
    {
        const auto add = [&](const char* text, const char* routing, double budget, double loss) {
            RecordedLoss row;
            row.text = text;
            row.routing = routing;
            row.budget = budget;
            row.cost = budget;
            row.loss = loss;
            losses.push_back(row);
        };
        for (const auto& [text, above] : {std::pair{"stories", 0.0}, std::pair{"books", 1.0}}) {
            add(text, "full", 1.0, 2.0 + above);
            for (const auto& [routing, slope] : {std::pair{"static", 1.0}, std::pair{"dynamic", 0.5}})
                for (const double budget : {0.8, 0.6, 0.4})
                    add(text, routing, budget, 2.0 + above + slope * (1.0 + above) * (1.0 - budget));
        }
    }
};

Target quality(double value, Routing routing)
{
    Target target;
    target.kind = Target::Kind::Quality;
    target.value = value;
    target.routing = routing;
    return target;
}

} // namespace

class TestQuality final : public QObject {
    Q_OBJECT

private slots:
    // Dynamic routers lose half of what they save (stories), or all of it (books): by the table above.
    void dynamicByTheRecord_data()
    {
        QTest::addColumn<double>("allowed");
        QTest::addColumn<QString>("text");
        QTest::addColumn<double>("budget");
        QTest::addColumn<double>("rise");
        QTest::newRow("at a stop") << 0.1 << "" << 0.8 << 0.1;
        QTest::newRow("between stops") << 0.15 << "" << 0.7 << 0.15;
        QTest::newRow("above the first stop") << 0.05 << "" << 0.9 << 0.05;
        QTest::newRow("no lower than the last stop") << 5.0 << "" << 0.4 << 0.3;
        QTest::newRow("on another text") << 0.2 << "books" << 0.8 << 0.2;
    }
    void dynamicByTheRecord()
    {
        QFETCH(double, allowed);
        QFETCH(QString, text);
        QFETCH(double, budget);
        QFETCH(double, rise);
        World world;
        world.record();
        world.context.quality_text = text.toStdString();
        const ResolvedTarget result = valueOf(resolveTarget(quality(allowed, Routing::Dynamic), world.context));
        QVERIFY(result.plan.dynamic());
        QVERIFY2(std::abs(result.plan.budget - budget) < 1e-9, qPrintable(QString::number(result.plan.budget)));
        QVERIFY(std::abs(*result.predicted_rise - rise) < 1e-9);
        QCOMPARE(result.quality_basis, "losses recorded on " + (text.isEmpty() ? "stories" : text.toStdString()));
    }

    void staticTakesARecordedStop_data()
    {
        QTest::addColumn<double>("allowed");
        QTest::addColumn<double>("budget");
        QTest::newRow("at a stop") << 0.4001 << 0.6;
        QTest::newRow("between stops") << 0.3 << 0.8;
        QTest::newRow("above all stops: the full model") << 0.1 << 1.0;
    }
    void staticTakesARecordedStop()
    {
        QFETCH(double, allowed);
        QFETCH(double, budget);
        World world;
        world.record();
        const ResolvedTarget result = valueOf(resolveTarget(quality(allowed, Routing::Static), world.context));
        QVERIFY(!result.plan.dynamic());
        Target recorded;
        recorded.kind = Target::Kind::Budget;
        recorded.value = budget;
        recorded.routing = Routing::Static;
        const SubNetwork expected = valueOf(resolveTarget(recorded, world.context)).plan.subnet;
        QCOMPARE(expected == fullSubNetwork(world.config), budget == 1.0);
        QCOMPARE(toString(result.plan.subnet), toString(expected));
    }

    /// A static router's answer to a stop may cost more than the stop: its loss is that of what was read.
    void staticRunsWhatWasRecorded()
    {
        World world;
        world.record();
        TargetContext flops = world.context;
        flops.kv = KvRule::All;
        bool above = false;
        for (RecordedLoss& loss : world.losses) {
            if (loss.routing != "static") continue;
            const SubNetwork raw = valueOf(staticSubNetwork(*world.context.routers, loss.budget, world.config));
            loss.cost = shareOf(raw, flops);
            above = above || loss.cost > loss.budget + 0.01;
        }
        QVERIFY(above);
        for (const RecordedLoss& loss : world.losses) {
            if (loss.routing != "static" || loss.text != "stories") continue;
            const Target target = quality(loss.loss - 2.0 + 1e-9, Routing::Static);
            const double share = shareOf(valueOf(resolveTarget(target, world.context)).plan.subnet, flops);
            QVERIFY2(std::abs(share - loss.cost) < 1e-3, qPrintable(QString("%1 at %2").arg(share).arg(loss.budget)));
        }
    }

    // 3 layers at n steps below full lose 3 * (0.1 + 0.05) nats a step.
    void uniformByTheSurrogate_data()
    {
        QTest::addColumn<double>("allowed");
        QTest::addColumn<int>("mlp");
        QTest::addColumn<int>("heads");
        QTest::newRow("nothing fits") << 0.1 << 128 << 8;
        QTest::newRow("heads are cheaper to lose") << 0.151 << 128 << 6;
        QTest::newRow("as low as it gets") << 9.0 << 32 << 2;
    }
    void uniformByTheSurrogate()
    {
        QFETCH(double, allowed);
        QFETCH(int, mlp);
        QFETCH(int, heads);
        World world;
        world.record(); // of uniform widths nothing is recorded
        const ResolvedTarget result = valueOf(resolveTarget(quality(allowed, Routing::Uniform), world.context));
        QCOMPARE(toString(result.plan.subnet), toString(uniformSubNetwork(world.config, mlp, heads)));
        QCOMPARE(result.quality_basis, std::string("surrogate"));
        QVERIFY(*result.predicted_rise <= allowed);
    }

    // Whatever is allowed: the cheapest that keeps it, and more allowed never costs more.
    void moreAllowedNeverCostsMore_data()
    {
        QTest::addColumn<int>("routing");
        QTest::newRow("uniform") << static_cast<int>(Routing::Uniform);
        QTest::newRow("static") << static_cast<int>(Routing::Static);
    }
    void moreAllowedNeverCostsMore()
    {
        QFETCH(int, routing);
        World world;
        double last = 1.0;
        for (double allowed = 0.0; allowed < 2.0; allowed += 0.05) {
            const ResolvedTarget result = valueOf(
                resolveTarget(quality(allowed, static_cast<Routing>(routing)), world.context));
            QVERIFY(result.share <= last);
            QVERIFY(*result.predicted_rise <= allowed);
            last = result.share;
        }
        QVERIFY(last < 0.9);
    }

    void nothingAllowedIsTheFullModel()
    {
        World world;
        world.record();
        for (const Routing routing : {Routing::Uniform, Routing::Static, Routing::Dynamic}) {
            const ResolvedTarget result = valueOf(resolveTarget(quality(0.0, routing), world.context));
            QCOMPARE(toString(result.plan.subnet), toString(fullSubNetwork(world.config)));
            QVERIFY(!result.plan.dynamic());
        }
    }

    void refusals_data()
    {
        QTest::addColumn<QString>("what");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        QTest::newRow("dynamic without a record")
            << "no record" << static_cast<int>(ErrorCode::Unsupported) << "no record of how its loss rises"
            << "static or uniform";
        QTest::newRow("no surrogate either")
            << "nothing" << static_cast<int>(ErrorCode::Unsupported) << "no record of how its loss rises"
            << "give a budget";
        QTest::newRow("another text") << "text" << static_cast<int>(ErrorCode::InvalidArgument)
                                      << "no loss was recorded on a text named poems"
                                      << "stories, books";
        QTest::newRow("less than nothing")
            << "negative" << static_cast<int>(ErrorCode::InvalidArgument) << "a rise of the loss by -1 nats"
            << "at least 0";
    }
    void refusals()
    {
        QFETCH(QString, what);
        QFETCH(int, code);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        World world;
        if (what == "text" || what == "negative") world.record();
        if (what == "text") world.context.quality_text = "poems";
        if (what == "nothing") {
            Routers routers = *world.context.routers;
            routers.surrogate.reset();
            world.context.routers = std::make_shared<Routers>(routers);
        }
        const auto result = resolveTarget(quality(what == "negative" ? -1.0 : 0.1, Routing::Dynamic), world.context);
        VERIFY_FAILURE(result, static_cast<ErrorCode>(code), message.toStdString(), hint.toStdString());
    }

    // Another device: the same routers, another map from stops to milliseconds.
    void staticLatencyFollowsTheTable()
    {
        World world;
        const auto costliest_within = [&](double ms) {
            Target target;
            target.kind = Target::Kind::LatencyMs;
            target.value = ms;
            target.routing = Routing::Static;
            return resolveTarget(target, world.context);
        };
        world.table = tableWith(0.4, 0.2);
        world.context.latency = &*world.table;
        const double full = world.table->predictMs(fullSubNetwork(world.config), 256, KvRule::All);
        double last = 0;
        for (double ms = 0.5 * full; ms < full; ms += 0.02 * full) {
            const auto result = costliest_within(ms);
            if (!result) continue; // below what the router was trained for
            QVERIFY(*result->predicted_ms <= ms);
            QVERIFY(*result->predicted_ms >= last);
            last = *result->predicted_ms;
            // Nothing that the router chooses between its stops would have been nearer.
            for (double b = 1.0; b >= 0.4; b -= 0.01) {
                const double other = world.table->predictMs(
                    valueOf(staticSubNetwork(*world.context.routers, b, world.config)), 256, KvRule::All);
                QVERIFY(other > ms || other <= *result->predicted_ms + 1e-9);
            }
        }
        QVERIFY(last > 0);
        // On a device where attention is dear, the same stop takes another share of the time.
        const double share = shareOf(valueOf(staticSubNetwork(*world.context.routers, 0.6, world.config)),
                                     world.context);
        world.table = tableWith(0.1, 0.8);
        QVERIFY(std::abs(shareOf(valueOf(staticSubNetwork(*world.context.routers, 0.6, world.config)), world.context) -
                         share) > 0.001);
    }

    void belowTheStaticRoutersFloor()
    {
        World world;
        world.table = tableWith(0.4, 0.2);
        world.context.latency = &*world.table;
        Target target;
        target.kind = Target::Kind::LatencyMs;
        target.routing = Routing::Static;
        target.value = 1.0001 * world.table->predictMs(uniformSubNetwork(world.config, 32, 2), 256, KvRule::All);
        const auto result = resolveTarget(target, world.context);
        VERIFY_FAILURE(result, ErrorCode::InvalidArgument, "below what the static router was trained for",
                       "the nearest target that it can meet is ");
        // And that one can be met.
        const std::string& hint = result.error().hint;
        target.value = std::stod(hint.substr(std::string("the nearest target that it can meet is ").size()));
        QVERIFY(resolveTarget(target, world.context).ok());
    }

    // A slider's stops: each is what its own rise resolves to.
    void curvesAreMadeOfWhatTargetsResolveTo_data()
    {
        QTest::addColumn<QString>("routing");
        QTest::addColumn<bool>("recorded");
        QTest::addColumn<bool>("measured");
        QTest::addColumn<int>("stops");
        QTest::newRow("dynamic, recorded") << "dynamic" << true << false << 4;
        QTest::newRow("dynamic, recorded, with a table") << "dynamic" << true << true << 4;
        QTest::newRow("static, recorded") << "static" << true << false << 4;
        QTest::newRow("static, by the surrogate") << "static" << false << false << -1;
        QTest::newRow("uniform, by the surrogate") << "uniform" << true << false << -1;
    }
    void curvesAreMadeOfWhatTargetsResolveTo()
    {
        QFETCH(QString, routing);
        QFETCH(bool, recorded);
        QFETCH(bool, measured);
        QFETCH(int, stops);
        World world;
        if (recorded) world.record();
        if (measured) world.table = tableWith(0.4, 0.2);
        if (measured) world.context.latency = &*world.table;
        const Routing which = valueOf(parseRouting(routing.toStdString()));
        const QualityCurve curve = valueOf(qualityCurve(which, world.context));
        QVERIFY(curve.stops.size() > 1);
        if (stops > 0) QCOMPARE(static_cast<int>(curve.stops.size()), stops);
        QCOMPARE(curve.stops.front().rise, 0.0);
        QCOMPARE(curve.stops.front().member.share, 1.0);
        for (std::size_t i = 1; i < curve.stops.size(); ++i) {
            const QualityStop& stop = curve.stops[i];
            QVERIFY(stop.rise > curve.stops[i - 1].rise);
            QVERIFY(stop.budget < curve.stops[i - 1].budget);
            const ResolvedTarget resolved = valueOf(resolveTarget(quality(stop.rise + 1e-12, which), world.context));
            QVERIFY(std::abs(resolved.share - stop.member.share) < 1e-6);
            QCOMPARE(resolved.predicted_ms.has_value(), stop.member.predicted_ms.has_value());
            if (resolved.predicted_ms) QVERIFY(std::abs(*resolved.predicted_ms - *stop.member.predicted_ms) < 1e-6);
            if (which != Routing::Dynamic) QCOMPARE(toString(resolved.plan.subnet), toString(stop.member.subnet));
            QVERIFY(std::abs(*expectedRise(resolved, world.context) - stop.rise) < 1e-9);
            QCOMPARE(riseAt(curve, stop.budget), stop.rise);
        }
    }

    void betweenStopsOnlyDynamicRoutersAnswer()
    {
        World world;
        world.record();
        const QualityCurve dynamic = valueOf(qualityCurve(Routing::Dynamic, world.context));
        QVERIFY(std::abs(stopWithin(dynamic, 0.15).budget - 0.7) < 1e-9);
        QVERIFY(std::abs(riseAt(dynamic, 0.7) - 0.15) < 1e-9);
        QVERIFY(std::abs(riseAt(dynamic, 0.1) - 0.3) < 1e-9); // below the last stop: its own
        const QualityCurve fixed = valueOf(qualityCurve(Routing::Static, world.context));
        QCOMPARE(stopWithin(fixed, 0.3).budget, 0.8);
        QCOMPARE(stopWithin(fixed, 0.0).budget, 1.0);
    }

    void withoutRecordAndSurrogateThereIsNoCurve()
    {
        World world;
        world.context.routers = nullptr;
        VERIFY_FAILURE(qualityCurve(Routing::Uniform, world.context), ErrorCode::Unsupported, "no record", "budget");
    }
};

QTEST_APPLESS_MAIN(TestQuality)
#include "test_quality.moc"
