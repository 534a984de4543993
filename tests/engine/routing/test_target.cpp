// Targets: the best sub-network not above what was asked for, and an honest word about what it costs.
#include <QTest>

#include <cmath>
#include <random>

#include "engine/routing/target.h"

using namespace flextron;

namespace {

ModelConfig makeConfig(int layers = 4)
{
    ModelConfig config;
    config.hidden_size = 32;
    config.head_dim = 4;
    config.vocab_size = 50;
    config.max_position_embeddings = 512;
    config.layers.assign(static_cast<std::size_t>(layers), LayerSizes{8, 4, 128});
    config.tie_word_embeddings = true;
    return config;
}

ChoiceSets makeChoices()
{
    return {{32, 64, 96, 128}, {2, 4, 6, 8}};
}

/// One layer's milliseconds proportional to its widths; noise as measured tables have it.
LatencyTable makeTable(std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    const auto noisy = [&](double value) {
        return value * (0.8 + 0.4 * static_cast<double>(random() >> 11) * 0x1p-53);
    };
    LatencyTable table;
    table.mlp_widths = {0, 32, 64, 96, 128};
    table.head_counts = {0, 2, 4, 6, 8};
    table.contexts = {64, 256};
    table.fixed_ms = noisy(0.3);
    table.router_ms = noisy(0.02);
    table.mlp_ms = {0, noisy(0.1), noisy(0.2), noisy(0.3), noisy(0.4)};
    for (int c = 0; c < 2; ++c) {
        table.attention_own_ms.push_back({0, noisy(0.1), noisy(0.2), noisy(0.3), noisy(0.4)});
        table.attention_all_ms.push_back({noisy(0.1), noisy(0.2), noisy(0.25), noisy(0.3), noisy(0.4)});
    }
    return table;
}

struct World {
    ModelConfig config = makeConfig();
    ChoiceSets choices = makeChoices();
    std::optional<LatencyTable> table;
    TargetContext context;

