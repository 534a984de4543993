// Up to six panes: pins that hold a target, what they share, what is said of each, and how they are replayed.
#include <cmath>

#include <QSignalSpy>
#include <QTest>

#include "engine/evaluate/scoring.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/compare/pace.h"
#include "ui/data/comparison.h"
#include "ui/data/panemath.h"
#include "ui/data/targetmath.h"

using namespace flextron;
using namespace flextron::ui;

namespace {
constexpr int kLongMs = 20'000;
} // namespace

class PanesTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
        pace_ = std::make_unique<Pace>(service_.get(), comparison_.get());
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        inputs_ = {};
        inputs_.prompt = QString::fromLatin1(test::kPrompt);
        inputs_.max_tokens = 30;
        comparison_->setInputs(inputs_);
    }

    void cleanup()
    {
        pace_.reset();
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void theSameSubNetworkWritesTheSameTextAtAnyTemperature()
    {
        inputs_.sampler.temperature = 0.8;
        comparison_->setInputs(inputs_);
        comparison_->setTarget(narrow());
        const auto pin = comparison_->addPin();
        QVERIFY(pin);
        comparison_->setTarget(narrow());
        runToEnd();
        const Trace& pinned = comparison_->pane(*pin).trace;
        const Trace& live = comparison_->pane(PaneSlot::Live).trace;
        QVERIFY(pinned.records.size() > 10);
        QVERIFY(pinned.ids() == live.ids());
        QVERIFY(pinned.ids() != comparison_->pane(PaneSlot::Full).trace.ids()); // the noise is not all there is
        inputs_.sampler.seed = 7;
        comparison_->setInputs(inputs_);
        const auto before = live.ids();
        runToEnd();
        QVERIFY(comparison_->pane(PaneSlot::Live).trace.ids() != before);
    }

    void aPinHoldsWhatTheSliderLeaves()
    {
        comparison_->setTarget(narrow());
        runToEnd();
        const auto pin = comparison_->addPin();
        QVERIFY(comparison_->pane(*pin).complete()); // the live text is its text: nothing is written twice
        QVERIFY(!service_->running());
        QSignalSpy started(service_.get(), &EngineService::runStarted);
        comparison_->commitTarget(targetFor(TargetAxis::Latency, 1.0, Routing::Uniform));
        QTRY_VERIFY(!service_->running());
        QCOMPARE(started.back().at(1).value<RunStart>().panes.size(), std::size_t{1});
        QVERIFY(comparison_->pane(*pin).plan.subnet == service_->model()->latency_stops.front().subnet);
        QVERIFY(comparison_->pane(PaneSlot::Live).plan.subnet == service_->model()->latency_stops.back().subnet);
        QVERIFY(!comparison_->divergence(PaneSlot::Live));
        QVERIFY(comparison_->divergence(*pin));
    }

    void sixPanesShareAStep()
    {
        for (int i = 0; i < 4; ++i) QVERIFY(comparison_->addPin());
        QVERIFY(!comparison_->canAddPin());
        QVERIFY(!comparison_->addPin());
        engine_->fake.backend->forced.clear();
        for (int i = 0; i < 96; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        runToEnd();
        QCOMPARE(comparison_->order().size(), std::size_t{6});
        for (const PaneSlot slot : comparison_->order()) QVERIFY(comparison_->pane(slot).complete());
        QCOMPARE(comparison_->sharedStep().panes, 6);
        QVERIFY(comparison_->sharedStep().p50_ms > 0);
    }

    void panesAreRenamedAndRemoved()
    {
        runToEnd();
        QSignalSpy changed(comparison_.get(), &Comparison::panesChanged);
        const auto first = comparison_->addPin();
        const auto second = comparison_->addPin();
        QCOMPARE(comparison_->paneName(*second), QStringLiteral("Pin B"));
        comparison_->renamePin(*first, QStringLiteral("small"));
        QCOMPARE(comparison_->paneName(*first), QStringLiteral("small"));
        comparison_->removePin(*first);
        QVERIFY(!comparison_->present(*first));
        QVERIFY(!comparison_->pane(*first).hasText());
        QCOMPARE(comparison_->addPin(), first); // its place is free again
        QCOMPARE(changed.count(), 5);
    }

    void aPinRemovedWhileItWritesIsGone()
    {
        engine_->layer_ms = 1;
        const auto pin = comparison_->addPin();
        comparison_->run();
        QTRY_VERIFY(comparison_->pane(*pin).timing.new_tokens > 2);
        comparison_->removePin(*pin);
        QTRY_VERIFY_WITH_TIMEOUT(!service_->running(), kLongMs);
        QVERIFY(!comparison_->pane(*pin).hasText());
        QVERIFY(comparison_->pane(PaneSlot::Full).complete());
    }

    void agreementIsTheEnginesOnTheBaselinesText()
    {
        comparison_->setTarget(narrow());
        runToEnd();
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).agreement.has_value());
        const Agreement& shown = *comparison_->pane(PaneSlot::Live).agreement;
        const PaneData& full = comparison_->pane(PaneSlot::Full);
        WidthPlan whole;
        whole.subnet = fullSubNetwork(engine_->fake.model->config());
        WidthPlan plan;
        plan.subnet = comparison_->pane(PaneSlot::Live).plan.subnet;
        const auto expected = compareOnText(*engine_->fake.model, full.trace.ids(), full.prompt_tokens, whole, plan);
        QVERIFY(expected.ok());
        QCOMPARE(shown.tokens, expected->tokens);
        QCOMPARE(shown.agreement, expected->agreement);
        QCOMPARE(shown.kl_to_full, expected->kl_to_full);
        QVERIFY(shown.agreement < 1);
        QVERIFY(!full.agreement); // with itself it would say nothing
    }

    void eachPaneIsMeasuredAlone()
    {
        const auto pin = comparison_->addPin();
        runToEnd();
        QVERIFY(!comparison_->pane(*pin).solo_ms);
        comparison_->measureAlone();
        for (const PaneSlot slot : comparison_->order()) QTRY_VERIFY(comparison_->pane(slot).solo_ms.has_value());
        comparison_->commitTarget(narrow()); // written alone: that is a measurement
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).complete());
        QCOMPARE(comparison_->pane(PaneSlot::Live).solo_ms,
                 std::optional(comparison_->pane(PaneSlot::Live).timing.p50_ms));
    }

    void anotherTokenIsGoneOnFromInAPaneOfItsOwn()
    {
        comparison_->setTarget(narrow());
        runToEnd();
        const PaneData full = comparison_->pane(PaneSlot::Full);
        const int at = full.prompt_tokens + 5;
        const TokenId other = full.trace.records[static_cast<std::size_t>(at)].id == 9 ? 10 : 9;
        const auto pin = comparison_->continueFrom(PaneSlot::Full, at, other);
        QVERIFY(pin);
        QTRY_VERIFY(comparison_->pane(*pin).complete());
        const Trace& branch = comparison_->pane(*pin).trace;
        for (int i = 0; i < at; ++i)
            QCOMPARE(branch.records[static_cast<std::size_t>(i)].id,
                     full.trace.records[static_cast<std::size_t>(i)].id);
        QCOMPARE(branch.records[static_cast<std::size_t>(at)].id, other);
        QVERIFY(branch.records[static_cast<std::size_t>(at)].given);
        QVERIFY(static_cast<int>(branch.records.size()) > at + 1);
        QCOMPARE(comparison_->splitRecord(*pin), std::optional(at));
        QVERIFY(comparison_->pane(*pin).plan.subnet == full.plan.subnet); // as the pane it comes from
        // A run of all writes it again from the same place, beside panes with another beginning.
        runToEnd();
        QCOMPARE(comparison_->pane(*pin).trace.records[static_cast<std::size_t>(at)].id, other);
        QVERIFY(comparison_->pane(PaneSlot::Live).complete());
        QVERIFY(!comparison_->continueFrom(PaneSlot::Full, 0, other));
        QVERIFY(!comparison_->continueFrom(PaneSlot::Full, 10'000, other));
    }

    void aTextLongerThanTheContextIsReadWhole()
    {
        inputs_.prompt = QStringLiteral("the cat sat on the mat and ").repeated(12);
        comparison_->setInputs(inputs_);
        comparison_->setTarget(narrow());
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->read();
        QVERIFY(finished.wait(kLongMs));
        for (const PaneSlot slot : comparison_->order()) {
            const PaneData& pane = comparison_->pane(slot);
            QVERIFY(pane.complete());
            QVERIFY(pane.trace.records.size() > 200);
            QCOMPARE(pane.pieces.size(), pane.trace.records.size());
            WidthPlan plan;
            plan.subnet = pane.plan.subnet;
            const auto expected = scoreText(*engine_->fake.model, pane.trace.ids(), plan);
            QVERIFY(expected.ok());
            for (std::size_t i = 0; i < pane.trace.records.size(); ++i) {
                QVERIFY(pane.trace.records[i].read);
                QCOMPARE(pane.trace.records[i].position, static_cast<int>(i));
                if (i > 0) QCOMPARE(pane.trace.records[i].logprob, expected->trace.records[i].logprob);
            }
            QVERIFY(std::abs(readSummary(pane.trace).mean_nll - expected->mean()) < 1e-6);
        }
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).agreement.has_value());
        // The slider moves: the text is read anew, not gone on from.
        comparison_->commitTarget(targetFor(TargetAxis::Latency, 1.0, Routing::Uniform));
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).complete());
        QCOMPARE(comparison_->pane(PaneSlot::Live).timing.new_tokens, 0);
        runToEnd();
        QVERIFY(comparison_->pane(PaneSlot::Live).state ==
                PaneState::Failed); // as a prompt it is too long, and says so
    }

    void theLastWayOfRunningIsWhatASliderRepeats()
    {
        comparison_->read();
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).complete());
        QVERIFY(comparison_->pane(PaneSlot::Live).inputs.mode == RunMode::Read);
        QVERIFY(!comparison_->stale(PaneSlot::Live));
        runToEnd();
        QVERIFY(comparison_->pane(PaneSlot::Live).inputs.mode == RunMode::Write);
        QVERIFY(comparison_->pane(PaneSlot::Live).timing.new_tokens > 10);
    }

    void stepByStepShowsATokenAtATime()
    {
        runToEnd();
        const PaneData& live = comparison_->pane(PaneSlot::Live);
        const int all = static_cast<int>(live.pieces.size());
        QCOMPARE(pace_->shown(PaneSlot::Live), all);
        pace_->setMode(Pace::Mode::Step);
        QCOMPARE(pace_->shown(PaneSlot::Live), live.prompt_tokens);
        pace_->step();
        pace_->step();
        QCOMPARE(pace_->shown(PaneSlot::Live), live.prompt_tokens + 2);
        QCOMPARE(pace_->shown(PaneSlot::Full), comparison_->pane(PaneSlot::Full).prompt_tokens + 2);
        for (int i = 0; i < all; ++i) {
            if (!pace_->replaying()) break;
            pace_->step();
        }
        QVERIFY(!pace_->replaying());
        QCOMPARE(pace_->shown(PaneSlot::Live), all);
        pace_->setMode(Pace::Mode::Off);
    }

    void aReplayEndsWithEverythingShown()
    {
        runToEnd();
        QSignalSpy shown(pace_.get(), &Pace::shownChanged);
        pace_->setMode(Pace::Mode::Real);
        QVERIFY(pace_->replaying());
        QTRY_VERIFY(!pace_->replaying());
        QVERIFY(shown.count() >= 2);
        pace_->setMode(Pace::Mode::Slow50);
        QVERIFY(pace_->replaying());
        inputs_.prompt = QStringLiteral("the dog");
        comparison_->setInputs(inputs_);
        comparison_->run(); // a new text ends the replay of the old
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).inputs == inputs_);
        QVERIFY(comparison_->pane(PaneSlot::Live).hasText());
        pace_->setMode(Pace::Mode::Off);
        QVERIFY(!pace_->replaying());
    }

private:
    [[nodiscard]] Target narrow() const
    {
        return targetFor(TargetAxis::Latency, service_->model()->latency_stops.front().share, Routing::Uniform);
    }

    void runToEnd()
    {
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        QSignalSpy failed(service_.get(), &EngineService::runFailed);
        comparison_->run();
        QTRY_VERIFY_WITH_TIMEOUT(finished.count() + failed.count() > 0, kLongMs);
    }

    RunInputs inputs_;
    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
    std::unique_ptr<Pace> pace_;
};

QTEST_MAIN(PanesTest)
#include "test_panes.moc"
