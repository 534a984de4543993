// metrics.jsonl: what is read of it, and what the run monitor says.
#include <QAction>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QTest>

#include <qcustomplot.h>

#include "tests/ui/support/fake_engine.h"
#include "ui/measure/runmonitor.h"

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

    void validationIsKeptByStep()
    {
        RunLog log;
        log.feed(
            R"({"stage": "joint", "step": 5, "loss": 1, "validation": [{"file": "a", "widths": "full", "target": 1, "cost": 1, "loss": 2.5, "standard_error": 0.1}]})"
            "\n"
            R"({"stage": "joint", "step": 10, "loss": 1, "validation": [{"file": "a", "widths": "dynamic", "target": 0.8, "cost": 0.81, "loss": 2.25, "standard_error": 0.1}, {"file": "a", "widths": "dynamic", "target": 0.6, "cost": 0.62, "loss": 2.75, "standard_error": 0.1}, {"file": "a", "widths": "full", "target": 1, "cost": 1, "loss": 2.0, "standard_error": 0.1}, {"widths": "broken"}]})"
            "\n");
        const RunStage& stage = *log.stage(QStringLiteral("joint"));
        QCOMPARE(stage.validation.size(), std::size_t{4});
        const auto last = lastValidation(stage);
        QCOMPARE(last.size(), std::size_t{3});
        QCOMPARE(last[0].cost, 0.62); // ascending within a kind
        QCOMPARE(last[2].widths, QStringLiteral("full"));
        const auto series = validationSeries(stage);
        QCOMPARE(series.size(), std::size_t{3});
        QCOMPARE(series[0].first, QStringLiteral("full"));
        QCOMPARE(series[0].second.steps, (std::vector<double>{5, 10}));
        QCOMPARE(series[1].first, QStringLiteral("dynamic 0.80"));
        log.feed("{\"stage\": \"joint\", \"step\": 9}\n"); // resumed from before
        QCOMPARE(log.stage(QStringLiteral("joint"))->validation.size(), std::size_t{1});
    }

    void aRunIsFoundWhereverItStands()
    {
        QTemporaryDir folder;
        const QString out = folder.filePath(QStringLiteral("out"));
        const auto put = [](const QString& file) {
            QDir().mkpath(QFileInfo(file).path());
            QFile made(file);
            QVERIFY(made.open(QIODevice::WriteOnly));
            made.write(steps(1, 2));
        };
        QVERIFY(runFiles(out).files.isEmpty() && !runFiles(out).waiting);
        QDir().mkpath(out + QStringLiteral(".work/sorted"));
        QVERIFY(runFiles(out).files.isEmpty() && runFiles(out).waiting);
        const QString first = out + QStringLiteral(".work/elastic.job/metrics.jsonl");
        put(first);
        for (const QString& ending : {QString(), QStringLiteral(".work"), QStringLiteral(".run")})
            QCOMPARE(runFiles(out + ending).files, QStringList{first});
        QVERIFY(QDir(out + QStringLiteral(".work/elastic.job")).removeRecursively());
        const QString done = out + QStringLiteral(".work/elastic/metrics.jsonl");
        const QString next = out + QStringLiteral(".work/routers.job/metrics.jsonl");
        put(done);
        put(next);
        QCOMPARE(runFiles(out).files, (QStringList{done, next}));
        const QString whole = out + QStringLiteral("/metrics.jsonl");
        put(whole);
        QVERIFY(QDir(out + QStringLiteral(".work")).removeRecursively());
        for (const QString& ending : {QString(), QStringLiteral(".work"), QStringLiteral(".run")})
            QCOMPARE(runFiles(out + ending).files, QStringList{whole});
        QCOMPARE(runFiles(whole).files, QStringList{whole});
    }

    void aRecordIsFollowedFromFolderToFolder()
    {
        QTemporaryDir folder;
        const QString out = folder.filePath(QStringLiteral("out"));
        const auto put = [](const QString& file, const QByteArray& bytes) {
            QDir().mkpath(QFileInfo(file).path());
            QFile made(file);
            QVERIFY(made.open(QIODevice::WriteOnly));
            made.write(bytes);
        };
        const auto readAll = [](RunReader& reader) {
            do reader.poll();
            while (reader.more());
        };
        RunReader reader;
        reader.open(out);
        QVERIFY(!reader.poll());
        put(out + QStringLiteral(".work/elastic.job/metrics.jsonl"), steps(1, 400)); // more than a chunk
        readAll(reader);
        QCOMPARE(reader.log().lines(), 400);
        put(out + QStringLiteral(".work/elastic/metrics.jsonl"), steps(1, 410));
        QVERIFY(QDir(out + QStringLiteral(".work/elastic.job")).removeRecursively());
        reader.poll();
        QVERIFY(reader.log().lines() >= 400); // never less than before, while it is read again
        readAll(reader);
        QCOMPARE(reader.log().lines(), 410);
        put(out + QStringLiteral(".work/routers.job/metrics.jsonl"), steps(411, 412));
        readAll(reader);
        QCOMPARE(reader.log().lines(), 412);
        put(out + QStringLiteral(".work/routers.job/metrics.jsonl"), steps(411, 411)); // cut off by a resumed stage
        readAll(reader);
        QCOMPARE(reader.log().lines(), 411);
        QVERIFY(QDir(out + QStringLiteral(".work")).removeRecursively());
        readAll(reader);
        QCOMPARE(reader.log().lines(), 411); // between two folders what is known stays
    }

    void theMonitorSaysWhatBecameOfTheRun()
    {
        QTemporaryDir folder;
        RunMonitor monitor;
        QFile file(folder.filePath(QStringLiteral("metrics.jsonl")));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(steps(1, 60));
        file.close();
        monitor.open(folder.path());
        QTRY_COMPARE(monitor.page()->state(), StatePage::State::Content);
        QAction resume;
        monitor.setNotice(QStringLiteral("interrupted"), &resume);
        QCOMPARE(monitor.page()->state(), StatePage::State::Stale);
        QCOMPARE(monitor.path(), folder.path());
        monitor.setNotice({}, nullptr);
        QCOMPARE(monitor.page()->state(), StatePage::State::Content);
    }

    void theMonitorLeavesARunThatIsGone()
    {
        QTemporaryDir first, second;
        for (const QTemporaryDir* folder : {&first, &second}) {
            QFile file(folder->filePath(QStringLiteral("metrics.jsonl")));
            QVERIFY(file.open(QIODevice::WriteOnly));
            file.write(steps(1, folder == &first ? 60 : 20));
        }
        RunMonitor monitor;
        monitor.open(first.path());
        monitor.open(second.path(), true);
        QTRY_COMPARE(monitor.plot()->graphCount(), 2);
        monitor.leave(second.path() + QStringLiteral("/elsewhere"));
        QCOMPARE(monitor.plot()->graphCount(), 2);
        monitor.leave(first.path());
        QCOMPARE(monitor.path(), second.path());
        QTRY_COMPARE(monitor.log().lines(), 20);
        QCOMPARE(monitor.plot()->graphCount(), 1);
        QCOMPARE(monitor.page()->state(), StatePage::State::Content);
        monitor.leave(second.path());
        QCOMPARE(monitor.page()->state(), StatePage::State::Empty);
        QVERIFY(monitor.path().isEmpty());
    }

    void anotherRunBringsItsOwnStages()
    {
        QTemporaryDir first, second;
        RunMonitor monitor;
        for (const QTemporaryDir* folder : {&first, &second}) {
            QFile file(folder->filePath(QStringLiteral("metrics.jsonl")));
            QVERIFY(file.open(QIODevice::WriteOnly));
            QByteArray record = steps(1, folder == &first ? 60 : 20);
            if (folder == &second) record.replace("\"routers\"", "\"joint\"");
            file.write(record);
            file.close();
            monitor.open(folder->path());
            QTRY_COMPARE(monitor.log().lines(), folder == &first ? 60 : 20);
            QCOMPARE(monitor.plot()->graphCount(), 1); // of the stage that it has
        }
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
