// What dynamic routers come to by a latency table, from the choices that the conversion recorded.
#include <QTest>

#include <cmath>
#include <numeric>
#include <random>

#include "engine/routing/quality.h"
#include "engine/routing/surrogate.h"
#include "engine/routing/target.h"

using namespace flextron;

namespace {

LatencyTable makeTable(std::mt19937_64& random, const ChoiceSets& choices)
{
    std::uniform_real_distribution<double> noise(0.9, 1.1);
    const auto ascending = [&](std::size_t entries, double full) {
        std::vector<double> ms;
        for (std::size_t i = 0; i < entries; ++i)
            ms.push_back(full * noise(random) * static_cast<double>(i) / static_cast<double>(entries - 1));
        return ms;
    };
    LatencyTable table;
    table.mlp_widths = {0};
    table.head_counts = {0};
    table.mlp_widths.insert(table.mlp_widths.end(), choices.mlp_int_list.begin(), choices.mlp_int_list.end());
    table.head_counts.insert(table.head_counts.end(), choices.head_int_list.begin(), choices.head_int_list.end());
    table.contexts = {64, 256};
    table.fixed_ms = 0.4 * noise(random);
    table.router_ms = 0.02 * noise(random);
    table.mlp_ms = ascending(table.mlp_widths.size(), 0.5);
    for (int i = 0; i < 2; ++i) {
        table.attention_own_ms.push_back(ascending(table.head_counts.size(), 0.4));
        table.attention_all_ms.push_back(ascending(table.head_counts.size(), 0.3));
    }
    return table;
}

/// A model, a table, and what routers chose for each token of two texts at three stops.
struct World {
    ModelConfig config;
    ChoiceSets choices{{32, 64, 96, 128}, {2, 4, 6, 8}};
    LatencyTable table, other_table;
    std::vector<RecordedLoss> losses;
    std::map<double, std::vector<SubNetwork>> tokens; ///< by budget, of both texts
    TargetContext context;

    explicit World(int seed)
    {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        const int layers = 2 + seed % 3;
        config.hidden_size = 32;
        config.head_dim = 4;
        config.vocab_size = 50;
        config.max_position_embeddings = 512;
        config.layers.assign(static_cast<std::size_t>(layers), LayerSizes{8, seed % 2 == 0 ? 8 : 4, 128});
        config.tie_word_embeddings = seed % 2 == 0;
        table = makeTable(random, choices);
        other_table = makeTable(random, choices);
        const std::vector<double> budgets{1.0, 0.8, 0.6, 0.4};
        for (const char* text : {"stories", "books"})
            for (std::size_t stop = 1; stop < budgets.size(); ++stop) record(text, budgets[stop], stop, random);
        context.config = &config;
        context.choices = &choices;
        context.latency = &table;
        context.losses = &losses;
        context.kv = KvRule::All;
        context.routers = std::make_shared<Routers>(randomRouters(config, choices, budgets, 8, 3));
    }
    World(const World&) = delete;

    /// The lower the stop, the narrower the choices.
    void record(const char* text, double budget, std::size_t stop, std::mt19937_64& random)
    {
        RecordedLoss loss;
        loss.text = text;
        loss.routing = "dynamic";
        loss.budget = budget;
        loss.loss = 3.0 - budget;
        loss.tokens = text[0] == 's' ? 30 : 20;
        loss.choice_means.assign(choiceMeans(fullSubNetwork(config), choices).size(), 0.0);
        for (std::int64_t i = 0; i < loss.tokens; ++i) {
            SubNetwork token = fullSubNetwork(config);
            for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
                token.heads[layer] = choices.head_int_list[random() % (5 - stop)];
                token.mlp[layer] = choices.mlp_int_list[random() % (5 - stop)];
            }
            const std::vector<float> one_hot = choiceMeans(token, choices);
            for (std::size_t at = 0; at < one_hot.size(); ++at)
                loss.choice_means[at] += one_hot[at] / static_cast<double>(loss.tokens);
            tokens[budget].push_back(token);
        }
        losses.push_back(std::move(loss));
    }

    double fullMs() const { return table.predictMs(fullSubNetwork(config), 256, KvRule::All); }
    /// Token by token.
    double meanMs(double budget) const
    {
        double sum = 0;
        for (const SubNetwork& token : tokens.at(budget)) sum += table.predictMs(token, 256, KvRule::All, true);
        return sum / static_cast<double>(tokens.at(budget).size());
    }
};

Target ofKind(Target::Kind kind, double value)
{
    Target target;
    target.kind = kind;
    target.value = value;
    target.routing = Routing::Dynamic;
    return target;
}

bool near(double a, double b)
{
    return std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
}

} // namespace

class TestDynamicCost final : public QObject {
    Q_OBJECT

private slots:
    static void worlds()
    {
        QTest::addColumn<int>("seed");
        for (int seed = 1; seed <= 8; ++seed) QTest::addRow("%d", seed) << seed;
    }

    void stopsAreTheMeanOverTokens_data() { worlds(); }
    void stopsAreTheMeanOverTokens()
    {
        QFETCH(const int, seed);
        const World world(seed);
        const auto stops = dynamicStops(world.context);
        QCOMPARE(stops.size(), std::size_t{4});
        for (std::size_t i = 0; i < 3; ++i) {
            QVERIFY(near(*stops[i].predicted_ms, world.meanMs(stops[i].budget)));
            QVERIFY(near(stops[i].share, world.meanMs(stops[i].budget) / world.fullMs()));
            QVERIFY(stops[i].budget < stops[i + 1].budget);
        }
        const double routers_ms = world.table.router_ms * static_cast<double>(world.config.layers.size());
        QVERIFY(near(*stops[3].predicted_ms, world.fullMs() + routers_ms));
        QCOMPARE(stops[3].budget, 1.0);
    }

