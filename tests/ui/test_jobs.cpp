// Long jobs: as files, as processes that outlive the window, and as words.
#include <csignal>

#include <QDir>
#include <QFile>
#include <QLocale>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/fake_program.h"
#include "ui/jobs/convertplan.h"
#include "ui/jobs/jobs.h"
#include "ui/jobs/jobtext.h"

using namespace flextron;
using namespace flextron::ui;
using flextron::test::kLongMs;

class JobsTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { QLocale::setDefault(QLocale::c()); }
    void init()
    {
        test::failOnWarnings();
        program_ = std::make_unique<test::FakeProgram>();
        folder_ = std::make_unique<QTemporaryDir>();
    }
    void cleanup()
    {
        program_.reset();
        folder_.reset();
    }

    void aRecordComesBackAsItWas()
    {
        JobRecord job = record();
        job.program = QStringLiteral("/opt/flex tron");
        job.plan = {{QStringLiteral("elastic"), 12.5}, {QStringLiteral("joint"), 0.25}};
        job.started = QDateTime::fromString(QStringLiteral("2026-01-02T03:04:05Z"), Qt::ISODate);
        job.process = {123, 0xfedcba9876543210u, QStringLiteral("boot")};
        QDir().mkpath(job.folder);
        QVERIFY(writeJob(job).ok());
        const auto back = readJob(job.folder);
        QVERIFY(back.ok());
        QCOMPARE(back->title, job.title);
        QCOMPARE(back->arguments, job.arguments);
        QCOMPARE(back->result, job.result);
        QCOMPARE(back->started, job.started);
        QCOMPARE(back->plan.size(), std::size_t{2});
        QCOMPARE(back->plan[0].seconds, 12.5);
        QVERIFY(back->process == job.process);
    }

    void aDamagedRecordNamesItsField_data()
    {
        QTest::addColumn<QByteArray>("json");
        QTest::addColumn<QString>("what");
        QTest::newRow("no JSON") << QByteArray("{") << "flextron_job";
        QTest::newRow("newer") << QByteArray(R"({"flextron_job": 99})") << "not a job of this program's version";
        QTest::newRow("kind") << QByteArray(R"({"flextron_job": 1, "kind": "dance"})") << "kind";
        QTest::newRow("title") << QByteArray(R"({"flextron_job": 1, "kind": "convert", "title": 3})") << "title";
    }
    void aDamagedRecordNamesItsField()
    {
        QFETCH(QByteArray, json);
        QFETCH(QString, what);
        QFile file(folder_->filePath(QStringLiteral("job.json")));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(json);
        file.close();
        const auto job = readJob(folder_->path());
        QVERIFY(!job.ok());
        QVERIFY2(job.error().message.find(what.toStdString()) != std::string::npos, job.error().message.c_str());
    }

    void aProcessIsKnownByWhenItBegan()
    {
        const auto self = identifyProcess(QCoreApplication::applicationPid());
        QVERIFY(self.has_value());
        QCOMPARE(processState(*self), ProcessState::Running);
        ProcessId recycled = *self;
        recycled.started += 1;
        QCOMPARE(processState(recycled), ProcessState::Gone);
        ProcessId other_boot = *self;
        other_boot.boot = QStringLiteral("another");
        QCOMPARE(processState(other_boot), ProcessState::Gone);
        QCOMPARE(processState({}), ProcessState::Gone);
        QVERIFY(!identifyProcess(0).has_value());
    }

    void aLogMayComeInPieces()
    {
        const QByteArray bytes =
            R"({"event": "progress", "stage": "elastic", "done": 3, "total": 12, "unit": "tokens"})"
            "\nterminate called\n"
            R"({"event": "progress", "stage": "elastic", "done": 6, "total": 12, "unit": "tokens", "seconds_left": 9.5})"
            "\n"
            R"({"event": "error", "message": "no", "hint": "do"})"
            "\n"
            R"({"event": "end", "code": 1})"
            "\n";
        for (const int piece : {1, 5, 64, 10'000}) {
            JobLog log;
            for (qsizetype at = 0; at < bytes.size(); at += piece) log.feed(bytes.mid(at, piece));
            QCOMPARE(log.progress().done, 6.0);
            QCOMPARE(log.progress().seconds_left.value_or(0), 9.5);
            QCOMPARE(log.progress().last_text, QStringLiteral("terminate called"));
            QCOMPARE(log.progress().error->message, std::string("no"));
            QCOMPARE(log.progress().exit_code.value_or(-1), 1);
        }
    }

    void aStateIsWhatProcessAndLogSay_data()
    {
        QTest::addColumn<int>("process");
        QTest::addColumn<int>("code"); // -1: none
        QTest::addColumn<int>("state");
        const auto row = [](const char* name, ProcessState process, int code, JobState state) {
            QTest::newRow(name) << static_cast<int>(process) << code << static_cast<int>(state);
        };
        row("runs", ProcessState::Running, -1, JobState::Running);
        row("sleeps", ProcessState::Stopped, -1, JobState::Paused);
        row("done", ProcessState::Gone, 0, JobState::Finished);
        row("stopped", ProcessState::Gone, 3, JobState::Stopped);
        row("failed", ProcessState::Gone, 1, JobState::Failed);
        row("killed", ProcessState::Gone, -1, JobState::Died);
    }
    void aStateIsWhatProcessAndLogSay()
    {
        QFETCH(int, process);
        QFETCH(int, code);
        JobProgress progress;
        if (code >= 0) progress.exit_code = code;
        QTEST(static_cast<int>(jobState(static_cast<ProcessState>(process), progress)), "state");
    }

    void timeLeftIsOfTheWholeJob()
    {
        JobRecord job = record();
        job.plan = {{QStringLiteral("importance"), 10}, {QStringLiteral("elastic"), 60}, {QStringLiteral("joint"), 30}};
        JobProgress progress;
        progress.stage = QStringLiteral("elastic");
        progress.done = 25;
        progress.total = 100;
        QCOMPARE(shareDone(job, progress).value_or(-1), (10 + 15) / 100.0);
        QCOMPARE(secondsLeft(job, progress).value_or(-1), 45.0 + 30); // by the plan
        progress.seconds_left = 90;                                   // it is slower than planned
        QCOMPARE(secondsLeft(job, progress).value_or(-1), 90.0 + 30);
        QCOMPARE(jobLine(job, JobState::Running, progress, false),
                 QStringLiteral("Converting x: training narrow widths, 25 %, about 2 min 0 s left"));
        progress.done = 50; // half of this stage, and 40 % of all
        QVERIFY(jobLine(job, JobState::Running, progress, false).contains(QLatin1String("40 %")));
        progress.done = 25;
        progress.stage = QStringLiteral("measuring importance");
        QCOMPARE(shareDone(job, progress).value_or(-1), 2.5 / 100);
        progress.stage = QStringLiteral("something else");
        QVERIFY(!shareDone(job, progress).has_value());
        QCOMPARE(secondsLeft(job, progress).value_or(-1), 90.0);
    }

    void wordsForAJob()
    {
        JobRecord job = record();
        JobProgress progress;
        progress.stage = QStringLiteral("routers");
        progress.done = 40;
        progress.total = 100;
        progress.seconds_left = 200;
        QCOMPARE(jobLine(job, JobState::Running, progress, false),
                 QStringLiteral("Converting x: training routers, 40 %, about 3 min 20 s left"));
        QCOMPARE(jobLine(job, JobState::Paused, progress, false),
                 QStringLiteral("Converting x: paused, training routers, 40 %"));
        QCOMPARE(jobLine(job, JobState::Running, progress, true),
                 QStringLiteral("Converting x: stopping, and saving what was done"));
        QCOMPARE(jobLine(job, JobState::Died, progress, false), QStringLiteral("Converting x: interrupted"));
        QCOMPARE(durationText(0.2), QStringLiteral("1 s"));
        QCOMPARE(durationText(3700), QStringLiteral("1 h 1 min"));
        QCOMPARE(durationText(200'000), QStringLiteral("2 days 7 h"));
    }

    void aJobRunsToItsEnd()
    {
        Jobs jobs(program_->path());
        QSignalSpy ended(&jobs, &Jobs::ended);
        QVERIFY(start(jobs).ok());
        QVERIFY(jobs.alive());
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Finished, kLongMs);
        QCOMPARE(ended.count(), 1);
        QCOMPARE(jobs.progress().done, 100.0);
        QVERIFY(!jobs.failure().has_value());
        QCOMPARE(program_->calls().size(), 1);
        QCOMPARE(program_->calls().first(), record().arguments.join(QLatin1Char(' ')));
        jobs.forget();
        QVERIFY(!jobs.job());
        QVERIFY(!QFileInfo::exists(record().folder)); // nothing in it is needed any more
        Jobs next(program_->path());
        next.find();
        QVERIFY(!next.job());
    }

    void aJobOutlivesTheWindow()
    {
        program_->setMode("hang");
        ProcessId process;
        {
            Jobs jobs(program_->path());
            QVERIFY(start(jobs).ok());
            QTRY_COMPARE_WITH_TIMEOUT(jobs.progress().done, 25.0, kLongMs);
            process = jobs.job()->process;
        }
        QCOMPARE(processState(process), ProcessState::Running);
        Jobs next(program_->path());
        QSignalSpy ended(&next, &Jobs::ended);
        next.find();
        QCOMPARE(next.state(), JobState::Running);
        QCOMPARE(next.progress().done, 25.0);
        QVERIFY(next.job()->process == process);
        next.stop();
        QVERIFY(next.stopping());
        QTRY_COMPARE_WITH_TIMEOUT(next.state(), JobState::Stopped, kLongMs);
        QCOMPARE(ended.count(), 1);
        // It can go on, with --resume.
        program_->setMode("finish");
        QVERIFY(next.resume().ok());
        QTRY_COMPARE_WITH_TIMEOUT(next.state(), JobState::Finished, kLongMs);
        QVERIFY(program_->calls().last().endsWith(QLatin1String(" --resume")));
    }

    void aJobThatIsKilledIsSaidToHaveDied()
    {
        program_->setMode("hang");
        Jobs jobs(program_->path());
        QVERIFY(start(jobs).ok());
        QTRY_COMPARE_WITH_TIMEOUT(jobs.progress().done, 25.0, kLongMs);
        QCOMPARE(::kill(static_cast<pid_t>(jobs.job()->process.pid), SIGKILL), 0);
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Died, kLongMs);
        QVERIFY(jobs.failure().has_value());
        QVERIFY(jobs.failure()->hint.find("Resume") != std::string::npos);
    }

    void whatWentWrongIsTold_data()
    {
        QTest::addColumn<QByteArray>("mode");
        QTest::addColumn<int>("state");
        QTest::addColumn<QString>("message");
        QTest::newRow("it said why") << QByteArray("fail") << static_cast<int>(JobState::Failed)
                                     << "out: the disk is full";
        QTest::newRow("no word") << QByteArray("crash") << static_cast<int>(JobState::Died) << "terminate called";
    }
    void whatWentWrongIsTold()
    {
        QFETCH(QByteArray, mode);
        QFETCH(int, state);
        QFETCH(QString, message);
        program_->setMode(mode);
        Jobs jobs(program_->path());
        QVERIFY(start(jobs).ok());
        QTRY_COMPARE_WITH_TIMEOUT(static_cast<int>(jobs.state()), state, kLongMs);
        QVERIFY(QString::fromStdString(jobs.failure()->message).contains(message));
        // The next window finds it as it is, and tells the same.
        Jobs next(program_->path());
        next.find();
        QCOMPARE(static_cast<int>(next.state()), state);
        QVERIFY(QString::fromStdString(next.failure()->message).contains(message));
    }

    void aJobSleepsAndWakes()
    {
        program_->setMode("hang");
        Jobs jobs(program_->path());
        QVERIFY(start(jobs).ok());
        QTRY_COMPARE_WITH_TIMEOUT(jobs.progress().done, 25.0, kLongMs);
        jobs.pause();
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Paused, kLongMs);
        jobs.hold(true); // somebody measures
        jobs.hold(false);
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Paused, kLongMs); // whoever paused it finds it paused
        jobs.goOn();
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Running, kLongMs);
        jobs.hold(true);
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Paused, kLongMs);
        jobs.hold(false);
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Running, kLongMs);
        jobs.pause();
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Paused, kLongMs);
        jobs.stop(); // one that sleeps can be stopped as well
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Stopped, kLongMs);
    }

    void oneJobAtATime()
    {
        program_->setMode("hang");
        Jobs jobs(program_->path());
        QVERIFY(start(jobs).ok());
        QTRY_COMPARE_WITH_TIMEOUT(jobs.progress().done, 25.0, kLongMs); // it listens to signals by now
        Jobs other_window(program_->path());
        const auto second = start(other_window);
        QVERIFY(!second.ok());
        QVERIFY(second.error().message.find("another job is running: Converting x") != std::string::npos);
        jobs.stop();
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Stopped, kLongMs);
    }

    void withoutTheProgramNothingStarts()
    {
        Jobs none{QString()};
        QVERIFY(start(none).error().message.find("was not found") != std::string::npos);
        Jobs gone(folder_->filePath(QStringLiteral("gone")));
        const auto started = start(gone);
        QVERIFY(!started.ok());
        QVERIFY(started.error().message.find("could not be started") != std::string::npos);
        QVERIFY(!gone.job());
        QFile wall(folder_->filePath(QStringLiteral("wall")));
        QVERIFY(wall.open(QIODevice::WriteOnly));
        JobRecord job = record();
        job.folder = wall.fileName() + QStringLiteral("/run"); // below a file
        Jobs jobs(program_->path());
        QVERIFY(jobs.start(job).error().message.find("cannot be written") != std::string::npos);
    }

    void anOldJobIsTakenUpAgain()
    {
        program_->setMode("fail");
        {
            Jobs jobs(program_->path());
            QVERIFY(start(jobs).ok());
            QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Failed, kLongMs);
            jobs.forget();
        }
        QVERIFY(QFileInfo::exists(record().folder)); // of one that is not done the files stay
        Jobs jobs(program_->path());
        jobs.find();
        QVERIFY(!jobs.job());
        QVERIFY(jobs.adopt(record().folder).ok());
        QCOMPARE(jobs.state(), JobState::Failed);
        QVERIFY(!jobs.adopt(folder_->path()).ok());
        const QString work = record().result + QStringLiteral(".work");
        QVERIFY(QDir().mkpath(work + QStringLiteral("/sorted")));
        jobs.discard();
        QTRY_VERIFY_WITH_TIMEOUT(!QFileInfo::exists(work), kLongMs);
        QVERIFY(!QFileInfo::exists(record().folder));
    }

    /// The real program speaks as the fake one does.
    void theRealProgramSorts()
    {
        Jobs jobs(QStringLiteral(FLEXTRON_BIN_DIR "/flextron"));
        ConvertPlan plan;
        plan.what = ConvertPlan::What::SortOnly;
        plan.base = QStringLiteral(FLEXTRON_TEST_DATA "/stories260k-llama");
        plan.texts = {{QStringLiteral(FLEXTRON_SOURCE_DIR "/resources/corpus/tales.txt"), {}}};
        plan.out = folder_->filePath(QStringLiteral("sorted"));
        plan.importance_sequences = 4;
        QVERIFY(!problemOf(plan).has_value());
        JobRecord job = record();
        job.arguments = convertArguments(plan, 512);
        job.result = plan.out;
        QVERIFY(jobs.start(job).ok());
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Finished, kLongMs);
        const auto base = readBase(plan.out);
        QVERIFY(base.ok());
        QVERIFY(!base->converted); // sorted is not trained
        // Once more: it refuses, and says so.
        QVERIFY(jobs.start(job).ok());
        QTRY_COMPARE_WITH_TIMEOUT(jobs.state(), JobState::Failed, kLongMs);
        QVERIFY(jobs.failure()->message.find("exists") != std::string::npos);
    }

private:
    [[nodiscard]] JobRecord record() const
    {
        JobRecord job;
        job.title = QStringLiteral("Converting x");
        job.result = folder_->filePath(QStringLiteral("out"));
        job.folder = job.result + QStringLiteral(".run");
        job.arguments = {QStringLiteral("convert"), QStringLiteral("base"), QStringLiteral("--out"), job.result};
        return job;
    }
    Result<void> start(Jobs& jobs) { return jobs.start(record()); }

    std::unique_ptr<test::FakeProgram> program_;
    std::unique_ptr<QTemporaryDir> folder_;
};

QTEST_MAIN(JobsTest)
#include "test_jobs.moc"
