// From logits to a token: distribution, filters against their definitions, noise that is the same for every pane.
#include <QTest>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "engine/generate/sampler.h"

using namespace flextron;

namespace {

std::vector<float> randomLogits(std::mt19937_64& random, int count, bool with_ties = false)
{
    std::normal_distribution<float> normal(0.0f, 2.5f);
    std::vector<float> logits(static_cast<std::size_t>(count));
    for (float& logit : logits) logit = with_ties ? std::round(normal(random)) : normal(random);
    return logits;
}

/// The filters and the draw, written down as slowly as they are defined.
struct Slow {
    std::vector<double> logits;
    std::vector<bool> kept;

    Slow(const std::vector<float>& plain, const std::vector<TokenId>& text, const SamplerSettings& settings)
        : kept(plain.size(), true)
    {
        const std::set<TokenId> seen(text.begin(), text.end());
        for (std::size_t i = 0; i < plain.size(); ++i) {
            float logit = plain[i];
            if (settings.repeat_penalty != 1.0 && seen.contains(static_cast<TokenId>(i)))
                logit = static_cast<float>(logit > 0 ? logit / settings.repeat_penalty
                                                     : logit * settings.repeat_penalty);
            if (settings.temperature != 0.0 && settings.temperature != 1.0)
                logit *= static_cast<float>(1.0 / settings.temperature);
            logits.push_back(static_cast<double>(logit));
        }
    }

    [[nodiscard]] std::vector<std::size_t> order() const
    {
        std::vector<std::size_t> ids(logits.size());
        std::iota(ids.begin(), ids.end(), 0);
        std::stable_sort(ids.begin(), ids.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
        std::erase_if(ids, [&](std::size_t id) { return !kept[id]; });
        return ids;
    }
    [[nodiscard]] double weight(std::size_t id) const
    {
        return kept[id] ? std::exp(logits[id] - logits[order().front()]) : 0.0;
    }

    void topK(int k)
    {
        const auto ids = order();
        for (std::size_t i = static_cast<std::size_t>(k); k > 0 && i < ids.size(); ++i) kept[ids[i]] = false;
    }
    void topP(double p)
    {
        const auto ids = order();
        double total = 0.0;
        std::vector<double> weights;
        for (const std::size_t id : ids) weights.push_back(weight(id)), total += weights.back();
        double before = 0.0;
        for (std::size_t i = 0; p < 1.0 && i < ids.size(); ++i) {
            if (before >= p * total) kept[ids[i]] = false;
            before += weights[i];
        }
    }
    void minP(double p)
    {
        const auto ids = order();
        for (const std::size_t id : ids)
            if (p > 0.0 && logits[id] < logits[ids.front()] + std::log(p)) kept[id] = false;
    }
    [[nodiscard]] TokenId draw(std::uint64_t seed, int position) const
    {
        TokenId best = -1;
        double largest = 0.0;
        for (std::size_t id = 0; id < logits.size(); ++id) {
            if (!kept[id]) continue;
            const double value = logits[id] + gumbelNoise(seed, position, static_cast<TokenId>(id));
            if (best < 0 || value > largest) best = static_cast<TokenId>(id), largest = value;
        }
        return best;
    }
};

} // namespace

class TestSampler final : public QObject {
    Q_OBJECT

private slots:
    void greedyIsTheLargestAndTheSmallerIdOfEquals()
    {
        QCOMPARE(sample(std::vector<float>{1, 3, 3, 2}, {}, 0, {}).id, 1);
        QCOMPARE(sample(std::vector<float>{-5}, {}, 0, {}).id, 0);
        std::mt19937_64 random(1);
        for (int i = 0; i < 50; ++i) {
            const auto logits = randomLogits(random, 70, true);
            const auto largest = std::max_element(logits.begin(), logits.end()) - logits.begin();
            QCOMPARE(sample(logits, {}, i, {}).id, static_cast<TokenId>(largest));
        }
    }

    void logprobAndRankAreOfThePlainSoftmax()
    {
        const std::vector<float> logits{std::log(0.5f), std::log(0.125f), std::log(0.25f), std::log(0.125f)};
        SamplerSettings settings;
        settings.temperature = 3.0;
        settings.repeat_penalty = 2.0;
        const std::vector<TokenId> text{0};
        for (int position = 0; position < 20; ++position) {
            const Sampled drawn = sample(logits, text, position, settings);
            const Sampled judged = judge(logits, drawn.id);
            QCOMPARE(drawn.logprob, judged.logprob);
            QCOMPARE(drawn.rank, judged.rank);
        }
        QVERIFY(std::abs(judge(logits, 2).logprob - std::log(0.25f)) < 1e-6f);
        QCOMPARE(judge(logits, 0).rank, 0);
        QCOMPARE(judge(logits, 2).rank, 1);
        QCOMPARE(judge(logits, 1).rank, 2); // of equals the smaller id comes first
        QCOMPARE(judge(logits, 3).rank, 3);
    }

