// One number a token and what routers said of it, held against figures worked out by hand.
#include <cmath>

#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/data/routerdata.h"
#include "ui/data/tokendata.h"

using namespace flextron;
using namespace flextron::ui;

class TokenDataTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { test::failOnWarnings(); }

    void probabilityAndSurprisalAreTheRecords()
    {
        const Trace trace = test::smallTrace();
        const TokenSource source{&trace, {}, nullptr};
        QCOMPARE(tokenValue(source, 1, TokenQuantity::Surprisal), 1.0);
        QCOMPARE(tokenValue(source, 1, TokenQuantity::Probability), std::exp(-1.0));
        for (const auto quantity :
             {TokenQuantity::Probability, TokenQuantity::Surprisal, TokenQuantity::LossDifference})
            QVERIFY(std::isnan(tokenValue(source, 0, quantity))); // nothing foretold the first token
        QCOMPARE(tokenValue(source, 1, TokenQuantity::Milliseconds), 7.0);
        QVERIFY(std::isnan(tokenValue(source, 2, TokenQuantity::Milliseconds)));
        QVERIFY(std::isnan(tokenValue(source, 3, TokenQuantity::Surprisal)));
        QVERIFY(std::isnan(tokenValue({}, 0, TokenQuantity::Surprisal)));
    }

    void lossDifferenceIsAboveZeroWhereFullIsBetter()
    {
        const Trace trace = test::smallTrace();
        Trace full = trace;
        full.records[1].logprob = -0.25F;
        full.records[2].logprob = -3.0F;
        const TokenSource source{&trace, {&full, 2}, nullptr};
        QCOMPARE(tokenValue(source, 1, TokenQuantity::LossDifference), 0.75);
        QVERIFY(std::isnan(tokenValue(source, 2, TokenQuantity::LossDifference))); // after the split
        QCOMPARE(tokenValue({&trace, {&full, 3}, nullptr}, 2, TokenQuantity::LossDifference), -0.5);
        QCOMPARE(tokenValueText(0.75, TokenQuantity::LossDifference), QStringLiteral("+0.750"));
    }

    void computeIsTheMeanOverTheLayers()
    {
        const Trace trace = test::smallTrace();
        ModelConfig config = test::fakeConfig();
        config.layers.resize(static_cast<std::size_t>(trace.layers));
        const LayerShares shares(config);
        const TokenSource source{&trace, {}, &shares};
        QCOMPARE(tokenValue(source, 0, TokenQuantity::Compute), 1.0);
        QCOMPARE(tokenValue(source, 1, TokenQuantity::Compute), (1.0 + shares.share(1, 32, 2)) / 2);
    }

    void routersAreReadFromTheTrace()
    {
        const Trace trace = test::smallTrace();
        const auto mlp = routerProbabilities(trace, 1, 1, SubBlock::Mlp);
        QCOMPARE(mlp.size(), std::size_t{4});
        QCOMPARE(chosenIndex(mlp), 1);
        QCOMPARE(expectedWidth(mlp, trace.choices.mlp_int_list), 16 * 0.125 + 32 * 0.5 + 48 * 0.375);
        QCOMPARE(smallestMargin(trace, 1), 0.125);
        QCOMPARE(smallestMargin(trace, 0), 0.5);
        QVERIFY(routerProbabilities(trace, 2, 0, SubBlock::Mlp).empty());
        QVERIFY(std::isnan(smallestMargin(trace, 2)));
        QVERIFY(routerProbabilities(trace, 1, 2, SubBlock::Mlp).empty());
    }

    void aForcedWidthIsNotTheRouters()
    {
        Trace trace = test::smallTrace();
        QVERIFY(!forced(trace, 1, 1, SubBlock::Mlp));
        trace.records[1].mlp[1] = 0;
        QVERIFY(forced(trace, 1, 1, SubBlock::Mlp));
        QVERIFY(!forced(trace, 2, 1, SubBlock::Mlp));
    }
};

QTEST_MAIN(TokenDataTest)
#include "test_token_data.moc"
