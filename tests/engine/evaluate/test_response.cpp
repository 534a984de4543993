// The response curve: at the text's own target it is the record; at another, what the router would have chosen had only
// its target code changed.
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/evaluate/response.h"
#include "engine/evaluate/scoring.h"
#include "engine/generate/generation.h"
#include "tests/engine/support/expect.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace {

const std::vector<double> kStops{1.0, 0.75, 0.5};

/// Random ones, with the target turned up: of all inputs it is only one in twenty.
std::shared_ptr<const Routers> routersFor(const LoadedModel& model)
{
    Routers routers = randomRouters(model.config(), model.checkpoint->choices(), kStops, 8, 11);
    for (auto* networks : {&routers.heads, &routers.mlp})
        for (RouterNetwork& network : *networks)
            for (std::size_t i = 0; i < network.hidden.weight.size(); ++i)
                if (i % static_cast<std::size_t>(network.hidden.in) >=
                    static_cast<std::size_t>(model.config().hidden_size))
                    network.hidden.weight[i] *= 20.0f;
    return std::make_shared<Routers>(std::move(routers));
}

WidthPlan planOf(const LoadedModel& model, bool dynamic)
{
    const SubNetwork full = fullSubNetwork(model.config());
    return {full, dynamic ? model.routers : nullptr, 0.6, nullptr};
}

/// The largest difference between what the record says and the response at the plan's own budget.
double differenceFromRecord(const LoadedModel& model, const Trace& trace, int token, double budget)
{
    const auto response = valueOf(routerResponse(model, trace, token, std::vector{budget}));
    const TokenRecord& record = trace.records[static_cast<std::size_t>(token)];
    double worst = 0.0;
    const auto compare = [&](const std::vector<float>& a, const std::vector<float>& b) {
        if (a.size() != b.size()) worst = 1e9;
        for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
            worst = std::max(worst, std::abs(static_cast<double>(a[i] - b[i])));
    };
    compare(response.head_probabilities, record.head_probabilities);
    compare(response.mlp_probabilities, record.mlp_probabilities);
    return worst;
}

} // namespace

class TestResponse final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    FakeModel fake_;

    [[nodiscard]] std::vector<TokenId> randomText(int tokens) const
    {
        std::mt19937 random(5);
        std::vector<TokenId> ids{1};
        while (static_cast<int>(ids.size()) < tokens) ids.push_back(static_cast<TokenId>(3 + random() % 37));
        return ids;
    }