    explicit World(int seed)
    {
        if (seed > 0) table = makeTable(static_cast<std::uint64_t>(seed));
        context.config = &config;
        context.choices = &choices;
        context.latency = table ? &*table : nullptr;
        context.kv = seed % 2 == 0 ? KvRule::All : KvRule::Own;
    }
    World(const World&) = delete;
};

Target budget(double value, std::optional<Routing> routing = std::nullopt)
{
    Target target;
    target.kind = Target::Kind::Budget;
    target.value = value;
    target.routing = routing;
    return target;
}

Target ofKind(Target::Kind kind, double value)
{
    Target target;
    target.kind = kind;
    target.value = value;
    return target;
}

bool has(const std::string& text, const char* part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

class TestTarget final : public QObject {
    Q_OBJECT

private slots:
    // 0 counts FLOPs; the others use a noisy latency table.
    static void worlds()
    {
        QTest::addColumn<int>("seed");
        for (int seed = 0; seed < 12; ++seed) QTest::addRow("table %d", seed) << seed;
    }

    void budgetIsNeverExceededAndMoreBuysNoLess_data() { worlds(); }
    void budgetIsNeverExceededAndMoreBuysNoLess()
    {
        QFETCH(int, seed);
        const World world(seed);
        double last = 0.0;
        for (int i = 1; i <= 400; ++i) {
            const double asked = i / 400.0;
            const auto result = resolveTarget(budget(asked), world.context);
            if (!result) {
                QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
                QCOMPARE(last, 0.0); // below the floor only
                continue;
            }
            QVERIFY(result->share <= asked);
            QVERIFY(result->share >= last);
            last = result->share;
            QCOMPARE(result->routing, Routing::Uniform);
            QVERIFY(!result->plan.dynamic());
        }
        QCOMPARE(last, 1.0);
    }

    void wholeBudgetIsTheFullModel_data() { worlds(); }
    void wholeBudgetIsTheFullModel()
    {
        QFETCH(int, seed);
        const World world(seed);
        const auto result = resolveTarget(budget(1.0), world.context);
        QVERIFY(result.ok());
        QCOMPARE(toString(result->plan.subnet), toString(fullSubNetwork(world.config)));
        QCOMPARE(result->share, 1.0);
        const auto full = resolveTarget(Target{}, world.context);
        QCOMPARE(toString(full->plan.subnet), toString(fullSubNetwork(world.config)));
    }

    void stopsAscendAndEachResolvesToItself_data() { worlds(); }
    void stopsAscendAndEachResolvesToItself()
    {
        QFETCH(int, seed);
        const World world(seed);
        const std::vector<Stop> stops = uniformStops(world.context);
        QVERIFY(stops.size() >= 4);
        QCOMPARE(stops.back().share, 1.0);
        double last = 0.0;
        for (const Stop& stop : stops) {
            QVERIFY(stop.share > last);
            last = stop.share;
            QCOMPARE(toString(resolveTarget(budget(stop.share), world.context)->plan.subnet), toString(stop.subnet));
            QCOMPARE(stop.predicted_ms.has_value(), world.table.has_value());
            CostOptions options;
            options.kv = world.context.kv;
            QCOMPARE(stop.parameters, costOf(stop.subnet, world.config, options).parameters);
            if (stop.predicted_ms) {
                const auto by_ms = resolveTarget(ofKind(Target::Kind::LatencyMs, *stop.predicted_ms), world.context);
                QCOMPARE(toString(by_ms->plan.subnet), toString(stop.subnet));
                QCOMPARE(by_ms->cost_basis, std::string("latency table"));
            }
        }
        // And nothing else can come out.
        for (int i = 0; i <= 300; ++i) {
            const auto result = resolveTarget(budget(stops.front().share + (1.0 - stops.front().share) * i / 300.0),
                                              world.context);
            QVERIFY(std::any_of(stops.begin(), stops.end(),
                                [&](const Stop& stop) { return stop.subnet == result->plan.subnet; }));
        }
    }

    void parametersAreNeverExceeded()
    {
        const World world(0);
        CostOptions options;
        options.kv = KvRule::All;
        const double full = static_cast<double>(costOf(fullSubNetwork(world.config), world.config, options).parameters);
        double last = 0.0;
        for (int i = 1; i <= 200; ++i) {
            const auto result = resolveTarget(ofKind(Target::Kind::Parameters, full * i / 200.0), world.context);
            if (!result) continue;
            const auto count = static_cast<double>(costOf(result->plan.subnet, world.config, options).parameters);
            QVERIFY(count <= full * i / 200.0);
            QVERIFY(count >= last);
            last = count;
        }
        QCOMPARE(last, full);
        QCOMPARE(toString(resolveTarget(ofKind(Target::Kind::Parameters, 10 * full), world.context)->plan.subnet),
                 toString(fullSubNetwork(world.config)));
    }

    // About the same share of heads and neurons, and as near to the target as that allows, whatever the table says.
    void uniformIsBalancedAndNearest_data() { worlds(); }
    void uniformIsBalancedAndNearest()
    {
        QFETCH(int, seed);
        const World world(seed);
        for (int i = 30; i <= 100; ++i) {
            const auto result = resolveTarget(budget(i / 100.0), world.context);
            if (!result) continue;
            const SubNetwork& subnet = result->plan.subnet;
            QVERIFY2(std::abs(subnet.mlp[0] / 128.0 - subnet.heads[0] / 8.0) <= 0.25, toString(subnet).c_str());
            for (const int m : world.choices.mlp_int_list)
                for (const int h : world.choices.head_int_list) {
                    const double share = shareOf(uniformSubNetwork(world.config, m, h), world.context);
                    if (std::abs(m / 128.0 - h / 8.0) > 0.25 || share > i / 100.0 || share <= result->share) continue;
                    // A dearer one that fits is left alone only where noise has made it narrower.
                    QVERIFY(m <= subnet.mlp[0] && h <= subnet.heads[0]);
                }
        }
    }

    // With sets so uneven that no pair is balanced but the widest ones, lopsided pairs stand in below those.
    void lopsidedPairsStandInWhereNoBalancedOneFits_data()
    {
        QTest::addColumn<int>("heads_step");
        QTest::addColumn<QString>("expected"); // neurons x heads, the cheapest first
        QTest::newRow("heads that are not elastic") << 8 << "32x8 64x8 96x8 128x8";
        QTest::newRow("two choices of heads") << 4 << "32x4 64x4 96x4 128x4 64x8 96x8 128x8";
        QTest::newRow("as many of both") << 2 << "32x2 64x2 32x4 64x4 96x4 64x6 96x6 128x6 96x8 128x8";
    }
    void lopsidedPairsStandInWhereNoBalancedOneFits()
    {
        QFETCH(int, heads_step);
        QFETCH(QString, expected);
        World world(0);
        world.choices.head_int_list.clear();
        for (int heads = heads_step; heads <= 8; heads += heads_step) world.choices.head_int_list.push_back(heads);
        QStringList found;
        for (const Stop& stop : uniformStops(world.context))
            found += QString("%1x%2").arg(stop.subnet.mlp[0]).arg(stop.subnet.heads[0]);
        QCOMPARE(found.join(' '), expected);
    }

    void belowTheFloorTheMessageNamesIt_data() { worlds(); }
    void belowTheFloorTheMessageNamesIt()
    {
        QFETCH(int, seed);
        const World world(seed);
        const auto result = resolveTarget(budget(0.01), world.context);
        QVERIFY(!result);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY(has(result.error().message, "below the floor"));
        QVERIFY(has(result.error().message, world.table ? "latency table" : "FLOPs"));
        // The number in the hint is a target that can be met.
        const std::string& hint = result.error().hint;
        const double nearest = std::stod(hint.substr(hint.rfind(' ')));
        const auto met = resolveTarget(budget(nearest), world.context);
        QVERIFY(met.ok());
        QCOMPARE(toString(met->plan.subnet), toString(uniformStops(world.context).front().subnet));
    }

    void parametersBelowTheFloor()
    {
        const World world(0);
        const auto result = resolveTarget(ofKind(Target::Kind::Parameters, 10), world.context);
        QVERIFY(has(result.error().message, "parameters is below the floor"));
        const double nearest = std::stod(result.error().hint.substr(result.error().hint.rfind(' ')));
        QVERIFY(resolveTarget(ofKind(Target::Kind::Parameters, nearest), world.context).ok());
    }

    void badTargets_data()
    {
        QTest::addColumn<int>("kind");
        QTest::addColumn<double>("value");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        const auto row = [](const char* name, Target::Kind kind, double value, ErrorCode code, const char* message,
                            const char* hint) {
            QTest::newRow(name) << static_cast<int>(kind) << value << static_cast<int>(code) << message << hint;
        };
        using Kind = Target::Kind;
        row("above one", Kind::Budget, 1.2, ErrorCode::InvalidArgument, "a budget of 1.2 is no share", "at most 1");
        row("zero", Kind::Budget, 0.0, ErrorCode::InvalidArgument, "a budget of 0 is no share", "above 0");
        row("not a number", Kind::Budget, std::nan(""), ErrorCode::InvalidArgument, "no share", "above 0");
        row("negative size", Kind::Parameters, -5, ErrorCode::InvalidArgument, "a target of -5", "above 0");
        row("no table", Kind::LatencyMs, 3.0, ErrorCode::Unsupported, "latency table", "flextron profile");
        row("quality", Kind::Quality, 0.1, ErrorCode::Unsupported, "no record of how its loss rises", "budget");
    }
    void badTargets()
    {
        QFETCH(int, kind);
        QFETCH(double, value);
        QFETCH(int, code);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        const World world(0);
        const auto result = resolveTarget(ofKind(static_cast<Target::Kind>(kind), value), world.context);
        QVERIFY(!result);
        QCOMPARE(static_cast<int>(result.error().code), code);
        QVERIFY2(has(result.error().message, message.toUtf8()), result.error().message.c_str());
        QVERIFY2(has(result.error().hint, hint.toUtf8()), result.error().hint.c_str());
    }

    void routersThatAreNotThere()
    {
        const World world(0);
        for (const Routing routing : {Routing::Static, Routing::Dynamic}) {
            const auto result = resolveTarget(budget(0.7, routing), world.context);
            QVERIFY(has(result.error().message, "this model has no"));
            QVERIFY(has(result.error().hint, "uniform"));
        }
    }

    void explicitSubNetwork()
    {
        const World world(0);
        Target target;
        target.kind = Target::Kind::Explicit;
        target.subnet = {{128, 0, 40, 33}, {8, 2, 0, 4}};
        const auto result = resolveTarget(target, world.context);
        QCOMPARE(toString(result->plan.subnet), toString(target.subnet));
        QVERIFY(result->share < 1.0);
        target.routing = Routing::Dynamic;
        QVERIFY(has(resolveTarget(target, world.context).error().message, "nothing to choose"));
        target.routing.reset();
        target.subnet.heads[0] = 3;
        QCOMPARE(resolveTarget(target, world.context).error().code, ErrorCode::InvalidArgument);
    }

    /// A router whose bias alone decides, written out in its own arithmetic.
    static SubNetwork rawChoice(const World& world, const Routers& routers, double asked)
    {
        const auto logits = routerLogits(*routers.fixed, targetCode(asked, routers.budget_list));
        SubNetwork subnet = fullSubNetwork(world.config);
        for (std::size_t l = 0; l < 4; ++l) {
            const auto largest = [&](std::size_t from) {
                const auto first = logits.begin() + static_cast<std::ptrdiff_t>(from);
                return static_cast<std::size_t>(std::max_element(first, first + 4) - first);
            };
            subnet.heads[l] = world.choices.head_int_list[largest(8 * l)];
            subnet.mlp[l] = world.choices.mlp_int_list[largest(8 * l + 4)];
        }
        return subnet;
    }

    // Whatever the table: the costliest of what the router chooses between its stops, and never more than was asked
    // for.
    void staticBudgetIsNeverExceeded_data() { worlds(); }
    void staticBudgetIsNeverExceeded()
    {
        QFETCH(int, seed);
        World world(seed);
        const auto routers = std::make_shared<Routers>(
            randomRouters(world.config, world.choices, {1.0, 0.8, 0.6, 0.5}, 8, static_cast<std::uint64_t>(seed) + 3));
        world.context.routers = routers;
        std::vector<double> shares;
        for (int step = 0; step <= 256; ++step)
            shares.push_back(shareOf(rawChoice(world, *routers, 1.0 - 0.5 * step / 256), world.context));
        const double least = *std::min_element(shares.begin(), shares.end());
        double last = 0.0;
        for (int i = 1; i < 100; ++i) {
            const double asked = i / 100.0;
            const auto result = resolveTarget(budget(asked, Routing::Static), world.context);
            if (!result) continue;                             // below the model's floor
            if (result->routing == Routing::Uniform) continue; // the full model fits
            QVERIFY(!result->plan.dynamic());
            QCOMPARE(result->plan.budget, asked);
            double expected = least; // below all that it chooses: the cheapest, and the share says so
            for (const double share : shares)
                if (share <= asked * (1 + 1e-9)) expected = std::max(expected, share);
            QVERIFY2(std::abs(result->share - expected) < 1e-12, qPrintable(QString::number(asked)));
            QVERIFY(result->share >= last);
            last = result->share;
            QCOMPARE(result->share, shareOf(result->plan.subnet, world.context));
        }
        QVERIFY(last > 0);
    }

    void theRawStaticChoiceIsTheLargestLogit()
    {
        const World world(0);
        const Routers routers = randomRouters(world.config, world.choices, {1.0, 0.8, 0.6, 0.5}, 8, 3);
        for (const double asked : {0.9, 0.7, 0.5})
            QCOMPARE(toString(*staticSubNetwork(routers, asked, world.config)),
                     toString(rawChoice(world, routers, asked)));
    }

    void dynamicRoutersAreAskedForTheBudget()
    {
        World world(2);
        world.context.routers = std::make_shared<Routers>(
            randomRouters(world.config, world.choices, {1.0, 0.8, 0.6, 0.5}, 8, 3));
        const auto result = resolveTarget(budget(0.7), world.context);
        QCOMPARE(result->routing, Routing::Dynamic);
        QVERIFY(result->plan.dynamic());
        QCOMPARE(result->plan.budget, 0.7);
        QCOMPARE(result->share, 0.7);
        const double full_ms = world.table->predictMs(fullSubNetwork(world.config), 256, KvRule::All);
        const double routers_ms = world.table->predictMs(fullSubNetwork(world.config), 256, KvRule::All, true) -
                                  full_ms;
        QVERIFY(routers_ms > 0);
        QCOMPARE(*result->predicted_ms, 0.7 * full_ms + routers_ms);
        QVERIFY(validateSubNetwork(result->plan.subnet, world.config).ok());
        // Beyond the trained stops: the nearest one is what they can give.
        const double floor = uniformStops(world.context).front().share;
        if (floor < 0.49) QCOMPARE(resolveTarget(budget(0.49), world.context)->share, 0.5);
        // Target 1 bypasses the routers.
        QVERIFY(!resolveTarget(budget(1.0), world.context)->plan.dynamic());
        const auto by_ms = resolveTarget(ofKind(Target::Kind::LatencyMs, 0.8 * full_ms), world.context);
        QCOMPARE(by_ms->plan.budget, (0.8 * full_ms - routers_ms) / full_ms);
        QCOMPARE(*by_ms->predicted_ms, 0.8 * full_ms);
    }

    void parameterTexts_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<double>("expected"); // -1: refused
        QTest::newRow("millions") << "12.5M" << 12.5e6;
        QTest::newRow("thousands") << "640k" << 640e3;
        QTest::newRow("billions") << "7B" << 7e9;
        QTest::newRow("exponent") << "7e6" << 7e6;
        QTest::newRow("plain") << "1234" << 1234.0;
        QTest::newRow("empty") << "" << -1.0;
        QTest::newRow("words") << "many" << -1.0;
        QTest::newRow("rest") << "12 M" << -1.0;
        QTest::newRow("comma") << "1,5M" << -1.0;
        QTest::newRow("negative") << "-3M" << -1.0;
        QTest::newRow("zero") << "0" << -1.0;
        QTest::newRow("infinite") << "inf" << -1.0;
    }
    void parameterTexts()
    {
        QFETCH(QString, text);
        QFETCH(double, expected);
        const auto result = parseParameters(text.toStdString(), makeConfig());
        QCOMPARE(result.ok(), expected > 0);
        if (result) QCOMPARE(*result, expected);
        else QVERIFY(has(result.error().message, "no number of parameters") && has(result.error().hint, "12.5M"));
    }

    void parameterShares()
    {
        const ModelConfig config = makeConfig();
        const auto full = static_cast<double>(costOf(fullSubNetwork(config), config).parameters);
        QCOMPARE(*parseParameters("0.6", config), 0.6 * full);
        QCOMPARE(*parseParameters("1", config), full);
    }

    void routingNames()
    {
        for (const Routing routing : {Routing::Uniform, Routing::Static, Routing::Dynamic})
            QCOMPARE(*parseRouting(routingName(routing)), routing);
        QVERIFY(has(parseRouting("fancy").error().hint, "dynamic, static or uniform"));
    }
};

QTEST_APPLESS_MAIN(TestTarget)
#include "test_target.moc"
