// What undo brings back, and what is one step.
#include <QSignalSpy>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/data/panemath.h"
#include "ui/data/targetmath.h"
#include "ui/window/history.h"

using namespace flextron;
using namespace flextron::ui;

class HistoryTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        RunInputs inputs;
        inputs.prompt = QString::fromLatin1(test::kPrompt);
        inputs.max_tokens = 10;
        comparison_->setInputs(inputs);
        history_ = std::make_unique<History>(comparison_.get());
    }

    void cleanup()
    {
        history_.reset();
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void everyKindOfChangeIsUndoneAndDoneAgain_data()
    {
        QTest::addColumn<int>("kind");
        QTest::newRow("target") << 0;
        QTest::newRow("pin") << 1;
        QTest::newRow("forced choices") << 2;
        QTest::newRow("sampling") << 3;
    }

    void everyKindOfChangeIsUndoneAndDoneAgain()
    {
        QFETCH(int, kind);
        const ComparisonState before = comparison_->state();
        change(kind);
        const ComparisonState after = comparison_->state();
        QVERIFY(!(before == after));
        QCOMPARE(history_->stack()->count(), 1);
        history_->stack()->undo();
        QVERIFY(comparison_->state() == before);
        history_->stack()->redo();
        QVERIFY(comparison_->state() == after);
        history_->stack()->undo();
        QVERIFY(!history_->stack()->canUndo());
        QVERIFY(history_->stack()->canRedo());
    }

    void aRowOfSettingsIsOneStep()
    {
        RunInputs inputs = comparison_->inputs();
        for (int i = 1; i <= 5; ++i) {
            inputs.sampler.top_k = i;
            comparison_->setInputs(inputs);
        }
        QCOMPARE(history_->stack()->count(), 1);
        history_->stack()->undo();
        QCOMPARE(comparison_->inputs().sampler.top_k, 0);
    }

    void thePromptIsNotTouched()
    {
        change(0);
        RunInputs inputs = comparison_->inputs();
        inputs.prompt = QStringLiteral("the dog");
        comparison_->setInputs(inputs);
        QCOMPARE(history_->stack()->count(), 1);
        history_->stack()->undo();
        QCOMPARE(comparison_->inputs().prompt, QStringLiteral("the dog"));
    }

    void aRemovedPinComesBackWithItsText()
    {
        const auto pin = comparison_->addPin();
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait());
        const auto ids = comparison_->pane(*pin).trace.ids();
        comparison_->removePin(*pin);
        history_->stack()->undo();
        QVERIFY(comparison_->present(*pin));
        QTRY_VERIFY(comparison_->pane(*pin).complete());
        QVERIFY(comparison_->pane(*pin).trace.ids() == ids);
    }

private:
    void change(int kind)
    {
        if (kind == 0) comparison_->commitTarget(targetFor(TargetAxis::Latency, 0.6, Routing::Uniform));
        if (kind == 1) comparison_->addPin();
        if (kind == 2) {
            auto overrides = std::make_shared<Overrides>();
            overrides->add({3, 1, SubBlock::Mlp, 0});
            comparison_->setOverrides(overrides);
        }
        if (kind == 3) {
            RunInputs inputs = comparison_->inputs();
            inputs.sampler.temperature = 0.5;
            comparison_->setInputs(inputs);
        }
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
    std::unique_ptr<History> history_;
};

QTEST_MAIN(HistoryTest)
#include "test_history.moc"