    void largeLogitsDoNotOverflow()
    {
        const Sampled judged = judge(std::vector<float>{1000, 999}, 0);
        QVERIFY(std::abs(judged.logprob + std::log1p(std::exp(-1.0f))) < 1e-5f);
    }

    void filtersFollowTheirDefinitions_data()
    {
        QTest::addColumn<double>("temperature");
        QTest::addColumn<int>("top_k");
        QTest::addColumn<double>("top_p");
        QTest::addColumn<double>("min_p");
        QTest::addColumn<double>("penalty");
        QTest::newRow("plain") << 1.0 << 0 << 1.0 << 0.0 << 1.0;
        QTest::newRow("temperature") << 0.7 << 0 << 1.0 << 0.0 << 1.0;
        QTest::newRow("hot") << 5.0 << 0 << 1.0 << 0.0 << 1.0;
        QTest::newRow("cold") << 0.01 << 0 << 1.0 << 0.0 << 1.0;
        QTest::newRow("top-k") << 1.3 << 5 << 1.0 << 0.0 << 1.0;
        QTest::newRow("top-1") << 1.3 << 1 << 1.0 << 0.0 << 1.0;
        QTest::newRow("top-k of all") << 1.3 << 1000 << 1.0 << 0.0 << 1.0;
        QTest::newRow("top-p") << 1.0 << 0 << 0.6 << 0.0 << 1.0;
        QTest::newRow("top-p, nearly all") << 2.0 << 0 << 0.999 << 0.0 << 1.0;
        QTest::newRow("top-p, nearly none") << 1.0 << 0 << 0.001 << 0.0 << 1.0;
        QTest::newRow("min-p") << 1.5 << 0 << 1.0 << 0.1 << 1.0;
        QTest::newRow("min-p of 1") << 1.5 << 0 << 1.0 << 1.0 << 1.0;
        QTest::newRow("penalty") << 0.9 << 0 << 1.0 << 0.0 << 1.4;
        QTest::newRow("penalty below 1") << 0.9 << 0 << 1.0 << 0.0 << 0.7;
        QTest::newRow("all together") << 0.8 << 20 << 0.9 << 0.05 << 1.2;
    }
    void filtersFollowTheirDefinitions()
    {
        QFETCH(double, temperature);
        QFETCH(int, top_k);
        QFETCH(double, top_p);
        QFETCH(double, min_p);
        QFETCH(double, penalty);
        std::mt19937_64 random(7);
        for (int trial = 0; trial < 60; ++trial) {
            const auto logits = randomLogits(random, trial % 3 == 0 ? 9 : 300, trial % 4 == 0);
            std::vector<TokenId> text;
            for (int i = 0; i < 12; ++i) text.push_back(static_cast<TokenId>(random() % logits.size()));
            SamplerSettings settings{temperature, top_k, top_p, min_p, penalty, random()};
            Slow slow(logits, text, settings);
            slow.topK(top_k);
            slow.topP(top_p);
            slow.minP(min_p);
            for (int position = 0; position < 30; ++position)
                QCOMPARE(sample(logits, text, position, settings).id, slow.draw(settings.seed, position));
        }
    }

    void greedyWithPenaltyAvoidsRepetition()
    {
        SamplerSettings settings;
        settings.repeat_penalty = 2.0;
        const std::vector<TokenId> text{1, 1, 1};
        // 4 becomes 2, once however often it occurred; -1 would become -2.
        QCOMPARE(sample(std::vector<float>{1.9f, 4, -1}, text, 3, settings).id, 1);
        QCOMPARE(sample(std::vector<float>{2.1f, 4, -1}, text, 3, settings).id, 0);
        const std::vector<TokenId> last{0};
        QCOMPARE(sample(std::vector<float>{-1, -1.5f}, last, 3, settings).id, 1);
    }

    // Pearson's chi-square over positions: fixed seeds, so the result is the same on every run. 29 degrees of
    // freedom: 99.9 % lie below 58.3.
    void drawsFollowTheDistribution_data()
    {
        QTest::addColumn<double>("temperature");
        QTest::addColumn<int>("top_k");
        QTest::newRow("as it is") << 1.0 << 0;
        QTest::newRow("sharpened") << 0.6 << 0;
        QTest::newRow("flattened, ten tokens") << 2.0 << 10;
    }
    void drawsFollowTheDistribution()
    {
        QFETCH(double, temperature);
        QFETCH(int, top_k);
        std::mt19937_64 random(11);
        std::normal_distribution<float> normal(0.0f, 1.0f);
        std::vector<float> logits(30);
        for (float& logit : logits) logit = normal(random);
        SamplerSettings settings;
        settings.temperature = temperature;
        settings.top_k = top_k;
        settings.seed = 5;
        Slow slow(logits, {}, settings);
        slow.topK(top_k);
        double total = 0.0;
        for (std::size_t id = 0; id < logits.size(); ++id) total += slow.weight(id);
        const int draws = 40'000;
        std::vector<int> counts(logits.size(), 0);
        for (int position = 0; position < draws; ++position)
            ++counts[static_cast<std::size_t>(sample(logits, {}, position, settings).id)];
        double chi_square = 0.0;
        for (std::size_t id = 0; id < logits.size(); ++id) {
            const double expected = draws * slow.weight(id) / total;
            if (expected == 0.0) QCOMPARE(counts[id], 0);
            else chi_square += (counts[id] - expected) * (counts[id] - expected) / expected;
        }
        QVERIFY2(chi_square < 58.3, std::to_string(chi_square).c_str());
    }

