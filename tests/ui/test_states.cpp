// What panels say while there is nothing to draw: while a model is opened, while a run begins, when it fails.
#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QDockWidget>
#include <QLabel>
#include <QSettings>
#include <QSignalSpy>
#include <QTest>
#include <QWheelEvent>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/compare/paneview.h"
#include "ui/compare/promptpanel.h"
#include "ui/inspect/heatmapview.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

class StatesTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        engine_ = std::make_unique<test::FakeEngine>();
        window_ = std::make_unique<MainWindow>(engine_->calls());
        window_->setMeasureInBackground(false);
        window_->promptPanel()->setPrompt(QString::fromLatin1(test::kPrompt));
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    }

    void cleanup()
    {
        window_.reset();
        engine_.reset();
    }

    void whileAModelIsOpenedNoPanelAsksForOne()
    {
        const int asking = pagesThatSay("Open a model");
        QVERIFY(asking >= 8);
        window_->openModel(QStringLiteral("slow"));
        QVERIFY(window_->service()->loading());
        QCOMPARE(pagesThatSay("Open a model"), 1); // the corpus report, which a file can bring as well
        window_->service()->cancelLoad();
        QTRY_COMPARE(pagesThatSay("Open a model"), asking);
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        QCOMPARE(pagesThatSay("Open a model"), 0);
    }

    void theWheelScrollsAndSetsNothing()
    {
        load();
        auto* scale = window_->findChild<QComboBox*>(QStringLiteral("costScale"));
        const auto turn = [scale] {
            const QPointF middle = scale->rect().center();
            QWheelEvent event(middle, scale->mapToGlobal(middle), {}, {0, -120}, Qt::NoButton, Qt::NoModifier,
                              Qt::NoScrollPhase, false);
            QApplication::sendEvent(scale, &event);
            return event.isAccepted();
        };
        QCOMPARE(scale->focusPolicy(), Qt::StrongFocus); // the wheel does not bring the keyboard either
        QVERIFY(!turn());
        QCOMPARE(scale->currentIndex(), 0);
        window_->activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(window_.get()));
        scale->setFocus();
        turn();
        QCOMPARE(scale->currentIndex(), 1);
    }

    void aRunThatBeginsIsStoppedFromItsPanel()
    {
        load();
        engine_->layer_ms = 100;
        window_->comparison()->run();
        StatePage* page = window_->paneView(PaneSlot::Live)->page();
        QTRY_COMPARE(static_cast<int>(page->state()), static_cast<int>(StatePage::State::Loading));
        QSignalSpy finished(window_->service(), &EngineService::runFinished);
        bool clicked = false;
        for (ActionButton* button : page->findChildren<ActionButton*>()) {
            if (!button->isVisibleTo(page) || button->text() != QLatin1String("Stop")) continue;
            button->click();
            clicked = true;
        }
        QVERIFY(clicked);
        QVERIFY(finished.wait());
        QVERIFY(finished.front().at(1).value<RunEnd>().cancelled);
    }

    // What was written before stays to be read, and every view of it says that the run failed.
    void aRunThatFailsOverATextSaysSoEverywhere()
    {
        load();
        QSignalSpy finished(window_->service(), &EngineService::runFinished);
        window_->comparison()->run();
        QVERIFY(finished.wait());
        QSignalSpy failed(window_->service(), &EngineService::runFailed);
        window_->promptPanel()->setPrompt(QStringLiteral("ÄÖÜ"));
        window_->comparison()->run();
        QVERIFY(failed.wait());
        for (const StatePage* page : {window_->paneView(PaneSlot::Live)->page(), window_->heatmap()->page()}) {
            QCOMPARE(static_cast<int>(page->state()), static_cast<int>(StatePage::State::Stale));
            QVERIFY(page->bannerText().contains("The run failed"));
            QVERIFY(page->bannerText().contains("no piece for this text"));
        }
        QVERIFY(!window_->paneView(PaneSlot::Live)->text()->toPlainText().isEmpty());
    }

    // How busy this machine is, is not for a test to say.
    void aTableOfABusyMachineIsCalledRough()
    {
        ModelInfo model;
        model.latency_problem = QStringLiteral("none yet");
        QCOMPARE(MainWindow::tableText(model), QStringLiteral("Shares are of FLOPs: none yet"));
        model.latency.emplace().noise = 0.1;
        QCOMPARE(MainWindow::tableText(model), QStringLiteral("Latency table of this device"));
        model.latency->noise = 0.42;
        QCOMPARE(MainWindow::tableText(model), QStringLiteral("Rough latency table: the machine was busy (± 42 %)"));
    }

    void aTraceOfAnotherShapeHasNoCostsHere()
    {
        load();
        window_->comparison()->showTraces({test::smallTrace()}); // two layers; the model has three
        const auto* ledger = window_->findChild<QDockWidget*>(QStringLiteral("ledgerDock"));
        QVERIFY(ledger->findChild<StatePage*>()->message().contains("another shape"));
    }

    // On a small screen there is no room for what might be said some day.
    void whatIsNotSaidAsksForNoRoom()
    {
        auto* content = new QLabel(QStringLiteral("short"));
        StatePage page(content);
        page.show();
        page.showContent();
        QTRY_VERIFY(page.minimumSizeHint().height() < 2 * content->sizeHint().height());
        const int short_one = page.minimumSizeHint().height();
        page.showError(QStringLiteral("Title"), {ErrorCode::Internal, "What went wrong", "What to do"});
        QTRY_VERIFY(page.minimumSizeHint().height() > 2 * short_one);
        page.showContent();
        QTRY_COMPARE(page.minimumSizeHint().height(), short_one);
    }

private:
    [[nodiscard]] int pagesThatSay(const char* text) const
    {
        int count = 0;
        for (const StatePage* page : window_->findChildren<StatePage*>()) {
            const bool empty = page->state() == StatePage::State::Empty;
            count += empty && page->message().contains(QLatin1String(text)) ? 1 : 0;
        }
        return count;
    }

    void load()
    {
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(StatesTest)
#include "test_states.moc"
