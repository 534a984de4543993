// Commands by name, keys that can be changed, help for what has the keyboard, and the three layouts.
#include <QAbstractButton>
#include <QAbstractSlider>
#include <QAbstractSpinBox>
#include <QAction>
#include <QComboBox>
#include <QDockWidget>
#include <QScrollBar>
#include <QSettings>
#include <QTest>

#include <qcustomplot.h>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/promptpanel.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/commandpalette.h"
#include "ui/window/help.h"
#include "ui/window/keydialog.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

class CommandsTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        settings().clear();
        engine_ = std::make_unique<test::FakeEngine>();
        makeWindow();
    }

    void cleanup()
    {
        window_.reset();
        engine_.reset();
    }

    void everyActionIsListedOnce()
    {
        const QList<QAction*> listed = listedActions(window_.get());
        QCOMPARE(QSet<QAction*>(listed.begin(), listed.end()).size(), listed.size());
        for (const QAction* action : window_->actions()) QVERIFY(listed.contains(action));
        QVERIFY(listed.size() > 30);
    }

    void noKeyDoesTwoThings()
    {
        QStringList keys;
        for (const QAction* action : listedActions(window_.get())) {
            if (!action->shortcut().isEmpty()) keys << action->shortcut().toString();
        }
        QCOMPARE(QSet<QString>(keys.begin(), keys.end()).size(), keys.size());
    }

    void aCommandIsFoundByPartsOfItsName()
    {
        QVERIFY(matches(QStringLiteral("pin tar"), QStringLiteral("Pin This Target")));
        QVERIFY(!matches(QStringLiteral("pin full"), QStringLiteral("Pin This Target")));
        action("commands")->trigger();
        auto* palette = window_->findChild<CommandPalette*>();
        QVERIFY(palette != nullptr && palette->isVisible());
        QTest::keyClicks(palette->line(), QStringLiteral("reset lay"));
        QCOMPARE(palette->list()->count(), 1);
        window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->hide();
        QTest::keyClick(palette->line(), Qt::Key_Return);
        QVERIFY(!palette->isVisible());
        QTRY_VERIFY(window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->isVisible()); // it was done
    }

    void aCommandIsFoundByItsWholeName()
    {
        action("commands")->trigger();
        auto* palette = window_->findChild<CommandPalette*>();
        for (const QAction* listed : listedActions(window_.get())) {
            if (!listed->isEnabled()) continue;
            for (const QString& name : {actionTitle(listed), listed->text().remove(QLatin1Char('&'))}) { // "Convert…"
                palette->line()->setText(name);
                QVERIFY2(palette->list()->count() > 0 &&
                             palette->list()->currentItem()->text().startsWith(actionTitle(listed)),
                         qPrintable(name));
            }
        }
    }

    void everyPanelIsReachedByKeyboard()
    {
        window_->show();
        for (auto* dock : window_->findChildren<QDockWidget*>()) {
            dock->hide();
            action(qPrintable(QStringLiteral("goTo_") + dock->objectName()))->trigger();
            QTRY_VERIFY2(!dock->visibleRegion().isEmpty(), qPrintable(dock->objectName()));
        }
        for (const char* name : {"subNetworkDock", "samplingDock", "notesDock", "runDock"}) {
            action(qPrintable(QStringLiteral("goTo_") + QLatin1String(name)))->trigger();
            QVERIFY2(window_->findChild<QDockWidget*>(QLatin1String(name))->isAncestorOf(window_->focusWidget()), name);
        }
    }

    void aPanelBehindAnotherComesToTheFrontRatherThanCloses()
    {
        window_->show();
        const auto dock = [this](const char* name) { return window_->findChild<QDockWidget*>(QLatin1String(name)); };
        action("goTo_modelDock")->trigger();
        QTRY_VERIFY(dock("samplingDock")->visibleRegion().isEmpty());
        dock("samplingDock")->toggleViewAction()->trigger();
        QTRY_VERIFY(!dock("samplingDock")->visibleRegion().isEmpty());
        dock("samplingDock")->toggleViewAction()->trigger(); // it is seen: now it goes
        QTRY_VERIFY(dock("samplingDock")->isHidden());
        dock("samplingDock")->toggleViewAction()->trigger();
        QTRY_VERIFY(!dock("samplingDock")->visibleRegion().isEmpty());
    }

    void thePanelThatHasTheKeyboardIsSeen()
    {
        window_->activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(window_.get()));
        const auto dock = [this](const char* name) { return window_->findChild<QDockWidget*>(QLatin1String(name)); };
        action("goTo_modelDock")->trigger();
        QTRY_VERIFY(dock("samplingDock")->visibleRegion().isEmpty());
        window_->promptPanel()->editor()->setFocus();
        bool sampled = false;
        for (int i = 0; i < 200 && !sampled; ++i) {
            QTest::keyClick(window_->focusWidget(), Qt::Key_Tab);
            QTRY_VERIFY(!window_->focusWidget()->visibleRegion().isEmpty());
            sampled = dock("samplingDock")->isAncestorOf(window_->focusWidget());
        }
        QVERIFY(sampled);
        QVERIFY(dock("modelDock")->visibleRegion().isEmpty());
        // A control that goes away takes no other panel to the front.
        window_->focusWidget()->setEnabled(false);
        QTRY_VERIFY(!window_->focusWidget()->visibleRegion().isEmpty());
    }

    void keysAreChangedKeptAndPutBack()
    {
        {
            KeyDialog dialog(window_.get());
            dialog.open();
            QVERIFY(!dialog.assign(action("read"), action("run")->shortcut()));
            QVERIFY(dialog.problem().contains(QStringLiteral("Run")));
            QVERIFY(dialog.assign(action("read"), QKeySequence(Qt::CTRL | Qt::Key_F7)));
        }
        window_->close();
        makeWindow();
        QCOMPARE(action("read")->shortcut(), QKeySequence(Qt::CTRL | Qt::Key_F7));
        {
            KeyDialog again(window_.get());
            again.open();
            QVERIFY(again.assign(action("read"), QKeySequence(Qt::SHIFT | Qt::Key_F5)));
        }
        window_->close();
        QVERIFY(!settings().contains(QStringLiteral("keys/read"))); // as it was: nothing to keep
    }

    void everyControlHasHelp()
    {
        for (QWidget* widget : window_->findChildren<QWidget*>()) {
            if (widget->objectName().startsWith(QLatin1String("qt_")) || qobject_cast<QScrollBar*>(widget)) continue;
            const bool control = qobject_cast<QAbstractSlider*>(widget) || qobject_cast<QComboBox*>(widget) ||
                                 qobject_cast<QAbstractSpinBox*>(widget) || qobject_cast<QCustomPlot*>(widget);
            if (!control || widget->window() != window_.get()) continue;
            QVERIFY2(!helpFor(widget).isEmpty(),
                     qPrintable(QStringLiteral("%1 “%2”").arg(QLatin1String(widget->metaObject()->className()),
                                                              widget->accessibleName())));
        }
    }

    void everyTermSaysWhereItComesFrom()
    {
        QSet<QString> names;
        for (const Term& term : glossaryTerms()) {
            QVERIFY(!names.contains(QLatin1String(term.name)));
            names.insert(QLatin1String(term.name));
            QVERIFY(QString::fromUtf8(term.meaning).endsWith(QLatin1Char('.')));
            QVERIFY(!QString::fromUtf8(term.place).isEmpty());
        }
        Glossary glossary(nullptr);
        QCOMPARE(glossary.table()->rowCount(), static_cast<int>(glossaryTerms().size()));
    }

    void eachLayoutComesBackAsItWasLeft()
    {
        auto* model = window_->findChild<QDockWidget*>(QStringLiteral("modelDock"));
        auto* heatmap = window_->findChild<QDockWidget*>(QStringLiteral("heatmapDock"));
        QVERIFY(model->isVisible());
        action("layoutTeach")->trigger();
        QVERIFY(!model->isVisible());
        QVERIFY(heatmap->isVisible());
        QCOMPARE(window_->font().pointSizeF(), 18.0);
        action("layoutDebug")->trigger();
        for (const QDockWidget* dock : window_->findChildren<QDockWidget*>()) QVERIFY(!dock->isHidden());
        heatmap->hide();
        action("layoutExplore")->trigger();
        QVERIFY(heatmap->isVisible());
        QCOMPARE(window_->font().pointSizeF(), QApplication::font().pointSizeF());
        action("layoutDebug")->trigger();
        QVERIFY(!heatmap->isVisible());
        window_->close();
        makeWindow();
        action("layoutDebug")->trigger();
        QVERIFY(window_->findChild<QDockWidget*>(QStringLiteral("heatmapDock"))->isHidden());
    }

    // A class is shown the full screen, and then everybody has the window that they had.
    void aMaximisedWindowIsOneAfterTeach()
    {
        window_->showMaximized();
        action("layoutTeach")->trigger();
        QVERIFY(window_->isFullScreen());
        action("layoutExplore")->trigger();
        QVERIFY(window_->isMaximized() && !window_->isFullScreen());
        const QSize size = window_->size();
        action("layoutDebug")->trigger();
        QCOMPARE(window_->size(), size);
    }

    // A panel keeps the width that its widest moment needed.
    void coloursAndTheClassLayoutWidenNoPanel()
    {
        window_->resize(1280, 720);
        QTest::qWait(50);
        const auto* token = window_->findChild<QDockWidget*>(QStringLiteral("tokenDock"));
        auto* colours = window_->findChild<QComboBox*>(QStringLiteral("textColoring"));
        const int width = token->width();
        for (int i = colours->count() - 1; i >= 0; --i) {
            colours->setCurrentIndex(i);
            QTest::qWait(20);
            QCOMPARE(token->width(), width);
        }
        colours->setCurrentIndex(1);
        action("layoutTeach")->trigger();
        QTest::qWait(50);
        action("layoutExplore")->trigger();
        QTRY_COMPARE(token->width(), width);
    }

    // Large letters need more than a small window has; that must not stay with it.
    void aSmallWindowIsNotLargerAfterTeach()
    {
        window_->resize(window_->minimumSizeHint());
        QTest::qWait(50);
        const QSize size = window_->size();
        for (int i = 0; i < 2; ++i) {
            action("layoutTeach")->trigger();
            QTest::qWait(50);
            const auto* sliders = window_->findChild<QDockWidget*>(QStringLiteral("subNetworkDock"));
            QVERIFY(sliders->width() <= window_->width() / 2);
            action("layoutExplore")->trigger();
            QTRY_COMPARE(window_->size(), size);
        }
    }

private:
    static QSettings settings()
    {
        return QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"),
                         QStringLiteral("explorer"));
    }

    void makeWindow()
    {
        window_.reset();
        window_ = std::make_unique<MainWindow>(engine_->calls());
        window_->setMeasureInBackground(false);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    }

    [[nodiscard]] QAction* action(const char* name) const { return window_->findChild<QAction*>(QLatin1String(name)); }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(CommandsTest)
#include "test_commands.moc"
