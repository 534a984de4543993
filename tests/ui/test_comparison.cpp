// What a change of the target or of the inputs asks of the engine.
#include <QSignalSpy>
#include <QTest>
#include <QThread>

#include "tests/ui/support/fake_engine.h"
#include "ui/data/comparison.h"
#include "ui/data/targetmath.h"

using namespace flextron;
using namespace flextron::ui;

class ComparisonTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        for (int i = 0; i < 96; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        inputs_ = {};
        inputs_.prompt = QString::fromLatin1(test::kPrompt);
        inputs_.max_tokens = 40;
        comparison_->setInputs(inputs_);
    }

    void cleanup()
    {
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void bothPanesWriteToTheEnd()
    {
        runToEnd();
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            const PaneData& pane = comparison_->pane(slot);
            QVERIFY(pane.complete());
            QCOMPARE(pane.timing.new_tokens, 40);
            QCOMPARE(pane.pieces.size(), pane.trace.records.size());
            QCOMPARE(QString::fromStdString(pane.trace.stop_reason), QStringLiteral("max_tokens"));
            QString prompt;
            for (int i = 0; i < pane.prompt_tokens; ++i) prompt += pane.pieces[static_cast<std::size_t>(i)];
            QCOMPARE(prompt, inputs_.prompt);
        }
        QVERIFY(!comparison_->divergence());
    }

    void draggingPreviewsTheLivePaneOnly()
    {
        runToEnd();
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->dragTarget(narrow());
        QVERIFY(finished.wait());
        const PaneData& live = comparison_->pane(PaneSlot::Live);
        QVERIFY(live.preview);
        QCOMPARE(live.timing.new_tokens, Comparison::kPreviewTokens);
        QVERIFY(live.plan.subnet == service_->model()->latency_stops.front().subnet);
        QCOMPARE(comparison_->pane(PaneSlot::Full).timing.new_tokens, 40); // untouched
    }

    void whatComesAfterThePanesWereClearedIsDropped()
    {
        comparison_->run();
        comparison_->clear(); // the engine knows nothing of it, and goes on
        QTRY_VERIFY(!service_->running());
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            QVERIFY(!comparison_->pane(slot).hasText());
            QCOMPARE(static_cast<int>(comparison_->pane(slot).state), static_cast<int>(PaneState::Empty));
        }
    }

    void theOldTextStaysUntilThePreviewHasAToken()
    {
        runToEnd();
        QSignalSpy reset(comparison_.get(), &Comparison::paneReset);
        bool text_at_reset = false;
        connect(comparison_.get(), &Comparison::paneGrew, this, [&](PaneSlot, const PaneBatch& batch) {
            if (reset.count() == 1 && !batch.texts.empty()) text_at_reset = true;
        });
        comparison_->dragTarget(narrow());
        QVERIFY(!comparison_->pane(PaneSlot::Live).pieces.empty());
        QTRY_COMPARE(reset.count(), 1);
        QVERIFY(text_at_reset);
    }

    void lettingGoWritesTheLivePaneToTheEndAndKeepsTheBaseline()
    {
        runToEnd();
        QSignalSpy started(service_.get(), &EngineService::runStarted);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->dragTarget(narrow());
        comparison_->commitTarget(narrow());
        QTRY_VERIFY(!service_->running());
        const auto last = started.back().at(1).value<RunStart>();
        QCOMPARE(last.panes.size(), std::size_t{1});
        QCOMPARE(static_cast<int>(last.panes.front().slot), static_cast<int>(PaneSlot::Live));
        QVERIFY(comparison_->pane(PaneSlot::Live).complete());
        QCOMPARE(comparison_->pane(PaneSlot::Live).timing.new_tokens, 40);
    }

    void withoutABaselineLettingGoWritesBoth()
    {
        comparison_->commitTarget(narrow());
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).complete());
        QVERIFY(comparison_->pane(PaneSlot::Full).complete());
    }

    void anotherPromptMakesTheBaselineStale()
    {
        runToEnd();
        QVERIFY(!comparison_->stale(PaneSlot::Full));
        inputs_.prompt = QStringLiteral("the dog");
        comparison_->setInputs(inputs_);
        QVERIFY(comparison_->stale(PaneSlot::Full));
        QVERIFY(comparison_->stale(PaneSlot::Live));
        comparison_->commitTarget(narrow());
        QTRY_VERIFY(!service_->running());
        QVERIFY(!comparison_->stale(PaneSlot::Full)); // written anew
    }

    void draggingARunThatWritesGoesOnAtTheNewWidth()
    {
        engine_->layer_ms = 1;
        QSignalSpy started(service_.get(), &EngineService::runStarted);
        comparison_->run();
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).timing.new_tokens > 5);
        comparison_->dragTarget(narrow());
        comparison_->commitTarget(narrow());
        QTRY_VERIFY_WITH_TIMEOUT(!service_->running(), 20'000);
        QCOMPARE(started.count(), 1); // no second run
        const Trace& trace = comparison_->pane(PaneSlot::Live).trace;
        QCOMPARE(trace.records.front().mlp.front(), 64);
        QVERIFY(trace.records.back().mlp.front() < 64);
    }

    void aTargetThatComesAfterTheLastTokenIsNotLost()
    {
        QSignalSpy started(service_.get(), &EngineService::runStarted);
        comparison_->run();
        QThread::msleep(1000); // the engine is done, and this thread does not know it yet
        QVERIFY(service_->running());
        comparison_->commitTarget(narrow());
        QTRY_COMPARE(started.count(), 2);
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).complete());
        QVERIFY(comparison_->pane(PaneSlot::Live).plan.subnet == service_->model()->latency_stops.front().subnet);
        QVERIFY(comparison_->pane(PaneSlot::Full).complete());
    }

    void theFirstDivergingTokenIsFound()
    {
        // Up to the 12th new token both are forced to the same; from then on widths decide.
        engine_->fake.backend->forced.clear();
        const int prompt = 7;
        for (int i = 0; i < prompt + 12; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        comparison_->setTarget(narrow());
        QSignalSpy changed(comparison_.get(), &Comparison::divergenceChanged);
        runToEnd();
        const auto at = comparison_->divergence();
        QVERIFY(at.has_value());
        QVERIFY(*at >= 12);
        const auto& full = comparison_->pane(PaneSlot::Full).trace.records;
        const auto& live = comparison_->pane(PaneSlot::Live).trace.records;
        for (int i = 0; i < prompt + *at; ++i)
            QCOMPARE(full[static_cast<std::size_t>(i)].id, live[static_cast<std::size_t>(i)].id);
        QVERIFY(full[static_cast<std::size_t>(prompt + *at)].id != live[static_cast<std::size_t>(prompt + *at)].id);
        QVERIFY(changed.count() >= 1);
    }

    void stopKeepsWhatWasWritten()
    {
        engine_->layer_ms = 1;
        comparison_->run();
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).timing.new_tokens > 3);
        comparison_->stop();
        QTRY_VERIFY(!service_->running());
        const PaneData& live = comparison_->pane(PaneSlot::Live);
        QCOMPARE(static_cast<int>(live.state), static_cast<int>(PaneState::Stopped));
        QVERIFY(live.trace.records.size() > static_cast<std::size_t>(live.prompt_tokens));
        QVERIFY(!live.complete());
    }

    void aFailureIsThePanesState()
    {
        inputs_.prompt = QStringLiteral("ÄÖÜ");
        comparison_->setInputs(inputs_);
        comparison_->run();
        QTRY_COMPARE(static_cast<int>(comparison_->pane(PaneSlot::Live).state), static_cast<int>(PaneState::Failed));
        QVERIFY(!comparison_->pane(PaneSlot::Live).error.message.empty());
    }

    void anEmptyPromptRunsNothing()
    {
        inputs_.prompt = QStringLiteral("  ");
        comparison_->setInputs(inputs_);
        QVERIFY(!comparison_->canRun());
        comparison_->run();
        comparison_->dragTarget(narrow());
        QVERIFY(!service_->running());
    }

    void anotherModelEmptiesThePanes()
    {
        runToEnd();
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        QVERIFY(!comparison_->pane(PaneSlot::Full).hasText());
        QCOMPARE(static_cast<int>(comparison_->pane(PaneSlot::Live).state), static_cast<int>(PaneState::Empty));
    }

private:
    [[nodiscard]] Target narrow() const
    {
        return targetFor(TargetAxis::Latency, service_->model()->latency_stops.front().share, Routing::Uniform);
    }

    void runToEnd()
    {
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait(20'000));
    }

    RunInputs inputs_;
    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
};

QTEST_MAIN(ComparisonTest)
#include "test_comparison.moc"
