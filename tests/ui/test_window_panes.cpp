// The window's sliders and panes together: scales, undo, another token, where texts part.
#include <cmath>

#include <QAction>
#include <QLocale>
#include <QSettings>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/paneview.h"
#include "ui/compare/promptpanel.h"
#include "ui/compare/splitcard.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {
constexpr int kLongMs = 20'000;
} // namespace

class WindowPanesTest final : public QObject {
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

    void theScaleChangesWhatIsSaidAndNotWhatIsAsked()
    {
        load();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        const double share = window_->service()->model()->latency_stops.front().share;
        panel->setBudget(share);
        panel->setScale(CostScale::Milliseconds); // there is no table yet
        QVERIFY(panel->latencyText().endsWith(QLatin1String("of full FLOPs")));
        window_->service()->measureWhenIdle();
        QTRY_VERIFY_WITH_TIMEOUT(panel->latencyText().contains(QLatin1String("ms a token of ")), kLongMs);
        panel->setBudget(window_->service()->model()->latency_stops[1].share);
        const double requested = panel->latencySlider()->requested();
        const auto widths = [this] {
            const ModelInfo& model = *window_->service()->model();
            TargetContext context;
            context.config = &model.config();
            context.choices = &model.choices();
            context.latency = model.latency ? &*model.latency : nullptr;
            return resolveTarget(window_->comparison()->target(), context).orThrow().plan.subnet;
        };
        const SubNetwork before = widths();
        panel->setScale(CostScale::Flops);
        QVERIFY(panel->latencyText().contains(QLatin1String("of full FLOPs, ")));
        QVERIFY(window_->comparison()->target().by_flops);
        QVERIFY(widths() == before); // another count of the same
        panel->setScale(CostScale::Share);
        QVERIFY(panel->latencyText().contains(QLatin1String("of full ms, ")));
        QVERIFY(!window_->comparison()->target().by_flops);
        QCOMPARE(panel->latencySlider()->requested(), requested);
    }

    void aDragIsOneStepOfUndo()
    {
        load();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        TargetSlider* slider = panel->latencySlider();
        QTRY_VERIFY(!action("undo")->isEnabled()); // what came before the model is forgotten
        for (const double value : {0.9, 0.85, 0.8}) emit slider->dragged(value);
        emit slider->committed(0.75);
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).complete());
        QVERIFY(action("undo")->isEnabled());
        QVERIFY(action("undo")->text().contains("target"));
        action("undo")->trigger();
        QCOMPARE(slider->requested(), 1.0);
        QVERIFY(!action("undo")->isEnabled());
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).complete()); // and it is what runs
        QCOMPARE(window_->comparison()->pane(PaneSlot::Live).plan.share, 1.0);
        action("redo")->trigger();
        QCOMPARE(slider->requested(), 0.75);
    }

    void aTokenIsGoneOnFromThroughTheSelection()
    {
        load();
        runToEnd();
        QVERIFY(window_->selection()->continuationOffered());
        window_->selection()->requestContinuation(PaneSlot::Live, 9, 5);
        QCOMPARE(window_->comparison()->pins().size(), std::size_t{1});
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::PinA).complete());
        QVERIFY(window_->paneView(PaneSlot::PinA)->isVisible());
        for (int i = 0; i < 3; ++i) action("pin")->trigger();
        QVERIFY(!action("pin")->isEnabled());
        window_->selection()->requestContinuation(PaneSlot::Live, 9, 5);
        QVERIFY(window_->statusText().contains("remove one first"));
    }

    void whereTextsPartBothDistributionsAreShown()
    {
        load();
        engine_->fake.backend->forced.clear();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(!window_->service()->running());
        const auto at = window_->comparison()->splitRecord(PaneSlot::Live);
        QVERIFY(at);
        SplitCard* card = window_->paneView(PaneSlot::Live)->showSplit();
        int column = 0;
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            const TokenRecord& record = window_->comparison()->pane(slot).trace.records[static_cast<std::size_t>(*at)];
            const auto& best = record.top.front();
            const QString percent = QLocale().toString(100 * std::exp(static_cast<double>(best.logprob)), 'f', 1);
            QVERIFY(card->cellText(0, column).contains(percent));
            QVERIFY(card->cellText(0, column).contains("written")); // greedy: the best one
            ++column;
        }
        card->close();
    }

    void everyLayoutFitsASmallScreen_data()
    {
        QTest::addColumn<int>("layout");
        QTest::addColumn<int>("pins");
        for (const int pins : {0, 2, 4}) {
            QTest::addRow("explore, %d pins", pins) << static_cast<int>(MainWindow::Layout::Explore) << pins;
            QTest::addRow("teach, %d pins", pins) << static_cast<int>(MainWindow::Layout::Teach) << pins;
        }
    }
    void everyLayoutFitsASmallScreen()
    {
        QFETCH(int, layout);
        QFETCH(int, pins);
        const QSize small(1280, 720);
        load();
        for (int i = 0; i < pins; ++i) action("pin")->trigger();
        QCOMPARE(static_cast<int>(window_->comparison()->pins().size()), pins);
        runToEnd();
        window_->arrange(static_cast<MainWindow::Layout>(layout));
        window_->showNormal(); // Teach takes the whole screen, and this one is another
        QTRY_VERIFY2(window_->minimumSizeHint().boundedTo(small) == window_->minimumSizeHint(),
                     qPrintable(QStringLiteral("at least %1 x %2")
                                    .arg(window_->minimumSizeHint().width())
                                    .arg(window_->minimumSizeHint().height())));
        QCoreApplication::processEvents();
        window_->resize(small);
        QTest::qWait(200); // what the panes still arrange must not make it larger again
        QCOMPARE(window_->size(), small);
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

QTEST_MAIN(WindowPanesTest)
#include "test_window_panes.moc"
