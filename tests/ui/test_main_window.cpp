// The window as a user meets it: with keyboard and mouse, in all its states.
#include <cmath>

#include <QAbstractButton>
#include <QAbstractSpinBox>
#include <QAccessible>
#include <QAction>
#include <QClipboard>
#include <QComboBox>
#include <QDockWidget>
#include <QDropEvent>
#include <QMenuBar>
#include <QMimeData>
#include <QPushButton>
#include <QScrollBar>
#include <QSettings>
#include <QSignalSpy>
#include <QTest>

#include <qcustomplot.h>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/paneview.h"
#include "ui/compare/promptpanel.h"
#include "ui/data/targetmath.h"
#include "ui/inspect/heatmapview.h"
#include "ui/parts/colors.h"
#include "ui/parts/statusline.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 20'000;

/// What a user can act on, without Qt's own parts inside of it.
QList<QWidget*> controls(const QWidget& window)
{
    QList<QWidget*> found;
    for (QWidget* widget : window.findChildren<QWidget*>()) {
        if (widget->objectName().startsWith(QLatin1String("qt_"))) continue;
        if (qobject_cast<QScrollBar*>(widget)) continue;
        const bool control = qobject_cast<QAbstractButton*>(widget) || qobject_cast<QAbstractSlider*>(widget) ||
                             qobject_cast<QComboBox*>(widget) || qobject_cast<QAbstractSpinBox*>(widget) ||
                             qobject_cast<QPlainTextEdit*>(widget) || qobject_cast<QCustomPlot*>(widget);
        if (control) found << widget;
    }
    return found;
}

} // namespace

class MainWindowTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        engine_ = std::make_unique<test::FakeEngine>();
        for (int i = 0; i < 96; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        makeWindow();
    }

    void cleanup()
    {
        window_.reset();
        engine_.reset();
    }

    void everyControlHasAName()
    {
        for (int loaded = 0; loaded < 2; ++loaded) {
            for (QWidget* widget : controls(*window_)) {
                QAccessibleInterface* accessible = QAccessible::queryAccessibleInterface(widget);
                QVERIFY(accessible != nullptr);
                const bool unused = qobject_cast<QPushButton*>(widget) && widget->isHidden(); // named when it is shown
                QVERIFY2(unused || !accessible->text(QAccessible::Name).isEmpty(),
                         qPrintable(QStringLiteral("%1 “%2” has no accessible name")
                                        .arg(QLatin1String(widget->metaObject()->className()), widget->objectName())));
            }
            load();
        }
    }

    void noLetterIsGivenTwice()
    {
        QStringList keys;
        for (const QAction* menu : window_->menuBar()->actions())
            keys << QKeySequence::mnemonic(menu->text()).toString();
        for (const QLabel* label : window_->findChildren<QLabel*>()) {
            if (label->buddy() != nullptr) keys << QKeySequence::mnemonic(label->text()).toString();
        }
        keys.removeAll(QString());
        QCOMPARE(QSet<QString>(keys.begin(), keys.end()).size(), keys.size());
        QVERIFY(keys.size() > 8);
    }

    void everyActionSaysWhatItDoes()
    {
        for (const QAction* action : window_->actions()) {
            QVERIFY(!action->objectName().isEmpty());
            QVERIFY(!action->text().isEmpty());
            QVERIFY(!action->statusTip().isEmpty());
        }
    }

    void emptyPanelsSayWhatToDo()
    {
        QVERIFY(window_->paneView(PaneSlot::Live)->page()->message().contains("Open a model"));
        QVERIFY(window_->heatmap()->page()->message().contains("Open a model"));
        load();
        QVERIFY(window_->paneView(PaneSlot::Live)->page()->message().contains("Drag the latency slider"));
        QCOMPARE(static_cast<int>(window_->heatmap()->page()->state()), static_cast<int>(StatePage::State::Empty));
    }

    void aModelThatCannotBeOpenedSaysWhatWhyAndWhatToDo()
    {
        QSignalSpy failed(window_->service(), &EngineService::loadFailed);
        window_->openModel(QStringLiteral("missing"));
        QVERIFY(failed.wait());
        QVERIFY(window_->statusText().contains("there is no such folder"));
        for (const ActionButton* button : window_->findChildren<ActionButton*>())
            if (button->isVisible()) QVERIFY(button->isEnabled()); // the cancel button's end is not this one's
        bool shown = false;
        for (StatePage* page : window_->findChildren<StatePage*>()) {
            shown |= page->state() == StatePage::State::Error && page->message().contains("there is no such folder") &&
                     page->message().contains("Check the path.");
        }
        QVERIFY(shown);
    }

    void f5Runs()
    {
        load();
        QVERIFY(action("run")->isEnabled());
        QTest::keyClick(window_.get(), Qt::Key_F5);
        QVERIFY(window_->service()->running());
        QTRY_VERIFY(!window_->service()->running());
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            PaneView* pane = window_->paneView(slot);
            QVERIFY(pane->text()->toPlainText().startsWith(QLatin1String(test::kPrompt)));
            QVERIFY(pane->footerText().startsWith(QLatin1String("20 tokens")));
            QVERIFY(pane->footerText().contains("tok/s"));
            QVERIFY(pane->footerText().contains("p95"));
        }
    }

    void escapeStops()
    {
        load();
        engine_->layer_ms = 2;
        QTest::keyClick(window_.get(), Qt::Key_F5);
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).timing.new_tokens > 0);
        QTest::keyClick(window_.get(), Qt::Key_Escape);
        QTRY_VERIFY(!window_->service()->running());
        QVERIFY(window_->paneView(PaneSlot::Live)->footerText().contains("stopped"));
    }

    void textIsAppendedAndKnownByToken()
    {
        load();
        runToEnd();
        const PaneData& pane = window_->comparison()->pane(PaneSlot::Live);
        TokenTextView* text = window_->paneView(PaneSlot::Live)->text();
        QString joined;
        for (const QString& piece : pane.pieces) joined += piece;
        QCOMPARE(text->toPlainText(), joined);
        for (int token = 1; token < text->tokens(); ++token) {
            const auto span = text->span(token);
            QVERIFY(span.has_value());
            QCOMPARE(joined.mid(span->first, span->second - span->first), pane.pieces[static_cast<std::size_t>(token)]);
            QCOMPARE(text->tokenAt(span->first), token);
        }
    }

    void theSplitIsMarkedAndSaid()
    {
        load();
        engine_->fake.backend->forced.clear();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(!window_->service()->running());
        const auto at = window_->comparison()->divergence();
        QVERIFY(at.has_value());
        PaneView* live = window_->paneView(PaneSlot::Live);
        QCOMPARE(live->splitText(), QStringLiteral("split at token %1").arg(*at + 1));
        QCOMPARE(live->text()->markedToken(), window_->comparison()->pane(PaneSlot::Live).prompt_tokens + *at);
        QCOMPARE(window_->paneView(PaneSlot::Full)->splitText(), QString());
        // The mark covers its token, and no more when text came after.
        const auto span = live->text()->span(live->text()->markedToken());
        QVERIFY(!live->text()->extraSelections().isEmpty());
        QCOMPARE(live->text()->extraSelections().front().cursor.selectionStart(), span->first);
        QCOMPARE(live->text()->extraSelections().front().cursor.selectionEnd(), span->second);
    }

    void oneSliderDrivesAndTheOtherFollows()
    {
        load();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        const auto& stops = window_->service()->model()->latency_stops;
        const Stop& middle = stops[stops.size() / 2];
        panel->setBudget(middle.share);
        QCOMPARE(panel->latencySlider()->requested(), middle.share);
        QCOMPARE(panel->parameterSlider()->requested(), static_cast<double>(middle.parameters));
        const Stop& small = window_->service()->model()->parameter_stops.front();
        emit panel->parameterSlider()->committed(static_cast<double>(small.parameters));
        QCOMPARE(panel->latencySlider()->requested(), small.share);
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).complete());
        QCOMPARE(window_->comparison()->pane(PaneSlot::Live).plan.parameters, small.parameters);
        QCOMPARE(panel->latencySlider()->running(), std::optional(small.share));
    }

    void theLabelSaysWhatTheShareIsOf()
    {
        load();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        const auto* status = window_->findChild<ElidedLabel*>(QStringLiteral("latencyStatus"));
        QCOMPARE(panel->latencyText(), QStringLiteral("1.00 of full FLOPs"));
        QCOMPARE(status->fullText(), QStringLiteral("Shares are of FLOPs: no latency table for this set-up yet"));
        window_->service()->measureWhenIdle();
        QTRY_VERIFY_WITH_TIMEOUT(panel->latencyText().startsWith(QLatin1String("1.00 of full ms, ")), kLongMs);
        QVERIFY(panel->latencyText().endsWith(QLatin1String("a token")));
        QCOMPARE(status->fullText(), MainWindow::tableText(*window_->service()->model()));
    }

    void betweenTwoStopsBothAreSaid()
    {
        load();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        const auto& stops = window_->service()->model()->latency_stops;
        const double between = (stops[0].share + stops[1].share) / 2;
        panel->setBudget(between);
        QCOMPARE(panel->latencySlider()->requested(), between);
        QCOMPARE(panel->askedText(), QStringLiteral("asked %1").arg(QLocale().toString(between, 'f', 2)));
        QTRY_COMPARE(panel->latencySlider()->running(),
                     std::optional(stops[0].share)); // the solid handle is the engine's
    }

    void belowFullAnUntrainedModelIsAmberAndSaysWhy()
    {
        load();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        QVERIFY(panel->latencySlider()->cautious());
        panel->setBudget(0.0);
        QVERIFY(panel->cautionText().contains("widths untrained, the text will break"));
    }

    void theMouseDragsTheSliderAndThePreviewFollows()
    {
        load();
        runToEnd();
        TargetSlider* slider = window_->subNetworkPanel()->latencySlider();
        QSignalSpy started(window_->service(), &EngineService::runStarted);
        const int y = slider->height() / 3;
        QTest::mousePress(slider, Qt::LeftButton, {}, {slider->width() - slider->height() / 3, y});
        QTest::mouseMove(slider, {slider->width() * 3 / 4, y});
        QVERIFY(slider->requested() < 1.0);
        QVERIFY(!window_->subNetworkPanel()->latencyText().startsWith(QLatin1String("1.00"))); // at once
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).preview);
        QTest::mouseRelease(slider, Qt::LeftButton, {}, {slider->width() / 2, y});
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).complete());
        QVERIFY(started.count() >= 2);
    }

    void theKeyboardGoesFromStopToStop()
    {
        load();
        TargetSlider* slider = window_->subNetworkPanel()->latencySlider();
        const auto& stops = window_->service()->model()->latency_stops;
        QTest::keyClick(slider, Qt::Key_Left);
        QCOMPARE(slider->requested(), stops[stops.size() - 2].share);
        QTest::keyClick(slider, Qt::Key_Home);
        QCOMPARE(slider->requested(), stops.front().share);
        QTest::keyClick(slider, Qt::Key_Left);
        QCOMPARE(slider->requested(), stops.front().share);
        QTest::keyClick(slider, Qt::Key_End);
        QCOMPARE(slider->requested(), 1.0);
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).complete());
    }

    void theHeatmapHoldsTheRunsRecords()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).complete());
        HeatmapView* heatmap = window_->heatmap();
        const Trace& trace = window_->comparison()->pane(PaneSlot::Live).trace;
        for (int token = 0; token < static_cast<int>(trace.records.size()); ++token) {
            for (int layer = 0; layer < trace.layers; ++layer) {
                QCOMPARE(heatmap->drawnValue(token, layer),
                         static_cast<double>(
                             trace.records[static_cast<std::size_t>(token)].mlp[static_cast<std::size_t>(layer)]));
            }
        }
        QVERIFY(heatmap->note().contains("same for every token"));
        heatmap->setQuantity(Quantity::Heads);
        QCOMPARE(heatmap->drawnValue(0, 0), static_cast<double>(trace.records[0].heads[0]));
    }

    void theHeatmapFillsWhileTokensCome()
    {
        load();
        engine_->layer_ms = 2;
        window_->comparison()->run();
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).timing.new_tokens > 2);
        const int prompt = window_->comparison()->pane(PaneSlot::Live).prompt_tokens;
        QVERIFY(!std::isnan(window_->heatmap()->drawnValue(prompt - 1, 0))); // prompt tokens as well
        QVERIFY(std::isnan(window_->heatmap()->drawnValue(prompt + 19, 0))); // not yet: nothing, not zero
        QVERIFY(window_->heatmap()->plot()->xAxis->range().upper > prompt + 18);
    }

    void oneSelectionInAllViews()
    {
        load();
        runToEnd();
        HeatmapView* heatmap = window_->heatmap();
        QTest::keyClick(heatmap->plot(), Qt::Key_Right);
        QTest::keyClick(heatmap->plot(), Qt::Key_Right);
        QTest::keyClick(heatmap->plot(), Qt::Key_Up);
        const SelectionState& state = window_->selection()->state();
        QCOMPARE(state.primary, 1);
        QCOMPARE(state.layer, 1);
        QVERIFY(heatmap->readout().startsWith(QStringLiteral("token 1 “th”, layer 1: ")));
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            const TokenTextView* text = window_->paneView(slot)->text();
            QCOMPARE(text->extraSelections().size(), 1);
            QCOMPARE(text->extraSelections().front().cursor.selectedText(), QStringLiteral("th"));
        }
        action("clearSelection")->trigger();
        QVERIFY(window_->paneView(PaneSlot::Live)->text()->extraSelections().isEmpty());
    }

    void aClickInTheTextSelectsItsToken()
    {
        load();
        runToEnd();
        TokenTextView* text = window_->paneView(PaneSlot::Live)->text();
        QTextCursor cursor(text->document());
        cursor.setPosition(text->span(9)->first);
        const QRect at = text->cursorRect(cursor);
        QTest::mouseClick(text->viewport(), Qt::LeftButton, {}, at.center() + QPoint(2, 0));
        QCOMPARE(window_->selection()->state().primary, 9);
    }

    void anotherPromptMakesTheViewsSayThatTheyAreOld()
    {
        load();
        runToEnd();
        window_->promptPanel()->setPrompt(QStringLiteral("the dog"));
        QCOMPARE(static_cast<int>(window_->paneView(PaneSlot::Full)->page()->state()),
                 static_cast<int>(StatePage::State::Stale));
        QCOMPARE(static_cast<int>(window_->heatmap()->page()->state()), static_cast<int>(StatePage::State::Stale));
        window_->promptPanel()->setPrompt(QString::fromLatin1(test::kPrompt));
        QCOMPARE(static_cast<int>(window_->paneView(PaneSlot::Full)->page()->state()),
                 static_cast<int>(StatePage::State::Content));
    }

    void aFailedRunIsAnErrorInItsPane()
    {
        load();
        window_->promptPanel()->setPrompt(QStringLiteral("ÄÖÜ"));
        window_->comparison()->run();
        StatePage* page = window_->paneView(PaneSlot::Live)->page();
        QTRY_COMPARE(static_cast<int>(page->state()), static_cast<int>(StatePage::State::Error));
        QVERIFY(page->message().contains("no piece for this text"));
        for (QPushButton* button : page->findChildren<QPushButton*>()) {
            if (button->isVisibleTo(page) && button->text() == QLatin1String("Copy")) button->click();
        }
        QVERIFY(QApplication::clipboard()->text().contains("no piece for this text"));
    }

    void tokensOfThePromptAreCounted()
    {
        load();
        QTRY_COMPARE(window_->promptPanel()->countText(), QStringLiteral("7 tokens of 96"));
        window_->promptPanel()->editor()->setFocus();
        window_->promptPanel()->setPrompt(QStringLiteral("a"));
        QTRY_COMPARE(window_->promptPanel()->countText(), QStringLiteral("2 tokens of 96"));
    }

    void aDroppedFolderIsOpened()
    {
        QMimeData mime;
        mime.setUrls({QUrl::fromLocalFile(QDir::tempPath())});
        QSignalSpy started(window_->service(), &EngineService::loadStarted);
        QDragEnterEvent enter({10, 10}, Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window_.get(), &enter);
        QVERIFY(enter.isAccepted());
        QDropEvent drop({10, 10}, Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window_.get(), &drop);
        QCOMPARE(started.count(), 1);
        QCOMPARE(started.at(0).at(0).toString(), QDir::tempPath());
    }

    void closingWhileItRunsIsSafe()
    {
        load();
        engine_->layer_ms = 2;
        window_->comparison()->run();
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).timing.new_tokens > 0);
        window_->openModel(QStringLiteral("slow"));
        window_->close();
        window_.reset(); // must come back
    }

    void theArrangementIsRemembered()
    {
        window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->hide();
        window_->close();
        makeWindow();
        QVERIFY(!window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->isVisible());
        QVERIFY(window_->findChild<QDockWidget*>(QStringLiteral("heatmapDock"))->isVisible());
        action("resetLayout")->trigger();
        QVERIFY(window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->isVisible());
    }

    void settingsOfAnotherVersionAreLeftAlone()
    {
        window_->close();
        {
            QSettings settings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"),
                               QStringLiteral("explorer"));
            settings.setValue(QStringLiteral("version"), 999);
            settings.setValue(QStringLiteral("maxTokens"), 3);
        }
        window_.reset();
        window_ = std::make_unique<MainWindow>(engine_->calls());
        QCOMPARE(window_->comparison()->inputs().max_tokens, 64);
    }

    void docksCanBeMovedAndClosed()
    {
        const auto docks = window_->findChildren<QDockWidget*>();
        QVERIFY(docks.size() >= 3);
        for (const QDockWidget* dock : docks) {
            QVERIFY(!dock->objectName().isEmpty());
            QVERIFY(dock->features().testFlag(QDockWidget::DockWidgetClosable));
            QVERIFY(dock->features().testFlag(QDockWidget::DockWidgetMovable));
        }
    }

    void coloursFollowThePalette()
    {
        load();
        runToEnd();
        const auto ground = [this] { return window_->heatmap()->plot()->toPixmap(60, 60).toImage().pixelColor(1, 1); };
        applyTheme(Theme::Light);
        QTRY_VERIFY(ground().lightnessF() > 0.8F);
        applyTheme(Theme::Dark);
        QTRY_VERIFY(ground().lightnessF() < 0.3F);
        applyTheme(Theme::Light);
    }

private:
    void makeWindow()
    {
        window_.reset();
        window_ = std::make_unique<MainWindow>(engine_->calls());
        window_->setMeasureInBackground(false);
        window_->promptPanel()->setPrompt(QString::fromLatin1(test::kPrompt));
        for (QSpinBox* box : window_->findChildren<QSpinBox*>()) {
            if (box->accessibleName() == QLatin1String("Tokens")) box->setValue(20);
        }
        QCOMPARE(window_->comparison()->inputs().max_tokens, 20);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    }

    void load()
    {
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
    }

    void runToEnd()
    {
        QSignalSpy finished(window_->service(), &EngineService::runFinished);
        window_->comparison()->run();
        QVERIFY(finished.wait(kLongMs));
    }

    [[nodiscard]] QAction* action(const char* name) const { return window_->findChild<QAction*>(QLatin1String(name)); }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(MainWindowTest)
#include "test_main_window.moc"
