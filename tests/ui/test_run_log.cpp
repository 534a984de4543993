// metrics.jsonl: what is read of it, and what the run monitor says.
#include <QAction>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <qcustomplot.h>

#include "tests/ui/support/fake_engine.h"
#include "ui/runmonitor.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

QByteArray line(int step, double loss, double wide_share)
{
    return QStringLiteral("{\"stage\": \"routers\", \"step\": %1, \"tokens\": %2, \"seconds\": %3, \"loss\": %4, "
                          "\"target\": 0.5, \"cost\": 0.6, \"mlp_0_32\": %5, \"mlp_0_64\": %6, \"mlp_1_32\": 0.5, "
                          "\"mlp_1_64\": 0.5, \"validation\": [{\"file\": \"a\", \"loss\": 2}]}\n")
        .arg(step)
        .arg(step * 100)
        .arg(step * 0.5)
        .arg(loss)
        .arg(1 - wide_share)
        .arg(wide_share)
        .toLatin1();
}

QByteArray steps(int first, int last)
{
    QByteArray bytes;
    for (int step = first; step <= last; ++step) bytes += line(step, 3.0 - 0.01 * step, step > 30 ? 1.0 : 0.25);
    return bytes;
}

} // namespace

class RunLogTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { test::failOnWarnings(); }

    void aLineMayComeInPieces()
    {
        const QByteArray bytes = steps(1, 5);
        for (int piece : {1, 7, 100, 10'000}) {
            RunLog log;
            for (qsizetype at = 0; at < bytes.size(); at += piece) log.feed(bytes.mid(at, piece));
            QCOMPARE(log.lines(), 5);
            const RunStage* stage = log.stage(QStringLiteral("routers"));
            QVERIFY(stage != nullptr);
            QCOMPARE(stage->last_step, 5.0);
            QCOMPARE(stage->tokens, 500.0);
            QCOMPARE(stage->find(QStringLiteral("loss"))->values[2], 2.97);
            QVERIFY(stage->find(QStringLiteral("validation")) == nullptr); // not a number
            QCOMPARE(log.layers(), 2);
        }
    }

    void whatIsNoRecordIsCountedAndLeftOut()
    {
        RunLog log;
        log.feed(steps(1, 2) + "{\"stage\": \"rou\n" + "[1, 2]\n\n" + steps(3, 3));
        QCOMPARE(log.lines(), 3);
        QCOMPARE(log.skipped(), 2);
    }

    void aResumedStageRepeatsItsLastSteps()
    {
        RunLog log;
        log.feed(steps(1, 10) + steps(8, 12));
        const RunSeries* loss = log.stage(QStringLiteral("routers"))->find(QStringLiteral("loss"));
        QCOMPARE(loss->steps.size(), std::size_t{12});
        for (std::size_t i = 0; i < loss->steps.size(); ++i) QCOMPARE(loss->steps[i], static_cast<double>(i + 1));
    }

    void keysOfSharesAreUnderstood_data()
    {
        QTest::addColumn<QString>("key");
        QTest::addColumn<bool>("share");
        QTest::newRow("MLP") << "mlp_3_352" << true;
        QTest::newRow("heads") << "heads_0_2" << true;
        QTest::newRow("a loss") << "loss_random_0" << false;
        QTest::newRow("an entropy") << "entropy_mlp_3" << false;
        QTest::newRow("no number") << "mlp_a_2" << false;
        QTest::newRow("too large") << "mlp_99999999_2" << false;
    }
    void keysOfSharesAreUnderstood()
    {
        QFETCH(QString, key);
        QTEST(parseShareKey(key).has_value(), "share");
    }

    void aCollapsedRouterIsFound()
    {
        RunLog log;
        log.feed(steps(1, 40));
        const RunStage* stage = log.stage(QStringLiteral("routers"));
        QVERIFY(collapsed(*stage).empty()); // ten steps are not enough
        log.feed(steps(41, 60));
        const auto found = collapsed(*log.stage(QStringLiteral("routers")));
        QCOMPARE(found.size(), std::size_t{1});
        QCOMPARE(found[0].layer, 0);
        QCOMPARE(found[0].width, 64);
        QCOMPARE(found[0].since_step, 31.0);
        const RunSeries mean = meanWidth(*log.stage(QStringLiteral("routers")), SubBlock::Mlp, 0);
        QCOMPARE(mean.values.front(), (0.75 * 32 + 0.25 * 64) / 64);
        QCOMPARE(mean.values.back(), 1.0);
    }

    void theMonitorFollowsARunThatGoesOn()
    {
        QTemporaryDir folder;
        RunMonitor monitor;
        QVERIFY(monitor.page()->message().contains("folder of a conversion"));
        monitor.open(folder.path());
        QCOMPARE(static_cast<int>(monitor.page()->state()), static_cast<int>(StatePage::State::Error));
        QVERIFY(monitor.page()->message().contains("there is no metrics.jsonl"));
        QFile file(folder.filePath(QStringLiteral("metrics.jsonl")));
        QVERIFY(file.open(QIODevice::WriteOnly));
        monitor.open(folder.path());
        QVERIFY(monitor.page()->message().contains("nothing so far"));
        file.write(steps(1, 60));
        file.flush();
        QTRY_COMPARE(monitor.log().lines(), 60);
        QVERIFY(monitor.findings().contains("Layer 0 (MLP) collapsed to 64 since step 31"));
        QCOMPARE(monitor.plot()->graphCount(), 1); // loss
        monitor.setChart(RunMonitor::Chart::Cost);
        QCOMPARE(monitor.plot()->graphCount(), 2); // asked, drawn
        QCOMPARE(monitor.plot()->graph(1)->data()->at(0)->value, 0.6);
        monitor.setChart(RunMonitor::Chart::MlpShares);
        QCOMPARE(monitor.plot()->plottableCount(), 1);
        file.write(steps(61, 70));
        file.flush();
        QTRY_COMPARE(monitor.log().lines(), 70);
        monitor.open(folder.path(), true);
        monitor.setChart(RunMonitor::Chart::Losses);
        QTRY_COMPARE(monitor.plot()->graphCount(), 2); // both runs
    }
};

QTEST_MAIN(RunLogTest)
#include "test_run_log.moc"
