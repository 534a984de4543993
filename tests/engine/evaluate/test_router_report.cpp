// The report on routers: what it counts, its controls of equal cost, and its words.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <numeric>
#include <random>

#include "engine/evaluate/router_report.h"
#include "tests/engine/support/expect.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace {

const std::vector<double> kStops{1.0, 0.8, 0.5};

/// Routers that give every token the same: choice `index` of each set.
Routers constantRouters(const LoadedModel& model, std::size_t index)
{
    Routers routers = randomRouters(model.config(), model.checkpoint->choices(), kStops, 4, 1);
    for (auto* networks : {&routers.heads, &routers.mlp})
        for (RouterNetwork& network : *networks) {
            std::fill(network.output.weight.begin(), network.output.weight.end(), 0.0f);
            std::fill(network.output.bias.begin(), network.output.bias.end(), 0.0f);
            network.output.bias[index] = 2.0f;
        }
    return routers;
}

TextLoss lossOf(double mean, int documents)
{
    std::mt19937_64 random(9);
    TextLoss loss;
    for (int d = 0; d < documents; ++d) loss.add({100 * (mean + 0.001 * static_cast<double>(random() % 10)), 100, 0});
    return loss;
}

/// A report of one text written by hand: two stops, one layer, sets of two choices.
class HandWritten {
public:
    HandWritten()
    {
        report.choices = {{16, 32}, {2, 4}};
        report.cost_basis = "FLOPs";
        for (const double asked : {0.8, 0.5}) {
            DynamicUse use;
            use.got = asked;
            use.loss = lossOf(2.0, 50);
            use.uniform.loss = lossOf(2.3, 50);
            use.shuffled.loss = lossOf(2.2, 50);
            use.cells = {cell(SubBlock::Attention, asked), cell(SubBlock::Mlp, asked)};
            report.stops.push_back({"stories", asked, use, std::nullopt});
        }
    }

    static RouterCell cell(SubBlock block, double wide)
    {
        RouterCell result;
        result.block = block;
        result.shares = {1 - wide, wide};
        return result;
    }

    [[nodiscard]] std::string words()
    {
        for (StopUse& stop : report.stops) {
            stop.dynamic->uniform.compared = comparePaired(stop.dynamic->uniform.loss, stop.dynamic->loss);
            stop.dynamic->shuffled.compared = comparePaired(stop.dynamic->shuffled.loss, stop.dynamic->loss);
        }
        std::string text;
        for (const std::string& verdict : routerVerdicts(report)) text += verdict + "\n";
        return text;
    }

    [[nodiscard]] DynamicUse& at(std::size_t stop) { return *report.stops[stop].dynamic; }

    RouterReport report;
};

} // namespace

class TestRouterReport final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    FakeModel fake_;
    std::vector<NamedDocuments> texts_;

    LoadedModel with(Routers routers)
    {
        LoadedModel model = *fake_.model;
        model.routers = std::make_shared<Routers>(std::move(routers));
        return model;
    }