    void aTargetInTimeIsMetInTheMean_data() { worlds(); }
    void aTargetInTimeIsMetInTheMean()
    {
        QFETCH(const int, seed);
        World world(seed);
        const auto stops = dynamicStops(world.context);
        for (std::size_t i = 0; i < 3; ++i) { // a stop's own cost asks for that stop
            const auto result = resolveTarget(ofKind(Target::Kind::Budget, stops[i].share), world.context).orThrow();
            QVERIFY(near(result.plan.budget, stops[i].budget));
            QVERIFY(near(result.share, stops[i].share));
            QCOMPARE(result.cost_basis, std::string("latency table"));
        }
        double last = 0;
        for (int step = 0; step <= 20; ++step) {
            const double share = stops[0].share + (0.999 - stops[0].share) * step / 20;
            const auto result = resolveTarget(ofKind(Target::Kind::Budget, share), world.context).orThrow();
            QVERIFY(near(result.share, share));
            QVERIFY(near(*result.predicted_ms, share * world.fullMs()));
            QVERIFY(result.plan.budget > last); // more time, wider routers
            last = result.plan.budget;
            const auto by_ms =
                resolveTarget(ofKind(Target::Kind::LatencyMs, share * world.fullMs()), world.context).orThrow();
            QVERIFY(near(by_ms.plan.budget, result.plan.budget));
        }
        // Below the last stop: that one, and what it comes to.
        const double below = (stops[0].share + uniformStops(world.context).front().share) / 2;
        const auto least = resolveTarget(ofKind(Target::Kind::Budget, below), world.context).orThrow();
        QCOMPARE(least.plan.budget, 0.4);
        QVERIFY(near(least.share, stops[0].share));
        // The same stop comes to another time on another machine, and the same share to another stop.
        world.context.latency = &world.other_table;
        const auto elsewhere = dynamicStops(world.context);
        QVERIFY(!near(elsewhere[1].share, stops[1].share));
        const auto other = resolveTarget(ofKind(Target::Kind::Budget, stops[1].share), world.context).orThrow();
        QVERIFY(!near(other.plan.budget, stops[1].budget));
        QVERIFY(near(other.share, stops[1].share));
    }

    void aNumberOfParametersIsMetInTheMean_data() { worlds(); }
    void aNumberOfParametersIsMetInTheMean()
    {
        QFETCH(const int, seed);
        const World world(seed);
        CostOptions cost;
        cost.kv = KvRule::All;
        double sum = 0;
        for (const SubNetwork& token : world.tokens.at(0.6))
            sum += static_cast<double>(costOf(token, world.config, cost).parameters);
        const double mean = sum / static_cast<double>(world.tokens.at(0.6).size());
        const auto result = resolveTarget(ofKind(Target::Kind::Parameters, mean), world.context).orThrow();
        QVERIFY(std::abs(result.plan.budget - 0.6) < 1e-3); // parameters are whole
    }

    void sharesOfFlopsAreAskedAsTheyAre()
    {
        World world(3);
        Target target = ofKind(Target::Kind::Budget, 0.7);
        target.by_flops = true;
        const auto with_table = resolveTarget(target, world.context).orThrow();
        QCOMPARE(with_table.plan.budget, 0.7);
        QCOMPARE(with_table.share, 0.7);
        QCOMPARE(with_table.cost_basis, std::string("FLOPs"));
        QVERIFY(near(*with_table.predicted_ms, (world.meanMs(0.6) + world.meanMs(0.8)) / 2));
        world.context.latency = nullptr;
        QVERIFY(dynamicStops(world.context).empty());
        const auto without = resolveTarget(ofKind(Target::Kind::Budget, 0.7), world.context).orThrow();
        QCOMPARE(without.plan.budget, 0.7);
        QVERIFY(!without.predicted_ms);
    }

    void uniformSharesOfFlopsTakeNoTable()
    {
        World world(4);
        Target target = ofKind(Target::Kind::Budget, 0.7);
        target.routing = Routing::Uniform;
        target.by_flops = true;
        const auto with_table = resolveTarget(target, world.context).orThrow();
        QVERIFY(near(*with_table.predicted_ms, world.table.predictMs(with_table.plan.subnet, 256, KvRule::All)));
        world.context.latency = nullptr;
        target.by_flops = false;
        const auto without = resolveTarget(target, world.context).orThrow();
        QVERIFY(with_table.plan.subnet == without.plan.subnet);
        QCOMPARE(with_table.share, without.share);
    }

    void aQualityTargetSaysWhatItsBudgetComesTo()
    {
        World world(5);
        RecordedLoss full;
        full.text = "stories";
        full.routing = "full";
        full.loss = 2.0;
        world.losses.push_back(full);
        const auto curve = qualityCurve(Routing::Dynamic, world.context).orThrow();
        QVERIFY(near(*curve.stops.back().member.predicted_ms, world.meanMs(0.4)));
        const auto result = resolveTarget(ofKind(Target::Kind::Quality, 0.4), world.context).orThrow();
        QVERIFY(near(result.plan.budget, 0.6));
        QVERIFY(near(result.share, world.meanMs(0.6) / world.fullMs()));
    }

    void otherSizesAreNotUsed()
    {
        World world(6);
        for (RecordedLoss& loss : world.losses) loss.choice_means.pop_back();
        QVERIFY(dynamicStops(world.context).empty());
        const auto result = resolveTarget(ofKind(Target::Kind::Budget, 0.7), world.context).orThrow();
        QCOMPARE(result.plan.budget, 0.7); // all that is known
    }
};

QTEST_APPLESS_MAIN(TestDynamicCost)
#include "test_dynamic_cost.moc"
