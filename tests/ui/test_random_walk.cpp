// A user who does anything at any time. Nothing is checked but that the window lives, stays true to itself, and works
// afterwards. FLEXTRON_WALK=real walks 300 steps with the real engine; FLEXTRON_WALK_STEPS and FLEXTRON_WALK_SEED
// choose.
#include <random>

#include <QAbstractSlider>
#include <QAction>
#include <QComboBox>
#include <QDialog>
#include <QDoubleSpinBox>
#include <QFile>
#include <QMenuBar>
#include <QPushButton>
#include <QSettings>
#include <QSpinBox>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/panearea.h"
#include "ui/compare/promptpanel.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/commandpalette.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 60'000;

int fromEnvironment(const char* name, int otherwise)
{
    return qEnvironmentVariableIsSet(name) ? qEnvironmentVariableIntValue(name) : otherwise;
}

} // namespace

class RandomWalkTest final : public QObject {
    Q_OBJECT

private slots:
    void theWindowLivesThroughAnything()
    {
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        const int steps = fromEnvironment("FLEXTRON_WALK_STEPS", real_ ? 300 : 10'000);
        random_.seed(static_cast<unsigned>(fromEnvironment("FLEXTRON_WALK_SEED", 1)));
        window_ = std::make_unique<MainWindow>(real_ ? realEngine() : engine_.calls());
        window_->setMeasureInBackground(false);
        window_->show();
        window_->openModel(goodModel());
        QTRY_VERIFY_WITH_TIMEOUT(window_->service()->model(), kLongMs);
        QVERIFY(window_->comparison() != nullptr);
        for (int i = 0; i < steps; ++i) {
            trail_ = QStringLiteral("step %1: ").arg(i);
            doSomething();
            if (pick(3) == 0) QTest::qWait(pick(real_ ? 60 : 3));
            else QCoreApplication::processEvents();
            checkPanes();
            if (QTest::currentTestFailed()) return;
        }
        itStillWorks();
        window_.reset();
    }

private:
    int pick(int below) { return below <= 0 ? 0 : std::uniform_int_distribution<int>(0, below - 1)(random_); }
    [[nodiscard]] QString goodModel() const { return real_ ? QString() : QStringLiteral("fake"); }

    template <class Widget> Widget* anyVisible()
    {
        QList<Widget*> found;
        for (Widget* widget : window_->findChildren<Widget*>()) {
            if (widget->isVisible() && widget->isEnabled()) found << widget;
        }
        return found.isEmpty() ? nullptr : found.at(pick(static_cast<int>(found.size())));
    }

    void doSomething()
    {
        switch (pick(12)) {
        case 0:
        case 1:
        case 2: return triggerAction();
        case 3:
        case 4: return dragSlider();
        case 5: return pressKey();
        case 6: return changePrompt();
        case 7: return changeBox();
        case 8:
            return window_->selection()->selectToken(static_cast<PaneSlot>(pick(kPaneSlots)), pick(80) - 2,
                                                     pick(6) - 1);
        case 9: return closeDialogs();
        case 10: return openSomething();
        default:
            return window_->selection()->requestContinuation(static_cast<PaneSlot>(pick(kPaneSlots)), pick(60),
                                                             pick(39));
        }
    }

    void triggerAction()
    {
        QList<QAction*> actions;
        for (QAction* action : listedActions(window_.get())) {
            if (action->isEnabled() && action->objectName() != QLatin1String("quit")) actions << action;
        }
        QAction* action = actions.at(pick(static_cast<int>(actions.size())));
        trail_ += action->text();
        action->trigger(); // and comes back: nothing may wait for a person in a loop of its own
    }

    void dragSlider()
    {
        auto* slider = anyVisible<TargetSlider>();
        if (slider == nullptr) return;
        const auto at = [&] { return QPoint(pick(slider->width()), slider->height() / 3); };
        QTest::mousePress(slider, Qt::LeftButton, {}, at());
        for (int moves = pick(5); moves > 0; --moves) {
            QTest::mouseMove(slider, at());
            QCoreApplication::processEvents();
        }
        QTest::mouseRelease(slider, Qt::LeftButton, {}, at());
    }

    void pressKey()
    {
        static constexpr std::array kKeys{Qt::Key_Left, Qt::Key_Right, Qt::Key_Up,     Qt::Key_Down,  Qt::Key_Home,
                                          Qt::Key_End,  Qt::Key_Tab,   Qt::Key_Escape, Qt::Key_Space, Qt::Key_PageUp};
        auto* widget = anyVisible<QWidget>();
        // A button's menu and the menu bar wait for an answer: nobody here gives one.
        if (widget == nullptr || qobject_cast<QAbstractButton*>(widget) || qobject_cast<QMenuBar*>(widget)) return;
        if (widget->objectName().startsWith(QLatin1String("qt_"))) return;
        QTest::keyClick(widget, kKeys.at(static_cast<std::size_t>(pick(static_cast<int>(kKeys.size())))));
    }

    void changePrompt()
    {
        static const QStringList kPrompts{
            QStringLiteral("the cat"), QStringLiteral("a dog sat on the mat"),        QString(), QStringLiteral("ÄÖÜ"),
            QStringLiteral("  "),      QStringLiteral("the cat sat on ").repeated(30)};
        window_->promptPanel()->setPrompt(kPrompts.at(pick(static_cast<int>(kPrompts.size()))));
    }

    void changeBox()
    {
        if (pick(2) == 0) {
            if (auto* box = anyVisible<QComboBox>(); box != nullptr && box->count() > 0) {
                box->setCurrentIndex(pick(box->count()));
                emit box->activated(box->currentIndex());
            }
        } else if (auto* box = anyVisible<QSpinBox>()) {
            box->setValue(pick(40));
        } else if (auto* number = anyVisible<QDoubleSpinBox>()) {
            number->setValue(pick(100) / 50.0);
        }
    }

    void closeDialogs()
    {
        for (QWidget* widget : QApplication::topLevelWidgets()) {
            if (widget != window_.get() && widget->isVisible()) widget->close();
        }
    }

    void openSomething()
    {
        switch (pick(8)) {
        case 0: return window_->openModel(goodModel());
        case 1: return window_->openModel(QStringLiteral("missing"));
        case 2: return real_ ? window_->openModel(QStringLiteral("/proc")) : window_->openModel(QStringLiteral("slow"));
        case 3: return window_->files()->saveSession(folder_.filePath(QStringLiteral("s.flextron")));
        case 4: return window_->files()->openSession(folder_.filePath(QStringLiteral("s.flextron")));
        case 5: return window_->files()->saveTraces(folder_.filePath(QStringLiteral("t.safetensors")));
        case 6: return window_->files()->openTraces(folder_.filePath(QStringLiteral("t.safetensors")));
        default: return window_->comparison()->stop();
        }
    }

    void checkPanes()
    {
        for (int i = 0; i < kPaneSlots; ++i) {
            const auto slot = static_cast<PaneSlot>(i);
            const PaneData& pane = window_->comparison()->pane(slot);
            QVERIFY2(pane.pieces.size() == pane.trace.records.size(), qPrintable(trail_));
            QVERIFY2(pane.prompt_tokens <= static_cast<int>(pane.pieces.size()), qPrintable(trail_));
            QVERIFY2(window_->paneView(slot)->text()->tokens() <= static_cast<int>(pane.pieces.size()),
                     qPrintable(trail_));
            QVERIFY2(!pane.hasText() || window_->comparison()->present(slot), qPrintable(trail_));
        }
        QVERIFY(window_->comparison()->order().size() <= static_cast<std::size_t>(kPaneSlots));
    }

    void itStillWorks()
    {
        closeDialogs();
        window_->comparison()->stop();
        window_->service()->cancelLoad();
        QTRY_VERIFY_WITH_TIMEOUT(!window_->service()->running() && !window_->service()->loading(), kLongMs);
        window_->pace()->setMode(Pace::Mode::Off);
        window_->openModel(goodModel());
        QTRY_VERIFY_WITH_TIMEOUT(!window_->service()->loading(), kLongMs);
        window_->comparison()->restore({});
        window_->promptPanel()->setPrompt(QStringLiteral("the cat"));
        window_->comparison()->run();
        QTRY_VERIFY_WITH_TIMEOUT(window_->comparison()->pane(PaneSlot::Full).complete(), kLongMs);
        QTRY_VERIFY_WITH_TIMEOUT(window_->comparison()->pane(PaneSlot::Live).complete(), kLongMs);
        const PaneData& full = window_->comparison()->pane(PaneSlot::Full);
        QVERIFY(full.timing.new_tokens > 0);
        QTRY_VERIFY(window_->paneView(PaneSlot::Full)->text()->toPlainText().startsWith(QLatin1String("the cat")));
    }

    const bool real_ = qgetenv("FLEXTRON_WALK") == "real";
    QTemporaryDir folder_;
    test::FakeEngine engine_;
    std::mt19937 random_;
    QString trail_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(RandomWalkTest)
#include "test_random_walk.moc"