private slots:
    void initTestCase()
    {
        fake_ = fakeModel(std::filesystem::path(folder_.path().toStdString()) / "model");
        fake_.model->routers = routersFor(*fake_.model);
    }

    void budgetsOfACurve()
    {
        Routers routers;
        routers.budget_list = {1.0, 0.5};
        QCOMPARE(responseBudgets(routers, 1), (std::vector{1.0, 0.75, 0.5}));
        QCOMPARE(responseBudgets(routers, 0), (std::vector{1.0, 0.5}));
        routers.budget_list = {0.5};
        QCOMPARE(responseBudgets(routers, 4), std::vector{0.5});
    }

    // A text longer than the context is read in windows: tokens on both sides of their borders.
    void atItsOwnTargetItIsTheRecord_data()
    {
        QTest::addColumn<int>("token");
        QTest::addColumn<bool>("forced");
        for (const int token : {0, 1, 50, 94, 95, 96, 97, 150, 189, 190, 191, 199})
            for (const bool forced : {false, true})
                QTest::addRow("token %d%s", token, forced ? ", widths forced by hand" : "") << token << forced;
    }
    void atItsOwnTargetItIsTheRecord()
    {
        QFETCH(int, token);
        QFETCH(bool, forced);
        WidthPlan plan = planOf(*fake_.model, true);
        if (forced) {
            auto overrides = std::make_shared<Overrides>();
            overrides->add({Override::kAll, 1, SubBlock::Mlp, 7});
            overrides->add({95, 0, SubBlock::Attention, 0});
            overrides->add({150, Override::kAll, SubBlock::Mlp, 0});
            plan.overrides = overrides;
        }
        const Score score = valueOf(scoreText(*fake_.model, randomText(200), plan));
        QCOMPARE(differenceFromRecord(*fake_.model, score.trace, token, 0.6), 0.0);
    }

    void generatedTextsHaveItToo()
    {
        GenerationSettings settings;
        settings.max_tokens = 12;
        settings.stop_at_eos = false;
        auto run = valueOf(
            Generation::start(fake_.model, randomText(5), {{"pane", planOf(*fake_.model, true)}}, settings));
        while (!run->finished()) (void)valueOf(run->step());
        for (const int token : {0, 4, 5, 15})
            QCOMPARE(differenceFromRecord(*fake_.model, run->trace(0), token, 0.6), 0.0);
    }

    // Every cell but one is forced to its record; that one is left to its router, at another target. A real model, so
    // that the hidden state matters.
    void atAnotherTargetOnlyTheCodeChanges_data()
    {
        QTest::addColumn<bool>("decode");
        QTest::addColumn<bool>("dynamic");
        QTest::newRow("reference") << false << true;
        QTest::newRow("decode backend") << true << true;
        QTest::newRow("a text of uniform widths") << true << false;
    }
    void atAnotherTargetOnlyTheCodeChanges()
    {
        QFETCH(bool, decode);
        QFETCH(bool, dynamic);
        LoadOptions options;
        options.backend = decode ? BackendKind::Decode : BackendKind::Reference;
        LoadedModel model = valueOf(loadModel((testData() / "stories260k-llama").string(), options));
        model.routers = routersFor(model);
        const std::vector<TokenId> ids = model.tokenizer->encode("Once upon a time, there was a little girl").orThrow();
        const Score score = valueOf(scoreText(model, ids, planOf(model, dynamic)));
        const int token = static_cast<int>(ids.size()) - 2;
        const auto response = valueOf(routerResponse(model, score.trace, token, kStops));
        int different = 0;
        for (std::size_t b = 0; b < kStops.size(); ++b)
            for (int layer = 0; layer < model.config().numLayers(); ++layer)
                for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
                    auto forced = std::make_shared<Overrides>();
                    for (const TokenRecord& record : score.trace.records)
                        for (int l = 0; l < model.config().numLayers(); ++l)
                            for (const SubBlock other : {SubBlock::Attention, SubBlock::Mlp}) {
                                if (record.position == token && l == layer && other == block) continue;
                                const auto& widths = other == SubBlock::Mlp ? record.mlp : record.heads;
                                forced->add({record.position, l, other, widths[static_cast<std::size_t>(l)]});
                            }
                    const WidthPlan plan{fullSubNetwork(model.config()), model.routers, kStops[b], forced};
                    const Score free = valueOf(scoreText(model, ids, plan));
                    const TokenRecord& record = free.trace.records[static_cast<std::size_t>(token)];
                    const auto l = static_cast<std::size_t>(layer);
                    const int chosen = block == SubBlock::Mlp ? record.mlp[l] : record.heads[l];
                    QCOMPARE(response.width(b, layer, block), chosen);
                    different += response.width(b, layer, block) != response.width(0, layer, block);
                    const auto p = response.probabilities(b, layer, block);
                    QVERIFY(std::abs(std::accumulate(p.begin(), p.end(), 0.0f) - 1.0f) < 1e-5f);
                }
        QVERIFY2(different > 0, "no router hears the target: the comparison above shows nothing");
    }

    void refusals_data()
    {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        QTest::newRow("routers") << "routers"
                                 << "no dynamic routers"
                                 << "a file of routers";
        QTest::newRow("model") << "model"
                               << "was read by the model"
                               << "open the model";
        QTest::newRow("token") << "token"
                               << "token 20 of a text of 20 tokens"
                               << "from 0";
        QTest::newRow("unread") << "unread"
                                << "token 19 was not read yet"
                                << "the next step";
        QTest::newRow("budget") << "budget"
                                << "a budget of 1.5"
                                << "at most 1";
    }
    void refusals()
    {
        QFETCH(QString, what);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        LoadedModel model = *fake_.model;
        Score score = valueOf(scoreText(model, randomText(20), planOf(model, true)));
        if (what == "routers") model.routers = nullptr;
        if (what == "model") score.trace.model_hash = "another";
        if (what == "unread") score.trace.records.back().read = false;
        const auto result = routerResponse(model, score.trace, what == "token" ? 20 : 19,
                                           std::vector{what == "budget" ? 1.5 : 0.5});
        VERIFY_FAILURE(result, ErrorCode::InvalidArgument, message.toStdString(), hint.toStdString());
    }

    void cancelled()
    {
        const Score score = valueOf(scoreText(*fake_.model, randomText(20), planOf(*fake_.model, true)));
        CancelSource source;
        source.cancel();
        QCOMPARE(routerResponse(*fake_.model, score.trace, 5, kStops, source.token()).error().code,
                 ErrorCode::Cancelled);
    }
};

QTEST_APPLESS_MAIN(TestResponse)
#include "test_response.moc"
