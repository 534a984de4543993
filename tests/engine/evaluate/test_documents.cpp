// Losses over documents: sums, standard errors, and the paired bootstrap.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <numbers>
#include <random>

#include "engine/evaluate/documents.h"
#include "tests/engine/support/expect.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace {

/// Documents of about a hundred tokens whose mean loss is `mean`, with noise common to a document.
TextLoss randomLoss(double mean, double own_noise, int documents, std::uint64_t seed)
{
    std::mt19937_64 common(7), own(seed);
    std::normal_distribution<double> of_text, of_reading; // each keeps a number back: one for both would mix them
    TextLoss loss;
    for (int d = 0; d < documents; ++d) {
        const auto tokens = static_cast<std::int64_t>(80 + common() % 40);
        const double of_document = mean + 0.5 * of_text(common) + own_noise * of_reading(own);
        loss.add({of_document * static_cast<double>(tokens), tokens, 0});
    }
    return loss;
}

} // namespace

class TestDocuments final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    FakeModel fake_;

private slots:
    void initTestCase() { fake_ = fakeModel(std::filesystem::path(folder_.path().toStdString()) / "model"); }

    void eachDocumentIsReadByItself()
    {
        const Documents documents{{1, 5, 6, 7}, {1, 9, 4}, {1, 5, 6, 7}};
        const WidthPlan plan{fullSubNetwork(fake_.model->config()), nullptr, 1.0, nullptr};
        const TextLoss loss = valueOf(scoreDocuments(*fake_.model, documents, plan));
        QCOMPARE(loss.documents.size(), std::size_t(3));
        QCOMPARE(loss.tokens, std::int64_t(8));
        QCOMPARE(loss.documents[0].nll_sum, loss.documents[2].nll_sum);
        double sum = 0.0;
        for (const auto& document : documents) sum += valueOf(scoreText(*fake_.model, document, plan)).nll_sum;
        QCOMPARE(loss.nll_sum, sum);
        QCOMPARE(loss.mean(), sum / 8);
    }

    void eachDocumentHasItsPlanAndIsSeen()
    {
        const Documents documents{{1, 5, 6}, {1, 5, 6}};
        std::vector<int> widths;
        const auto plan_of = [&](std::size_t d) {
            return WidthPlan{uniformSubNetwork(fake_.model->config(), d == 0 ? 64 : 16, 8), nullptr, 1.0, nullptr};
        };
        const auto seen = [&](std::size_t, const Score& score) { widths.push_back(score.trace.records[1].mlp[2]); };
        const TextLoss loss = valueOf(scoreDocuments(*fake_.model, documents, plan_of, seen));
        QCOMPARE(widths, (std::vector{64, 16}));
        QVERIFY(loss.documents[0].nll_sum != loss.documents[1].nll_sum);
    }

    void progressCountsAllTokens()
    {
        std::vector<std::uint64_t> done;
        const WidthPlan plan{fullSubNetwork(fake_.model->config()), nullptr, 1.0, nullptr};
        QVERIFY(scoreDocuments(*fake_.model, {{1, 5, 6}, {1, 5}}, plan, [&](const Progress& p) {
                    QCOMPARE(p.total, std::uint64_t(5));
                    done.push_back(p.done);
                }).ok());
        QCOMPARE(done, (std::vector<std::uint64_t>{3, 5}));
    }

    void standardErrorIsThatOfARatio()
    {
        TextLoss loss;
        loss.add({20, 10, 40});
        loss.add({10, 10, 10});
        // mean 1.5; off by +5 and -5; sqrt(50 * 2 / 1) / 20
        QCOMPARE(loss.mean(), 1.5);
        QCOMPARE(loss.standardError(), 0.5);
        QCOMPARE(loss.bitsPerByte(), 30 / std::numbers::ln2 / 50);
        TextLoss one;
        one.add({20, 10, 0});
        QCOMPARE(one.standardError(), 0.0);
        QVERIFY(std::isnan(one.bitsPerByte()));
    }

    void bootstrapTellsADifference_data()
    {
        QTest::addColumn<double>("difference");
        QTest::addColumn<bool>("significant");
        QTest::newRow("clearly above") << 0.2 << true;
        QTest::newRow("the same") << 0.0 << false;
        QTest::newRow("below") << -0.2 << false;
    }
    void bootstrapTellsADifference()
    {
        QFETCH(double, difference);
        QFETCH(bool, significant);
        // Documents differ by much more than the two readings do: only a paired comparison can tell.
        const TextLoss a = randomLoss(2.0 + difference, 0.1, 60, 1);
        const TextLoss b = randomLoss(2.0, 0.1, 60, 2);
        const PairedComparison result = comparePaired(a, b);
        QCOMPARE(result.p_value < 0.01, significant);
        QVERIFY(std::abs(result.difference - difference) < 0.06);
        QVERIFY(result.low < result.difference && result.difference < result.high);
        QCOMPARE(result.documents, 60);
        QCOMPARE(comparePaired(a, b).p_value, result.p_value);
    }

    void pIsNeverZero()
    {
        const TextLoss a = randomLoss(4.0, 0.0, 20, 1);
        QCOMPARE(comparePaired(a, randomLoss(2.0, 0.0, 20, 1), 99).p_value, 0.01);
        QCOMPARE(comparePaired(a, a, 99).p_value, 1.0);
    }

    void refusals()
    {
        const WidthPlan plan{fullSubNetwork(fake_.model->config()), nullptr, 1.0, nullptr};
        VERIFY_FAILURE(scoreDocuments(*fake_.model, {}, plan), ErrorCode::InvalidArgument, "no document", "file");
        VERIFY_FAILURE(scoreDocuments(*fake_.model, {{1}}, plan), ErrorCode::InvalidArgument, "1 tokens", "two");
    }
};

QTEST_APPLESS_MAIN(TestDocuments)
#include "test_documents.moc"
