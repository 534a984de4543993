// The search and the Pareto points, on a model whose surrogate is known: against all sub-networks tried one by one.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "engine/evaluate/corrections_p.h"
#include "engine/evaluate/pareto.h"
#include "engine/evaluate/search.h"
#include "engine/model/cost.h"
#include "tests/engine/support/expect.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace {

/// A random smooth surrogate: narrower is worse, by amounts that differ from place to place and interact.
Surrogate randomSurrogate(const ChoiceSets& choices, int layers, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    const auto draw = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    const int inputs = layers * static_cast<int>(choices.head_int_list.size() + choices.mlp_int_list.size());
    Surrogate surrogate;
    surrogate.network.hidden = {inputs, 2, {}, {-0.5f, 0}};
    surrogate.network.output = {2, 1, {0.7f, 0.5f}, {0}};
    for (int unit = 0; unit < 2; ++unit)
        for (int l = 0; l < layers; ++l)
            for (const auto* list : {&choices.head_int_list, &choices.mlp_int_list}) {
                const double scale = draw();
                for (const int width : *list)
                    surrogate.network.hidden.weight.push_back(
                        static_cast<float>(scale * (1.0 - static_cast<double>(width) / list->back())));
            }
    return surrogate;
}

} // namespace

class TestSearch final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    FakeModel fake_;
    Documents documents_;

    LoadedModel with(std::uint64_t seed)
    {
        LoadedModel model = *fake_.model;
        Routers routers = randomRouters(model.config(), model.checkpoint->choices(), {1.0, 0.7, 0.5}, 4, seed);
        routers.surrogate = randomSurrogate(routers.choices, model.config().numLayers(), seed);
        model.routers = std::make_shared<Routers>(routers);
        return model;
    }

    /// Calls `use(subnet)` with every sub-network of the choice sets.
    template <class Use> void forAll(const ChoiceSets& choices, int layers, Use use)
    {
        SubNetwork subnet{std::vector<int>(static_cast<std::size_t>(layers)),
                          std::vector<int>(static_cast<std::size_t>(layers))};
        const std::function<void(std::size_t)> next = [&](std::size_t l) {
            if (l == subnet.mlp.size()) return use(subnet);
            for (const int mlp : choices.mlp_int_list)
                for (const int heads : choices.head_int_list) {
                    subnet.mlp[l] = mlp;
                    subnet.heads[l] = heads;
                    next(l + 1);
                }
        };
        next(0);
    }

