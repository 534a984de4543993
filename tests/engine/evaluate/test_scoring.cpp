// Reading a given text: every token but the first predicted once, records like those of writing, and two plans
// compared.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <random>

#include "engine/evaluate/scoring.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace {

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

WidthPlan plan(int mlp, int heads)
{
    return {uniformSubNetwork(fakeConfig(), mlp, heads), nullptr, 1.0, nullptr};
}

std::vector<TokenId> randomText(int count)
{
    std::mt19937_64 random(8);
    std::vector<TokenId> ids{1};
    while (static_cast<int>(ids.size()) < count) ids.push_back(3 + static_cast<TokenId>(random() % 26));
    return ids;
}

} // namespace

class TestScoring final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    FakeModel fake_;

    /// Logits for the token after `ids`, from a fresh cache.
    [[nodiscard]] std::vector<float> logitsAfter(std::span<const TokenId> ids, const WidthPlan& with) const
    {
        const auto cache = fake_.backend->newCache(96, {8, 8, 8}).orThrow();
        const StepInput input{cache.get(), ids, &with, LogitsWanted::Last};
        StepOutput output;
        fake_.backend->step({&input, 1}, {&output, 1}, {}).orThrow();
        return output.logits;
    }

private slots:
    void initTestCase() { fake_ = fakeModel(std::filesystem::path(folder_.path().toStdString()) / "model"); }

    void lossesAreThoseOfEachPrefix_data()
    {
        QTest::addColumn<int>("tokens");
        QTest::addColumn<int>("window");
        QTest::newRow("one window") << 50 << 0;
        QTest::newRow("exactly one window") << 96 << 0;
        QTest::newRow("one token more") << 97 << 0;
        QTest::newRow("many windows") << 60 << 7;
        QTest::newRow("windows of two") << 9 << 2;
        QTest::newRow("a last window of two") << 14 << 7;
        QTest::newRow("two tokens") << 2 << 0;
    }
    void lossesAreThoseOfEachPrefix()
    {
        QFETCH(int, tokens);
        QFETCH(int, window);
        const auto ids = randomText(tokens);
        ScoreOptions options;
        options.window = window;
        options.top_tokens = 3;
        const auto score = scoreText(*fake_.model, ids, plan(32, 4), options);
        QVERIFY2(score.ok(), score ? "" : score.error().message.c_str());
        QCOMPARE(score->nll.size(), ids.size() - 1);
        QCOMPARE(score->tokens, static_cast<std::int64_t>(ids.size() - 1));
        const int seen_at_once = window == 0 ? 96 : window;
        double sum = 0.0;
        for (int i = 1; i < tokens; ++i) {
            // Windows begin at every (window - 1)-th token; token i is predicted from all before it in the last window
            // that begins before it.
            const int start = (i - 1) / (seen_at_once - 1) * (seen_at_once - 1);
            const auto logits = logitsAfter(
                std::span(ids).subspan(static_cast<std::size_t>(start), static_cast<std::size_t>(i - start)),
                plan(32, 4));
            const Sampled judged = judge(logits, ids[static_cast<std::size_t>(i)]);
            const TokenRecord& record = score->trace.records[static_cast<std::size_t>(i)];
            QCOMPARE(record.logprob, judged.logprob);
            QCOMPARE(record.rank, judged.rank);
            QCOMPARE(record.top.size(), std::size_t(3));
            QCOMPARE(score->nll[static_cast<std::size_t>(i - 1)], -judged.logprob);
            sum -= static_cast<double>(judged.logprob);
        }
        QVERIFY(std::abs(score->nll_sum - sum) < 1e-4);
        for (const TokenRecord& record : score->trace.records) {
            QVERIFY(record.read && record.given);
            QCOMPARE(record.mlp, (std::vector<std::int32_t>{32, 32, 32}));
        }
        QCOMPARE(score->trace.records[0].rank, -1);
    }

    void meansAndBits()
    {
        Score score;
        score.nll_sum = 12.0;
        score.tokens = 6;
        score.text_bytes = 10;
        QCOMPARE(score.mean(), 2.0);
        QCOMPARE(score.perplexity(), std::exp(2.0));
        QCOMPARE(score.bitsPerByte(), 1.2 / std::log(2.0));
        score.text_bytes = 0;
        QVERIFY(std::isnan(score.bitsPerByte()));
    }

    void bytesAreThoseOfThePredictedText()
    {
        const auto ids = fake_.model->tokenizer->encode("the xy end.").orThrow();
        QCOMPARE(scoreText(*fake_.model, ids, plan(64, 8))->text_bytes, 11); // BOS is given and adds nothing
    }

    void withoutRecordsTheSumsAreTheSame()
    {
        const auto ids = randomText(40);
        ScoreOptions options;
        options.window = 9;
        const auto with = scoreText(*fake_.model, ids, plan(32, 4), options);
        options.keep_records = false;
        const auto without = scoreText(*fake_.model, ids, plan(32, 4), options);
        QVERIFY(without->trace.records.empty());
        QCOMPARE(without->nll, with->nll);
        QCOMPARE(without->nll_sum, with->nll_sum);
    }

    void overridesKeepToPositionsInTheText()
    {
        const auto ids = randomText(30);
        auto overrides = std::make_shared<Overrides>();
        overrides->add({3, 0, SubBlock::Mlp, 5});
        overrides->add({12, 1, SubBlock::Mlp, 0});
        overrides->add({Override::kAll, 2, SubBlock::Attention, 2});
        WidthPlan with = plan(32, 4);
        with.overrides = overrides;
        ScoreOptions options;
        options.window = 8;
        const auto score = scoreText(*fake_.model, ids, with, options);
        for (const TokenRecord& record : score->trace.records) {
            QCOMPARE(record.mlp,
                     (std::vector<std::int32_t>{record.position == 3 ? 5 : 32, record.position == 12 ? 0 : 32, 32}));
            QCOMPARE(record.heads, (std::vector<std::int32_t>{4, 4, 2}));
        }
    }

    void dynamicRoutingIsRecorded()
    {
        const ModelConfig config = fakeConfig();
        const auto routers = std::make_shared<Routers>(
            randomRouters(config, defaultChoiceSets(config), {1.0, 0.5}, 8, 2));
        const WidthPlan dynamic{fullSubNetwork(config), routers, 0.5, nullptr};
        const auto score = scoreText(*fake_.model, randomText(20), dynamic);
        QCOMPARE(score->trace.routing, std::string("dynamic"));
        for (const TokenRecord& record : score->trace.records) QVERIFY(!record.mlp_probabilities.empty());
    }

    void progressAndCancel()
    {
        const auto ids = randomText(50);
        ScoreOptions options;
        options.window = 10;
        std::vector<std::uint64_t> seen;
        QVERIFY(scoreText(*fake_.model, ids, plan(64, 8), options, [&](const Progress& p) {
                    seen.push_back(p.done);
                }).ok());
        QVERIFY(std::is_sorted(seen.begin(), seen.end()));
        QCOMPARE(seen.back(), std::uint64_t(50));
        CancelSource source;
        const auto result = scoreText(
            *fake_.model, ids, plan(64, 8), options, [&](const Progress&) { source.cancel(); }, source.token());
        QCOMPARE(result.error().code, ErrorCode::Cancelled);
    }

    void refusals_data()
    {
        QTest::addColumn<int>("tokens");
        QTest::addColumn<int>("window");
        QTest::addColumn<int>("bad_id");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        QTest::newRow("one token") << 1 << 0 << -1 << "a text of 1 tokens has nothing to predict"
                                   << "at least two";
        QTest::newRow("window of one") << 10 << 1 << -1 << "a window of 1 tokens; the model's context holds 96"
                                       << "from 2 to 96";
        QTest::newRow("long window") << 10 << 97 << -1 << "a window of 97 tokens"
                                     << "from 2 to 96";
        QTest::newRow("id outside") << 10 << 0 << 40 << "token 4 of the text has the id 40; the vocabulary has 40"
                                    << "tokenizer";
    }
    void refusals()
    {
        QFETCH(int, tokens);
        QFETCH(int, window);
        QFETCH(int, bad_id);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        auto ids = randomText(tokens);
        if (bad_id >= 0) ids[4] = bad_id;
        ScoreOptions options;
        options.window = window;
        const auto result = scoreText(*fake_.model, ids, plan(64, 8), options);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(has(result.error().message, message.toStdString()), result.error().message.c_str());
        QVERIFY2(has(result.error().hint, hint.toStdString()), result.error().hint.c_str());
    }

    void aPlanAgreesWithItself()
    {
        const auto result = compareOnText(*fake_.model, randomText(60), 5, plan(32, 4), plan(32, 4));
        QCOMPARE(result->tokens, std::int64_t(55));
        QCOMPARE(result->agreement, 1.0);
        QCOMPARE(result->kl_to_full, 0.0);
        QCOMPARE(result->agreement_stderr, 0.0);
    }

    // The two measures, written down once more: over the predictions of tokens from .. n-1.
    void comparisonFollowsItsDefinition_data()
    {
        QTest::addColumn<int>("from");
        for (const int from : {1, 10, 29}) QTest::addRow("from %d", from) << from;
    }
    void comparisonFollowsItsDefinition()
    {
        QFETCH(int, from);
        const auto ids = randomText(30);
        const auto result = compareOnText(*fake_.model, ids, from, plan(64, 8), plan(16, 2));
        std::vector<double> same;
        std::vector<double> kl;
        for (int i = from; i < 30; ++i) {
            const auto prefix = std::span(ids).first(static_cast<std::size_t>(i));
            const auto full = topTokens(logitsAfter(prefix, plan(64, 8)), 40);
            const auto logits = logitsAfter(prefix, plan(16, 2));
            same.push_back(full[0].id == topTokens(logits, 1)[0].id ? 1.0 : 0.0);
            double sum = 0.0;
            for (const TokenProbability& token : full)
                sum += std::exp(static_cast<double>(token.logprob)) *
                       static_cast<double>(token.logprob - judge(logits, token.id).logprob);
            kl.push_back(sum);
        }
        const auto mean = [](const std::vector<double>& values) {
            double sum = 0.0;
            for (const double value : values) sum += value;
            return sum / static_cast<double>(values.size());
        };
        const auto error = [&](const std::vector<double>& values) {
            double squares = 0.0;
            for (const double value : values) squares += (value - mean(values)) * (value - mean(values));
            const auto n = static_cast<double>(values.size());
            return n < 2 ? 0.0 : std::sqrt(squares / (n - 1) / n);
        };
        QCOMPARE(result->tokens, std::int64_t(30 - from));
        QVERIFY(std::abs(result->agreement - mean(same)) < 1e-9);
        QVERIFY(std::abs(result->agreement_stderr - error(same)) < 1e-9);
        QVERIFY(std::abs(result->kl_to_full - mean(kl)) < 1e-5);
        QVERIFY(std::abs(result->kl_stderr - error(kl)) < 1e-5);
        QVERIFY(result->kl_to_full > 0.1);
    }

    void comparisonFromNowhere()
    {
        for (const int from : {0, 10, 11})
            QVERIFY(has(compareOnText(*fake_.model, randomText(10), from, plan(64, 8), plan(32, 4)).error().hint,
                        "from 1 to 9"));
    }
};

QTEST_APPLESS_MAIN(TestScoring)
#include "test_scoring.moc"
