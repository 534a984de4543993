#include <cmath>
#include <random>

#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/data/cellgrid.h"

using namespace flextron;
using namespace flextron::ui;

class CellGridTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { test::failOnWarnings(); }

    void meansAreOfWhatIsThere()
    {
        const Trace trace = test::smallTrace();
        CellGrid grid;
        grid.reset(5, 2);
        grid.fill({&trace, nullptr, 0, Quantity::MlpWidth, nullptr}, 0);
        QCOMPARE(grid.at(1, 1), 32.0);
        QCOMPARE(grid.tokenMean(0), 64.0);
        QCOMPARE(grid.tokenMean(1), 48.0);
        QVERIFY(std::isnan(grid.tokenMean(2))); // not read: nothing, not zero
        QVERIFY(std::isnan(grid.tokenMean(4)));
        QCOMPARE(grid.layerMean(0), 64.0);
        QCOMPARE(grid.layerMean(1), 48.0);
        QVERIFY(std::isnan(grid.at(5, 0)));
        QVERIFY(std::isnan(grid.at(0, 2)));
        QVERIFY(std::isnan(grid.at(-1, 0)));
    }

    void meansFollowChangedColumns()
    {
        // However often and from wherever columns are filled again, the means are those of the cells.
        std::mt19937 random(7);
        Trace trace = test::smallTrace();
        CellGrid grid;
        grid.reset(40, 2);
        for (int round = 0; round < 30; ++round) {
            TokenRecord next = trace.records[0];
            next.mlp = {16 * std::uniform_int_distribution<int>(1, 4)(random),
                        16 * std::uniform_int_distribution<int>(1, 4)(random)};
            next.read = round % 5 != 0;
            if (round % 3 == 0) trace.records.push_back(next);
            else trace.records.back() = next;
            const int first = std::uniform_int_distribution<int>(0, static_cast<int>(trace.records.size()) - 1)(random);
            grid.fill({&trace, nullptr, 0, Quantity::MlpWidth, nullptr},
                      std::min(first, static_cast<int>(trace.records.size()) - 1));
            for (int layer = 0; layer < 2; ++layer) {
                double sum = 0;
                int count = 0;
                for (int token = 0; token < 40; ++token) {
                    if (std::isnan(grid.at(token, layer))) continue;
                    sum += grid.at(token, layer);
                    ++count;
                }
                QCOMPARE(grid.layerMean(layer), sum / count);
            }
        }
    }

    void differencesAreOfTheSameTokensOnly()
    {
        const Trace trace = test::smallTrace();
        Trace full = trace;
        for (TokenRecord& record : full.records) {
            record.read = true;
            record.mlp = {64, 64};
            record.heads = {8, 8};
        }
        full.records[1].id = 99;
        QCOMPARE(commonTokens(trace, full), 1);
        CellGrid grid;
        grid.reset(3, 2);
        grid.fill({&trace, &full, 1, Quantity::MlpWidth, nullptr}, 0);
        QCOMPARE(grid.at(0, 1), 0.0);
        QVERIFY(std::isnan(grid.at(1, 1))); // another text
        full.records[1].id = trace.records[1].id;
        QCOMPARE(commonTokens(trace, full), 3);
        grid.fill({&trace, &full, 3, Quantity::MlpWidth, nullptr}, 0);
        QCOMPARE(grid.at(1, 1), -32.0);
        QVERIFY(std::isnan(grid.at(2, 0))); // not read by the pane
        QCOMPARE(grid.largest(), 32.0);
        QCOMPARE(commonTokens(trace, Trace{}), 0);
    }
};

QTEST_MAIN(CellGridTest)
#include "test_cell_grid.moc"