private slots:
    void initTestCase()
    {
        fake_ = fakeModel(std::filesystem::path(folder_.path().toStdString()) / "model");
        std::mt19937 random(3);
        for (int d = 0; d < 4; ++d) {
            std::vector<TokenId> ids{1};
            for (int t = 0; t < 15 + d; ++t) ids.push_back(static_cast<TokenId>(3 + random() % 37));
            documents_.push_back(ids);
        }
    }

    void findsTheBest_data()
    {
        QTest::addColumn<int>("seed");
        QTest::addColumn<double>("share");
        for (const int seed : {1, 2, 3})
            for (const double share : {0.9, 0.7, 0.5}) QTest::addRow("seed %d at %g", seed, share) << seed << share;
    }
    void findsTheBest()
    {
        QFETCH(int, seed);
        QFETCH(double, share);
        const LoadedModel model = with(static_cast<std::uint64_t>(seed));
        const Surrogate& surrogate = *model.routers->surrogate;
        const TargetContext context = model.targetContext(256, KvRule::Own);
        double best = 1e9, cheapest = 1.0;
        const double allowed = 0.4;
        forAll(model.routers->choices, 3, [&](const SubNetwork& subnet) {
            const double rise = surrogate.predictRise(choiceMeans(subnet, model.routers->choices));
            if (rise >= best && (rise > allowed)) return;
            const double cost = shareOf(subnet, context);
            if (cost <= share) best = std::min(best, rise);
            if (rise <= allowed) cheapest = std::min(cheapest, cost);
        });
        const SearchResult found = valueOf(searchSubNetwork(model, {SearchGoal::Kind::Share, share}, documents_, {}));
        QCOMPARE(found.candidates.size(), std::size_t(16));
        double predicted = 1e9;
        for (const SearchCandidate& candidate : found.candidates) {
            QVERIFY(candidate.share <= share + 1e-9);
            QCOMPARE(candidate.share, shareOf(candidate.subnet, context));
            QCOMPARE(candidate.parameters, costOf(candidate.subnet, model.config()).parameters);
            QCOMPARE(candidate.predicted_rise,
                     surrogate.predictRise(choiceMeans(candidate.subnet, model.routers->choices)));
            predicted = std::min(predicted, candidate.predicted_rise);
        }
        QVERIFY2(std::abs(predicted - best) < 1e-6,
                 qPrintable(QString("%1, but %2 is there").arg(predicted).arg(best)));
        // For a loss, before anything was read: no dearer than the cheapest there is, by half a percent.
        SearchOptions one;
        one.candidates = 1;
        const SearchResult within = valueOf(
            searchSubNetwork(model, {SearchGoal::Kind::Quality, allowed}, documents_, one));
        QCOMPARE(within.candidates.size(), std::size_t(1));
        const SearchCandidate& first = within.candidates.front();
        QVERIFY(first.predicted_rise <= allowed);
        QVERIFY2(first.share < cheapest + 0.005,
                 qPrintable(QString("%1, but %2 is there").arg(first.share).arg(cheapest)));
    }

    // The surrogate proposes; what is read decides. (The fake model's losses have nothing to do with the surrogate's.)
    void whatWasReadDecides()
    {
        const LoadedModel model = with(4);
        const SearchResult found = valueOf(searchSubNetwork(model, {SearchGoal::Kind::Share, 0.6}, documents_, {}));
        for (std::size_t i = 0; i < found.candidates.size(); ++i) {
            const SearchCandidate& candidate = found.candidates[i];
            const TextLoss loss = valueOf(
                scoreDocuments(model, documents_, WidthPlan{candidate.subnet, nullptr, 1.0, nullptr}));
            QCOMPARE(candidate.measured.mean(), loss.mean());
            QCOMPARE(candidate.measured_rise, loss.mean() - found.full.mean());
            if (i > 0) QVERIFY(candidate.measured.mean() >= found.candidates[i - 1].measured.mean());
        }
        // Of those that keep within a loss the cheapest; else the nearest to it.
        for (const double allowed : {0.05, 0.4, 2.0}) {
            const SearchResult within = valueOf(
                searchSubNetwork(model, {SearchGoal::Kind::Quality, allowed}, documents_, {}));
            const SearchCandidate& best = within.candidates.front();
            QCOMPARE(within.met, best.measured_rise <= allowed);
            for (const SearchCandidate& other : within.candidates) {
                if (within.met && other.measured_rise <= allowed) QVERIFY(other.share >= best.share);
                if (!within.met) QVERIFY(other.measured_rise >= best.measured_rise);
            }
        }
    }

    // A surrogate's errors on what was read come back there, fade with every choice that differs, and grow no larger.
    void errorsAreCarriedOverToWhatIsAlike_data()
    {
        QTest::addColumn<int>("differ"); // of 8 places
        QTest::addColumn<double>("least");
        QTest::addColumn<double>("most");
        QTest::newRow("what was read") << 0 << 0.18 << 0.2;
        QTest::newRow("one other choice") << 1 << 0.11 << 0.13;
        QTest::newRow("half of them") << 4 << 0.02 << 0.03;
        QTest::newRow("all of them") << 8 << 0.0 << 0.004;
    }
    void errorsAreCarriedOverToWhatIsAlike()
    {
        QFETCH(int, differ);
        QFETCH(double, least);
        QFETCH(double, most);
        const Genes read(8, 1);
        Genes asked = read;
        std::fill_n(asked.begin(), differ, 2);
        Corrections corrections;
        QCOMPARE(corrections.at(asked), 0.0);
        QVERIFY(!corrections.knows(read));
        corrections.add(read, 0.2);
        QVERIFY(corrections.knows(read) && !corrections.knows(Genes(8, 3)));
        const double once = corrections.at(asked);
        QVERIFY2(once > least && once < most, qPrintable(QString::number(once)));
        // Far from it another one, which erred the other way: each keeps its own.
        corrections.add(Genes(8, 5), -0.3);
        QVERIFY(std::abs(corrections.at(asked) - once) < 0.01);
        QVERIFY(std::abs(corrections.at(Genes(8, 5)) + 0.3) < 0.03);
    }

    // However wrong the surrogate is, what needs no search is read as well; and nothing is read twice.
    void isNoWorseThanUniformAndStatic_data()
    {
        QTest::addColumn<int>("seed");
        for (int seed = 1; seed <= 6; ++seed) QTest::addRow("seed %d", seed) << seed;
    }
    void isNoWorseThanUniformAndStatic()
    {
        QFETCH(int, seed);
        const LoadedModel model = with(static_cast<std::uint64_t>(seed));
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = 0.7;
        const SearchResult found = valueOf(
            searchSubNetwork(model, {SearchGoal::Kind::Share, target.value}, documents_));
        std::set<std::string> seen;
        for (const SearchCandidate& candidate : found.candidates) seen.insert(toString(candidate.subnet));
        QCOMPARE(seen.size(), found.candidates.size());
        for (const Routing routing : {Routing::Uniform, Routing::Static}) {
            target.routing = routing;
            const ResolvedTarget known = valueOf(resolveTarget(target, model.targetContext(256, KvRule::Own)));
            if (known.share > target.value) continue; // below what the static router chooses
            QVERIFY(found.candidates.front().measured.mean() <=
                    valueOf(scoreDocuments(model, documents_, known.plan)).mean());
        }
    }

    void theSameSeedFindsTheSame()
    {
        const LoadedModel model = with(5);
        const auto once = valueOf(searchSubNetwork(model, {SearchGoal::Kind::Share, 0.6}, documents_, {}));
        const auto again = valueOf(searchSubNetwork(model, {SearchGoal::Kind::Share, 0.6}, documents_, {}));
        for (std::size_t i = 0; i < once.candidates.size(); ++i)
            QCOMPARE(toString(once.candidates[i].subnet), toString(again.candidates[i].subnet));
    }

    void refusals()
    {
        LoadedModel model = with(1);
        VERIFY_FAILURE(searchSubNetwork(model, {SearchGoal::Kind::Share, 0.01}, documents_), ErrorCode::InvalidArgument,
                       "below the floor", "the nearest goal that can be met is 0.");
        VERIFY_FAILURE(searchSubNetwork(model, {SearchGoal::Kind::LatencyMs, 0.1}, documents_),
                       ErrorCode::InvalidArgument, "need a latency table", "flextron profile");
        VERIFY_FAILURE(searchSubNetwork(model, {SearchGoal::Kind::Share, 0.6}, {}), ErrorCode::InvalidArgument,
                       "no text", "file");
        VERIFY_FAILURE(searchSubNetwork(model, {SearchGoal::Kind::Share, -1}, documents_), ErrorCode::InvalidArgument,
                       "a goal of -1", "above 0");
        model.routers = nullptr;
        VERIFY_FAILURE(searchSubNetwork(model, {SearchGoal::Kind::Share, 0.6}, documents_), ErrorCode::Unsupported,
                       "no surrogate", "trains routers");
    }

    void paretoPoints()
    {
        const LoadedModel model = with(6);
        ParetoOptions options;
        options.budgets = {1.0, 0.7, 0.5, 0.01};
        options.searched = true;
        const Pareto pareto = valueOf(measurePareto(model, documents_, options));
        std::map<std::string, int> count;
        for (const ParetoPoint& point : pareto.points) {
            ++count[point.routing];
            if (point.subnet.empty()) continue;
            const SubNetwork subnet = valueOf(parseSubNetwork(point.subnet, model.config()));
            QCOMPARE(point.loss.mean(),
                     valueOf(scoreDocuments(model, documents_, WidthPlan{subnet, nullptr, 1.0, nullptr})).mean());
            QCOMPARE(point.share, shareOf(subnet, model.targetContext(256, KvRule::Own)));
            QVERIFY(!point.ms);
        }
        QCOMPARE(count["full"], 1);
        QCOMPARE(count["dynamic"], 2);
        QCOMPARE(count["searched"], 2);
        QVERIFY(count["uniform"] >= 1 && count["static"] >= 1);
        QCOMPARE(pareto.left_out.size(), std::size_t(4)); // 0.01 is below the floor, for each routing and the search
        QVERIFY2(pareto.left_out[0].find("below the floor") != std::string::npos, pareto.left_out[0].c_str());
        // A dynamic point's cost is what its tokens cost.
        const auto dynamic = std::find_if(pareto.points.begin(), pareto.points.end(),
                                          [](const ParetoPoint& point) { return point.routing == "dynamic"; });
        double share = 0, parameters = 0, tokens = 0;
        const WidthPlan plan{fullSubNetwork(model.config()), model.routers, 0.7, nullptr};
        for (const auto& document : documents_)
            for (const TokenRecord& record : valueOf(scoreText(model, document, plan)).trace.records) {
                const SubNetwork used{{record.mlp.begin(), record.mlp.end()},
                                      {record.heads.begin(), record.heads.end()}};
                share += shareOf(used, model.targetContext(256, KvRule::All));
                parameters += static_cast<double>(costOf(used, model.config()).parameters);
                ++tokens;
            }
        QVERIFY(std::abs(dynamic->share - share / tokens) < 1e-12);
        QVERIFY(std::abs(dynamic->parameters - parameters / tokens) < 1e-6);
        // The front, by its definition.
        for (const ParetoPoint& a : pareto.points) {
            bool beaten = false;
            for (const ParetoPoint& b : pareto.points)
                beaten = beaten || (b.share <= a.share && b.loss.mean() <= a.loss.mean() &&
                                    (b.share < a.share || b.loss.mean() < a.loss.mean()));
            QCOMPARE(a.on_front, !beaten);
        }
    }

    void aDynamicPointsTimeHoldsItsRouters()
    {
        LoadedModel model = with(6);
        LatencyTable table;
        table.mlp_widths = {0, model.config().maxSizes().intermediate_size};
        table.head_counts = {0, model.config().maxSizes().num_attention_heads};
        table.contexts = {256};
        table.fixed_ms = 0.2;
        table.mlp_ms = {0, 0.5};
        table.attention_own_ms = {{0, 0.4}};
        table.attention_all_ms = {{0.1, 0.4}};
        table.router_ms = 0.05;
        model.latency = table;
        ParetoOptions options;
        options.budgets = {0.7};
        const Pareto pareto = valueOf(measurePareto(model, documents_, options));
        const auto dynamic = std::find_if(pareto.points.begin(), pareto.points.end(),
                                          [](const ParetoPoint& point) { return point.routing == "dynamic"; });
        QVERIFY(dynamic != pareto.points.end());
        double ms = 0, tokens = 0;
        const WidthPlan plan{fullSubNetwork(model.config()), model.routers, 0.7, nullptr};
        for (const auto& document : documents_)
            for (const TokenRecord& record : valueOf(scoreText(model, document, plan)).trace.records) {
                const SubNetwork used{{record.mlp.begin(), record.mlp.end()},
                                      {record.heads.begin(), record.heads.end()}};
                ms += table.predictMs(used, 256, KvRule::All) + 0.05 * model.config().numLayers();
                ++tokens;
            }
        const double full_ms = table.predictMs(fullSubNetwork(model.config()), 256, KvRule::Own);
        QVERIFY(std::abs(dynamic->ms.value() - ms / tokens) < 1e-12);
        QVERIFY(std::abs(dynamic->share - ms / tokens / full_ms) < 1e-12);
    }

    void paretoWithoutRouters()
    {
        const Pareto pareto = valueOf(measurePareto(*fake_.model, documents_));
        QCOMPARE(pareto.points.front().routing, std::string("full"));
        for (std::size_t i = 1; i < pareto.points.size(); ++i)
            QCOMPARE(pareto.points[i].routing, std::string("uniform"));
        VERIFY_FAILURE(measurePareto(*fake_.model, {}), ErrorCode::InvalidArgument, "no text", "file");
    }
};

QTEST_APPLESS_MAIN(TestSearch)
#include "test_search.moc"
