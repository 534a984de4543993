// The door to the engine: what it lets through, in which order, and what it drops.
#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>
#include <QThread>

#include "tests/ui/support/fake_engine.h"
#include "ui/service/engineservice.h"
#include "ui/service/inquiry.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 20'000;

/// Work that only ends by being stopped.
Inquiry<int>::Work untilCancelled()
{
    return [](const auto&, const ProgressFn&, const CancelToken& cancel) -> Result<int> {
        while (!cancel.cancelled()) QThread::msleep(1);
        return Error{ErrorCode::Cancelled, "cancelled", ""};
    };
}

RunRequest request(int max_tokens, const std::vector<PaneSlot>& panes = {PaneSlot::Full, PaneSlot::Live})
{
    RunRequest value;
    value.inputs.prompt = QString::fromLatin1(test::kPrompt);
    value.inputs.max_tokens = max_tokens;
    for (const PaneSlot slot : panes) {
        PaneRequest pane;
        pane.slot = slot;
        pane.choice.target.routing = Routing::Uniform;
        value.panes.push_back(pane);
    }
    return value;
}

Target budget(double share)
{
    Target target;
    target.kind = Target::Kind::Budget;
    target.value = share;
    target.routing = Routing::Uniform;
    return target;
}

} // namespace

class EngineServiceTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        // No token of the fake model ends a text by chance.
        for (int i = 0; i < 96; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        service_ = std::make_unique<EngineService>(engine_->calls());
    }

    void cleanup()
    {
        service_.reset();
        engine_.reset();
    }

    void loadsAndTells()
    {
        QSignalSpy started(service_.get(), &EngineService::loadStarted);
        QSignalSpy progress(service_.get(), &EngineService::loadProgress);
        load();
        QCOMPARE(started.count(), 1);
        QVERIFY(progress.count() >= 1);
        QVERIFY(!service_->loading());
        const ModelInfoPtr& model = service_->model();
        QCOMPARE(model->name, QStringLiteral("fake"));
        QCOMPARE(model->latency_stops.back().share, 1.0);
        QCOMPARE(static_cast<int>(model->preparation), static_cast<int>(Preparation::None));
        QVERIFY(!model->hasRouters());
    }

    void workIsAnsweredOnTheEnginesThread()
    {
        load();
        std::optional<QString> answer;
        Inquiry<QString> inquiry(service_.get(), QStringLiteral("name"), this,
                                 [&](const Result<QString>& result) { answer = *result; });
        inquiry.ask([](const auto& model, const ProgressFn&, const CancelToken&) -> Result<QString> {
            return QString::fromStdString(model->name) + QLatin1Char(' ') + QThread::currentThread()->objectName();
        });
        QVERIFY(inquiry.waiting());
        QVERIFY(service_->working());
        QTRY_VERIFY(answer.has_value());
        QCOMPARE(*answer, QStringLiteral("fake flextron-engine"));
        QVERIFY(!inquiry.waiting());
        QVERIFY(!service_->working());
    }

    void aNewerQuestionReplacesTheOlder()
    {
        load();
        QList<int> answers;
        Inquiry<int> inquiry(service_.get(), QStringLiteral("number"), this,
                             [&](const Result<int>& result) { answers << (result.ok() ? *result : -1); });
        inquiry.ask(untilCancelled());
        inquiry.ask([](const auto&, const ProgressFn&, const CancelToken&) -> Result<int> { return 2; });
        QTRY_COMPARE(answers, QList<int>{2});
        inquiry.ask(untilCancelled());
        inquiry.cancel();
        QTRY_COMPARE(answers.size(), 2);
        QCOMPARE(answers.back(), -1);
        inquiry.ask(untilCancelled());
        inquiry.forget();
        QTRY_VERIFY(!service_->working());
        QCOMPARE(answers.size(), 2);
    }

    void aRunInterruptsWorkWhichStartsAgainAfter()
    {
        load();
        std::atomic<int> attempts = 0;
        int answer = 0;
        Inquiry<int> inquiry(service_.get(), QStringLiteral("long"), this,
                             [&](const Result<int>& result) { answer = result.ok() ? *result : -1; });
        inquiry.ask([&](const auto&, const ProgressFn&, const CancelToken& cancel) -> Result<int> {
            if (++attempts > 1) return 7;
            while (!cancel.cancelled()) QThread::msleep(1);
            return Error{ErrorCode::Cancelled, "cancelled", ""};
        });
        QTRY_COMPARE(attempts.load(), 1);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        service_->run(request(4));
        QVERIFY(finished.wait(kLongMs));
        QTRY_COMPARE(answer, 7);
        QCOMPARE(attempts.load(), 2);
    }

    void anotherModelDropsWork()
    {
        load();
        int answers = 0;
        Inquiry<int> inquiry(service_.get(), QStringLiteral("dropped"), this, [&](const Result<int>&) { ++answers; });
        inquiry.ask(untilCancelled());
        load();
        QVERIFY(!inquiry.waiting());
        QVERIFY(!service_->working());
        QTest::qWait(20);
        QCOMPARE(answers, 0);
    }

    void aFailedLoadSaysWhyAndKeepsTheOpenModel()
    {
        load();
        const ModelInfoPtr before = service_->model();
        QSignalSpy failed(service_.get(), &EngineService::loadFailed);
        service_->load(QStringLiteral("missing"));
        QVERIFY(failed.wait());
        const auto error = failed.at(0).at(1).value<Error>();
        QCOMPARE(QString::fromStdString(error.message), QStringLiteral("missing: there is no such folder"));
        QCOMPARE(QString::fromStdString(error.hint), QStringLiteral("Check the path."));
        QCOMPARE(service_->model(), before);
        run(4);
    }

    void loadingStopsAtOnce()
    {
        QSignalSpy failed(service_.get(), &EngineService::loadFailed);
        service_->load(QStringLiteral("slow"));
        QTest::qWait(20);
        QVERIFY(service_->loading());
        service_->cancelLoad();
        QVERIFY(failed.wait());
        QCOMPARE(static_cast<int>(failed.at(0).at(1).value<Error>().code), static_cast<int>(ErrorCode::Cancelled));
        QVERIFY(!service_->loading());
    }

    void theLastOfTwoLoadsCounts()
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        QSignalSpy failed(service_.get(), &EngineService::loadFailed);
        service_->load(QStringLiteral("slow"));
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        QCOMPARE(loaded.count(), 1);
        QCOMPARE(failed.count(), 0); // the first one's end is nobody's business
    }

    void aRunBringsEveryTokenOnceAndInOrder()
    {
        load();
        std::array<Trace, 2> traces;
        std::array<QString, 2> texts;
        connect(service_.get(), &EngineService::runStarted, this, [&](RunId, const RunStart& start) {
            for (const PaneStart& pane : start.panes) traces[static_cast<std::size_t>(pane.slot)] = pane.trace;
        });
        connect(service_.get(), &EngineService::runEvents, this, [&](RunId, const RunBatch& batch) {
            for (const PaneBatch& pane : batch.panes) {
                auto& records = traces[static_cast<std::size_t>(pane.slot)].records;
                QVERIFY(pane.first_record <= static_cast<int>(records.size()));
                records.resize(static_cast<std::size_t>(pane.first_record));
                records.insert(records.end(), pane.records.begin(), pane.records.end());
                for (const TokenText& text : pane.texts) texts[static_cast<std::size_t>(pane.slot)] += text.text;
            }
        });
        const std::size_t prompt = run(30).panes.front().trace.records.size();
        for (const Trace& trace : traces) {
            QCOMPARE(trace.records.size(), prompt + 30);
            for (std::size_t i = 0; i < trace.records.size(); ++i) {
                QCOMPARE(trace.records[i].position, static_cast<int>(i));
                QVERIFY(trace.records[i].read);
            }
        }
        QVERIFY(!texts[0].isEmpty());
        QCOMPARE(texts[0], texts[1]); // forced tokens: both write the same
    }

    void errorsOfARunComeAsTheyAre()
    {
        load();
        QSignalSpy failed(service_.get(), &EngineService::runFailed);
        RunRequest bad = request(4);
        bad.inputs.prompt = QStringLiteral("ÄÖÜ");
        const RunId id = service_->run(bad);
        QVERIFY(failed.wait());
        QCOMPARE(failed.at(0).at(0).value<RunId>(), id);
        QCOMPARE(QString::fromStdString(failed.at(0).at(1).value<Error>().message),
                 QStringLiteral("the fake vocabulary has no piece for this text"));
        QVERIFY(!service_->running());
    }

    void withoutATokenizerTheReasonIsGiven()
    {
        engine_->fake.model->tokenizer = nullptr;
        engine_->fake.model->tokenizer_problem = "no tokenizer.model";
        load();
        QSignalSpy failed(service_.get(), &EngineService::runFailed);
        service_->run(request(4));
        QVERIFY(failed.wait());
        const auto error = failed.at(0).at(1).value<Error>();
        QVERIFY(error.message.find("no tokenizer.model") != std::string::npos);
        QVERIFY(!error.hint.empty());
    }

    void stopEndsARunWithin100Ms()
    {
        load();
        engine_->layer_ms = 2;
        service_->run(request(80));
        QSignalSpy events(service_.get(), &EngineService::runEvents);
        QVERIFY(events.wait());
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        service_->stop();
        QVERIFY(finished.wait());
        QVERIFY(finished.at(0).at(1).value<RunEnd>().cancelled);
        QVERIFY(!service_->running());
    }

    void lateResultsAreDropped()
    {
        load();
        engine_->layer_ms = 1;
        const RunId first = service_->run(request(80));
        QSignalSpy events(service_.get(), &EngineService::runEvents);
        QVERIFY(events.wait());
        QThread::msleep(60); // batches of the first run now wait in this thread's queue
        const RunId second = service_->run(request(3));
        QVERIFY(second != first);
        events.clear();
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        QVERIFY(finished.wait(kLongMs));
        QCOMPARE(finished.count(), 1);
        QCOMPARE(finished.at(0).at(0).value<RunId>(), second);
        for (const auto& event : events) QCOMPARE(event.at(0).value<RunId>(), second);
    }

    void anotherTargetChangesTheWidthsBetweenTwoTokens()
    {
        load();
        engine_->layer_ms = 1;
        Trace live;
        connect(service_.get(), &EngineService::runStarted, this,
                [&](RunId, const RunStart& start) { live = start.panes.back().trace; });
        connect(service_.get(), &EngineService::runEvents, this, [&](RunId, const RunBatch& batch) {
            for (const PaneBatch& pane : batch.panes) {
                if (pane.slot != PaneSlot::Live) continue;
                live.records.resize(static_cast<std::size_t>(pane.first_record));
                live.records.insert(live.records.end(), pane.records.begin(), pane.records.end());
            }
        });
        QSignalSpy retargeted(service_.get(), &EngineService::runRetargeted);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        service_->run(request(60));
        QTRY_VERIFY(live.records.size() > 20);
        service_->retarget({budget(service_->model()->latency_stops.front().share), nullptr});
        QVERIFY(retargeted.wait());
        QVERIFY(finished.wait(kLongMs));
        const auto plan = retargeted.at(0).at(1).value<PlanInfo>();
        QVERIFY(plan.subnet == service_->model()->latency_stops.front().subnet);
        QCOMPARE(live.records.front().mlp.front(), 64);
        QCOMPARE(live.records.back().mlp, plan.subnet.mlp);
        QCOMPARE(live.records.back().heads, plan.subnet.heads);
    }

    void aTargetThatCannotBeLeavesTheRunAlone()
    {
        load();
        engine_->layer_ms = 1;
        QSignalSpy failed(service_.get(), &EngineService::retargetFailed);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        service_->run(request(40));
        service_->retarget({budget(1e-6), nullptr});
        QVERIFY(failed.wait());
        QVERIFY(failed.at(0).at(1).value<Error>().message.find("floor") != std::string::npos);
        QVERIFY(finished.wait(kLongMs));
        QVERIFY(!finished.at(0).at(1).value<RunEnd>().cancelled);
    }

    void loadingAnotherModelEndsTheRun()
    {
        load();
        engine_->layer_ms = 1;
        service_->run(request(80));
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QTRY_COMPARE(finished.count(), 1);
        QVERIFY(!service_->running());
        QTRY_COMPARE(loaded.count(), 1);
    }

    void closingIsSafe_data()
    {
        QTest::addColumn<QString>("busy");
        for (const char* busy : {"load", "run", "measure", "everything"}) QTest::newRow(busy) << busy;
    }

    void closingIsSafe()
    {
        QFETCH(QString, busy);
        if (busy != QLatin1String("load")) load();
        engine_->layer_ms = 2;
        if (busy == QLatin1String("run") || busy == QLatin1String("everything")) {
            service_->run(request(80));
            QTest::qWait(20);
        }
        if (busy == QLatin1String("load") || busy == QLatin1String("everything"))
            service_->load(QStringLiteral("slow"));
        if (busy == QLatin1String("measure")) {
            engine_->measure_hangs = true;
            service_->measureWhenIdle();
            QTRY_VERIFY(engine_->measures > 0);
        }
        service_.reset(); // must come back
    }

    void measuringWaitsForIdlenessAndBringsATable()
    {
        load();
        QSignalSpy changed(service_.get(), &EngineService::modelChanged);
        QVERIFY(!service_->model()->latency);
        service_->measureWhenIdle();
        QVERIFY(!service_->measuring());
        QVERIFY(changed.wait(kLongMs));
        QVERIFY(service_->model()->latency.has_value());
        QVERIFY(service_->model()->latency_stops.back().predicted_ms.has_value());
        QVERIFY(!service_->measureWanted());
    }

    void aRunInterruptsMeasuringAndItStartsAgain()
    {
        load();
        engine_->measure_hangs = true;
        service_->measureWhenIdle();
        QTRY_VERIFY(service_->measuring());
        QTRY_COMPARE(engine_->measures.load(), 1);
        QSignalSpy ended(service_.get(), &EngineService::measureEnded);
        run(4); // would never end if measuring held the thread
        QVERIFY(service_->measureWanted());
        QCOMPARE(ended.count(), 0);
        engine_->measure_hangs = false;
        QSignalSpy changed(service_.get(), &EngineService::modelChanged);
        QVERIFY(changed.wait(kLongMs));
        QCOMPARE(engine_->measures.load(), 2);
    }

    void measuringCanBeCancelled()
    {
        load();
        engine_->measure_hangs = true;
        service_->measureWhenIdle();
        QTRY_COMPARE(engine_->measures.load(), 1);
        QSignalSpy ended(service_.get(), &EngineService::measureEnded);
        service_->cancelMeasure();
        QVERIFY(ended.wait());
        QVERIFY(!service_->measureWanted());
        QVERIFY(!service_->measuring());
    }

    void onlyTheLatestTextIsCounted()
    {
        load();
        QSignalSpy counted(service_.get(), &EngineService::tokenized);
        service_->tokenize(QStringLiteral("a"));
        service_->tokenize(QStringLiteral("the cat"));
        QVERIFY(counted.wait());
        QTest::qWait(20);
        QCOMPARE(counted.count(), 1);
        QCOMPARE(counted.at(0).at(0).toInt(), 7); // <s> th e _ c a t
    }

private:
    void load()
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
    }

    /// Runs to the end.
    RunStart run(int max_tokens)
    {
        QSignalSpy started(service_.get(), &EngineService::runStarted);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        service_->run(request(max_tokens));
        if (!finished.wait(kLongMs)) qFatal("the run did not end");
        return started.at(0).at(1).value<RunStart>();
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
};

QTEST_MAIN(EngineServiceTest)
#include "test_engine_service.moc"