    void noiseIsGumbelAndDependsOnAllThree()
    {
        double mean = 0.0;
        const int count = 50'000;
        for (int i = 0; i < count; ++i) mean += gumbelNoise(1, i / 100, i % 100) / count;
        QVERIFY(std::abs(mean - 0.5772) < 0.03); // Euler's constant
        const double noise = gumbelNoise(1, 2, 3);
        QCOMPARE(gumbelNoise(1, 2, 3), noise);
        QVERIFY(gumbelNoise(2, 2, 3) != noise);
        QVERIFY(gumbelNoise(1, 3, 3) != noise);
        QVERIFY(gumbelNoise(1, 2, 4) != noise);
        QVERIFY(gumbelNoise(1, 3, 2) != noise);
        for (int i = 0; i < 100'000; ++i)
            QVERIFY(std::isfinite(gumbelNoise(static_cast<std::uint64_t>(i) << 40, i, 0)));
    }

    // Two panes whose distributions are close draw the same token nearly always, unlike with noise of their own.
    void closePanesDrawTheSame()
    {
        std::mt19937_64 random(3);
        SamplerSettings settings;
        settings.temperature = 0.8;
        int same = 0;
        for (int position = 0; position < 200; ++position) {
            auto logits = randomLogits(random, 500);
            const TokenId a = sample(logits, {}, position, settings).id;
            for (float& logit : logits) logit += 0.01f * static_cast<float>(random() % 100) / 100.0f;
            same += static_cast<int>(sample(logits, {}, position, settings).id == a);
        }
        QVERIFY(same >= 195);
    }

    void topTokensAreSortedAndAgreeWithJudge()
    {
        std::mt19937_64 random(9);
        for (int trial = 0; trial < 30; ++trial) {
            const auto logits = randomLogits(random, 50, trial % 2 == 0);
            for (const int k : {0, 1, 7, 50, 80}) {
                const auto top = topTokens(logits, k);
                QCOMPARE(top.size(), static_cast<std::size_t>(std::min(k, 50)));
                for (std::size_t i = 0; i < top.size(); ++i) {
                    const Sampled judged = judge(logits, top[i].id);
                    QCOMPARE(judged.rank, static_cast<int>(i));
                    QCOMPARE(top[i].logprob, judged.logprob);
                }
            }
        }
    }

    void settingsOutOfRange_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<double>("value");
        for (const double value : {-1.0, 0.0001, 101.0, std::nan("")})
            QTest::addRow("temperature %f", value) << "temperature" << value;
        QTest::newRow("top-k") << "top-k" << -1.0;
        for (const double value : {0.0, 1.1, std::nan("")}) QTest::addRow("top-p %f", value) << "top-p" << value;
        for (const double value : {-0.1, 1.1}) QTest::addRow("min-p %f", value) << "min-p" << value;
        for (const double value : {0.0, -1.0}) QTest::addRow("repeat penalty %f", value) << "repeat penalty" << value;
    }
    void settingsOutOfRange()
    {
        QFETCH(QString, name);
        QFETCH(double, value);
        SamplerSettings settings;
        if (name == "temperature") settings.temperature = value;
        if (name == "top-k") settings.top_k = static_cast<int>(value);
        if (name == "top-p") settings.top_p = value;
        if (name == "min-p") settings.min_p = value;
        if (name == "repeat penalty") settings.repeat_penalty = value;
        const auto result = validateSampler(settings);
        QVERIFY(!result);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(result.error().message.starts_with(name.toStdString() + " must be"), result.error().message.c_str());
        QVERIFY(!result.error().hint.empty());
        QVERIFY(validateSampler({}).ok());
    }

    void logitsThatAreNotFinite()
    {
        for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()})
            for (const std::vector<float>& logits : {std::vector<float>{bad, 1, 2}, std::vector<float>{1, bad, 2}}) {
                const auto result = guarded([&] { return sample(logits, {}, 0, {}); });
                QVERIFY(!result);
                QCOMPARE(result.error().message, std::string("the model's logits are not finite numbers"));
                QVERIFY(result.error().hint.find("float32") != std::string::npos);
            }
    }
};

QTEST_APPLESS_MAIN(TestSampler)
#include "test_sampler.moc"