private slots:
    void initTestCase()
    {
        const auto folder = std::filesystem::path(folder_.path().toStdString()) / "model";
        fake_ = fakeModel(folder);
        FakeTimes times;
        times.head_context_ns = 0; // then a reading's time is a sum over widths, wherever in the text they stand
        fake_.backend = std::make_shared<FakeBackend>(fake_.model->checkpoint, times);
        fake_.model->backend = fake_.backend;
        std::mt19937 random(3);
        for (const char* name : {"a", "b"}) {
            NamedDocuments text{name, {}};
            for (int d = 0; d < 6; ++d) {
                std::vector<TokenId> ids{1};
                for (int t = 0; t < 20 + 9 * d; ++t) ids.push_back(static_cast<TokenId>(3 + random() % 37));
                text.documents.push_back(ids);
            }
            texts_.push_back(text);
        }
    }

    void countsWhatWasChosen()
    {
        const LoadedModel model = with(
            randomRouters(fake_.model->config(), fake_.model->checkpoint->choices(), kStops, 8, 4));
        const RouterReport report = valueOf(reportRouters(model, texts_, {}));
        QCOMPARE(report.stops.size(), std::size_t(4)); // two texts, the stops below 1
        QCOMPARE(report.stops[1].text, std::string("a"));
        QCOMPARE(report.stops[1].asked, 0.5);
        QCOMPARE(report.cost_basis, std::string("FLOPs"));
        // Once more, by hand, of the second text's last stop.
        const DynamicUse& use = *report.stops[3].dynamic;
        const WidthPlan plan{fullSubNetwork(model.config()), model.routers, 0.5, nullptr};
        std::vector<double> of_layer_1(report.choices.mlp_int_list.size(), 0.0);
        double tokens = 0, cost = 0, nll = 0, margin = 0;
        const TargetContext context = model.targetContext(256, KvRule::All);
        for (const auto& document : texts_[1].documents) {
            const Score score = valueOf(scoreText(model, document, plan));
            nll += score.nll_sum;
            for (const TokenRecord& record : score.trace.records) {
                for (std::size_t i = 0; i < of_layer_1.size(); ++i)
                    of_layer_1[i] += record.mlp[1] == report.choices.mlp_int_list[i];
                margin += static_cast<double>(record.mlp_margin[1]);
                cost += shareOf({{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}},
                                context);
                ++tokens;
            }
        }
        QCOMPARE(use.loss.nll_sum, nll);
        QVERIFY(std::abs(use.got - cost / tokens) < 1e-12);
        const RouterCell& cell = use.cells[3];
        QCOMPARE(cell.layer, 1);
        QCOMPARE(cell.block, SubBlock::Mlp);
        double entropy = 0;
        for (std::size_t i = 0; i < of_layer_1.size(); ++i) {
            QCOMPARE(cell.shares[i], of_layer_1[i] / tokens);
            if (cell.shares[i] > 0) entropy -= cell.shares[i] * std::log(cell.shares[i]);
            const bool dead = std::count(cell.dead.begin(), cell.dead.end(), report.choices.mlp_int_list[i]) > 0;
            QCOMPARE(dead, cell.shares[i] == 0);
        }
        QVERIFY(std::abs(cell.entropy_between_tokens - entropy) < 1e-12);
        QVERIFY(std::abs(cell.margin - margin / tokens) < 1e-9);
    }

    // The fake backend's time is a sum over all widths used: a control of the same widths takes the same.
    void shufflingKeepsTheWidths()
    {
        const LoadedModel model = with(
            randomRouters(fake_.model->config(), fake_.model->checkpoint->choices(), {0.5}, 8, 4));
        const auto timed = [&](auto run) {
            const double before = fake_.backend->elapsedMs();
            run();
            return fake_.backend->elapsedMs() - before;
        };
        RouterReport report;
        const std::vector<NamedDocuments> text{texts_[0]};
        const double all = timed([&] {
            auto model_without = model;
            auto routers = *model.routers;
            routers.fixed.reset();
            model_without.routers = std::make_shared<Routers>(routers);
            report = valueOf(reportRouters(model_without, text, {}));
        });
        const double routed = timed([&] {
            (void)valueOf(scoreDocuments(model, text[0].documents,
                                         WidthPlan{fullSubNetwork(model.config()), model.routers, 0.5, nullptr}));
        });
        const double uniform = timed([&] {
            (void)valueOf(scoreDocuments(model, text[0].documents,
                                         WidthPlan{report.stops[0].dynamic->uniform_subnet, nullptr, 1.0, nullptr}));
        });
        QVERIFY2(std::abs(all - 2 * routed - uniform) < 1e-6 * all,
                 qPrintable(QString("%1 = 2 * %2 + %3?").arg(all).arg(routed).arg(uniform)));
        QVERIFY(report.stops[0].dynamic->shuffled.loss.nll_sum != report.stops[0].dynamic->loss.nll_sum);
        QVERIFY(std::abs(report.stops[0].dynamic->uniform.share - report.stops[0].dynamic->got) < 0.02);
    }

    void constantRoutersCannotBeShuffled()
    {
        const RouterReport report = valueOf(reportRouters(with(constantRouters(*fake_.model, 1)), texts_, {}));
        for (const StopUse& stop : report.stops) {
            QCOMPARE(stop.dynamic->shuffled.loss.nll_sum, stop.dynamic->loss.nll_sum);
            QCOMPARE(stop.dynamic->shuffled.compared.p_value, 1.0);
            QVERIFY(!stop.dynamic->usesItsInput());
            for (const RouterCell& cell : stop.dynamic->cells) QCOMPARE(cell.entropy_between_tokens, 0.0);
        }
        const std::string& verdict = report.verdicts.front();
        QVERIFY2(verdict.find("layer 0 heads: 4 for 100 % of tokens or more at every stop: ignores target and token") ==
                     0,
                 verdict.c_str());
    }

    // The fake model's losses do not hang on widths in any way that makes sense: nothing can be gained there.
    void randomRoutersFail_data()
    {
        QTest::addColumn<int>("seed");
        for (const int seed : {1, 2, 3, 4, 5}) QTest::addRow("seed %d", seed) << seed;
    }
    void randomRoutersFail()
    {
        QFETCH(int, seed);
        NamedDocuments many{"many", {}};
        std::mt19937 random(8);
        for (int d = 0; d < 60; ++d) {
            std::vector<TokenId> ids{1};
            for (int t = 0; t < 30; ++t) ids.push_back(static_cast<TokenId>(3 + random() % 37));
            many.documents.push_back(ids);
        }
        const Routers routers = randomRouters(fake_.model->config(), fake_.model->checkpoint->choices(), kStops, 8,
                                              static_cast<std::uint64_t>(seed));
        const RouterReport report = valueOf(reportRouters(with(routers), {many}, {}));
        for (const StopUse& stop : report.stops) QVERIFY(!stop.dynamic->usesItsInput());
    }

    void staticRoutersAreReported()
    {
        Routers routers = randomRouters(fake_.model->config(), fake_.model->checkpoint->choices(), kStops, 8, 4);
        routers.heads.clear();
        routers.mlp.clear();
        const LoadedModel model = with(routers);
        const RouterReport report = valueOf(reportRouters(model, {texts_[0]}, {{0.5}, 256, 100, 1}));
        QVERIFY(!report.stops[0].dynamic);
        const StaticUse& use = *report.stops[0].fixed;
        const TargetContext context = model.targetContext(256, KvRule::Own);
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = 0.5;
        target.routing = Routing::Static;
        QCOMPARE(toString(use.subnet), toString(valueOf(resolveTarget(target, context)).plan.subnet));
        QCOMPARE(use.got, shareOf(use.subnet, context));
        QVERIFY(use.uniform.share <= use.got && use.uniform.share > use.got - 0.02);
    }

    // A table counts the cost; what is asked for stays a share of FLOPs, and is then not said to be missed.
    void aTableChangesTheCostAlone()
    {
        const Routers routers = randomRouters(fake_.model->config(), fake_.model->checkpoint->choices(), kStops, 8, 4);
        LoadedModel model = with(routers);
        const RouterReportOptions options{{0.8, 0.5}, 256, 100, 1};
        const RouterReport by_flops = valueOf(reportRouters(model, {texts_[0]}, options));
        const LayerSizes most = model.config().maxSizes();
        LatencyTable table; // nearly all of a token's time is not elastic
        table.mlp_widths = {0, most.intermediate_size};
        table.head_counts = {0, most.num_attention_heads};
        table.contexts = {256};
        table.fixed_ms = 10;
        table.mlp_ms = {0, 0.1};
        table.attention_own_ms = table.attention_all_ms = {{0, 0.1}};
        model.latency = table;
        const RouterReport by_ms = valueOf(reportRouters(model, {texts_[0]}, options));
        QCOMPARE(by_ms.cost_basis, std::string("latency table"));
        const auto misses = [](const RouterReport& report) {
            return std::count_if(report.verdicts.begin(), report.verdicts.end(), [](const std::string& verdict) {
                return verdict.find("what was asked for") != std::string::npos;
            });
        };
        QVERIFY(misses(by_flops) > 0);
        QCOMPARE(misses(by_ms), 0);
        for (std::size_t i = 0; i < by_ms.stops.size(); ++i) {
            QCOMPARE(toString(by_ms.stops[i].fixed->subnet), toString(by_flops.stops[i].fixed->subnet));
            QCOMPARE(by_ms.stops[i].dynamic->loss.nll_sum, by_flops.stops[i].dynamic->loss.nll_sum);
            QVERIFY(by_ms.stops[i].dynamic->got > 0.9 && by_ms.stops[i].fixed->got > 0.9);
            QVERIFY(by_flops.stops[i].dynamic->got < 0.9);
        }
    }

    void uniformOfEqualCost_data()
    {
        QTest::addColumn<double>("share");
        for (const double share : {1.0, 0.9, 0.777, 0.5, 0.4, 0.35}) QTest::addRow("%g", share) << share;
    }
    void uniformOfEqualCost()
    {
        QFETCH(double, share);
        const TargetContext context = fake_.model->targetContext();
        const SubNetwork uniform = uniformAtShare(share, context);
        const double got = shareOf(uniform, context);
        QVERIFY2(got <= share && got > share - 0.02, qPrintable(QString::number(got)));
        // Balanced: of all pairs of the same cost none has a larger smaller share.
        const auto smaller = [](int mlp, int heads) { return std::min(mlp / 64.0, heads / 8.0); };
        for (int heads = 2; heads <= 8; heads += 2)
            for (int mlp = 1; mlp <= 64; ++mlp) {
                const double other = shareOf(uniformSubNetwork(*context.config, mlp, heads), context);
                if (other > share || other < got) continue;
                QVERIFY2(smaller(mlp, heads) <= smaller(uniform.mlp[0], uniform.heads[0]) + 1e-9,
                         qPrintable(QString("%1 neurons, %2 heads").arg(mlp).arg(heads)));
            }
        QCOMPARE(uniform.mlp, std::vector<int>(3, uniform.mlp[0]));
        if (share == 1.0) QCOMPARE(toString(uniform), toString(fullSubNetwork(*context.config)));
    }

    void words_data()
    {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("said");
        QTest::addColumn<bool>("expected");
        QTest::newRow("all is well") << ""
                                     << "2 of 2 routers follow the target and the token" << true;
        QTest::newRow("shuffling hurts") << ""
                                         << "stories at 0.5: uses its input: choices shuffled between tokens "
                                            "change the loss by +0.2 nats (p < 0.0002, 50 documents)"
                                         << true;
        QTest::newRow("cost falls") << ""
                                    << "the mean cost falls with the target on every text" << true;
        QTest::newRow("nothing else") << ""
                                      << "no better" << false;
        QTest::newRow("one for all")
            << "one"
            << "layer 0 MLP: 32 for 99.8 % of tokens or more at every stop: ignores target and token" << true;
        QTest::newRow("one of two is well") << "one"
                                            << "1 of 2 routers follow the target and the token" << true;
        QTest::newRow("deaf to tokens") << "deaf to tokens"
                                        << "follows the target, ignores the token" << true;
        QTest::newRow("deaf to targets") << "deaf to targets"
                                         << "layer 0 MLP: the same shares at every stop" << true;
        QTest::newRow("dead") << "dead"
                              << "layer 0 MLP: no token ever gets 16" << true;
        QTest::newRow("dead at one stop only") << "dead once"
                                               << "no token ever" << false;
        QTest::newRow("shuffling does nothing") << "shuffled"
                                                << "stories at 0.8: does not use its input" << true;
        QTest::newRow("shuffling does next to nothing") << "hardly"
                                                        << "stories at 0.8: does not use its input" << true;
        QTest::newRow("a bad habit") << "habit"
                                     << "stories at 0.8: does not use its input" << true;
        QTest::newRow("a handful of documents") << "few"
                                                << "stories at 0.8: too few documents to say" << true;
        QTest::newRow("uniform is better") << "uniform"
                                           << "dynamic routing is no better than uniform widths" << true;
        QTest::newRow("too dear")
            << "dear"
            << "stories at 0.5: dynamic routing costs 60 % of the full model by FLOPs, 20 % above what was asked for"
            << true;
        QTest::newRow("near enough") << "near"
                                     << "what was asked for" << false;
        QTest::newRow("not monotone") << "rising"
                                      << "asked for less than 0.8, and costs more: 84 % against 80 %" << true;
        QTest::newRow("and then does not fall") << "rising"
                                                << "the mean cost falls" << false;
        QTest::newRow("static") << "static"
                                << "stories at 0.5: static routing costs 53 % of the full model by FLOPs, 6 % above"
                                << true;
    }
    void words()
    {
        QFETCH(QString, what);
        QFETCH(QString, said);
        QFETCH(bool, expected);
        HandWritten written;
        if (what == "one")
            for (std::size_t s : {0, 1}) written.at(s).cells[1].shares = {0.002, 0.998};
        if (what == "deaf to tokens") {
            written.at(0).cells[1].shares = {0, 1};
            written.at(1).cells[1].shares = {1, 0};
        }
        if (what == "deaf to targets")
            for (std::size_t s : {0, 1}) written.at(s).cells[1].shares = {0.4, 0.6};
        if (what.startsWith("dead"))
            for (std::size_t s : {0, 1})
                if (s == 0 || what == "dead") written.at(s).cells[1].dead = {16};
        if (what == "shuffled") written.at(0).shuffled.loss = lossOf(2.0, 50);
        if (what == "hardly") written.at(0).shuffled.loss = lossOf(2.005, 50);
        if (what == "few") {
            written.at(0).loss = lossOf(2.0, 8);
            written.at(0).shuffled.loss = lossOf(2.2, 8);
            written.at(0).uniform.loss = lossOf(2.2, 8);
        }
        if (what == "habit") written.at(0).uniform.loss = lossOf(1.9, 50);
        if (what == "uniform") written.at(1).uniform.loss = lossOf(1.9, 50);
        if (what == "dear") written.at(1).got = 0.6;
        if (what == "near") written.at(1).got = 0.54;
        if (what == "rising") written.at(1).got = 0.84;
        if (what == "static") {
            StaticUse use;
            use.got = 0.53;
            use.uniform.compared.p_value = 0.001;
            written.report.stops[1].fixed = use;
        }
        const std::string words = written.words();
        QVERIFY2((words.find(said.toStdString()) != std::string::npos) == expected, words.c_str());
    }

    void refusals()
    {
        VERIFY_FAILURE(reportRouters(*fake_.model, texts_, {}), ErrorCode::InvalidArgument, "no routers", "file");
        const LoadedModel model = with(constantRouters(*fake_.model, 0));
        VERIFY_FAILURE(reportRouters(model, {}, {}), ErrorCode::InvalidArgument, "no text", "file");
        VERIFY_FAILURE(reportRouters(model, texts_, {{1.5}, 256, 100, 1}), ErrorCode::InvalidArgument, "no share",
                       "at most 1");
        CancelSource source;
        QCOMPARE(reportRouters(
                     model, texts_, {}, [&](const Progress&) { source.cancel(); }, source.token())
                     .error()
                     .code,
                 ErrorCode::Cancelled);
    }
};

QTEST_APPLESS_MAIN(TestRouterReport)
#include "test_router_report.moc"
