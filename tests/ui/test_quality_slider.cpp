// The quality slider on the bundled model, whose conversion recorded what losses its sizes have; and panes that run
// something else than the open model.
#include <cmath>

#include <QAction>
#include <QFile>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QPushButton>
#include <QSettings>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "engine/base/files.h"
#include "engine/model/cost.h"
#include "engine/routing/quality.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/compare/paneview.h"
#include "ui/compare/promptpanel.h"
#include "ui/data/panemath.h"
#include "ui/data/targetmath.h"
#include "ui/parts/noticebar.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"
#include "ui/window/panesources.h"

using namespace flextron;
using namespace flextron::ui;

namespace {
constexpr int kLongMs = 60'000;
} // namespace

class QualitySliderTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        window_ = std::make_unique<MainWindow>();
        window_->setMeasureInBackground(false);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel({});
        QVERIFY(loaded.wait(kLongMs));
    }
    void cleanup() { window_.reset(); }

    void oneDrivesAndTheOthersFollow_data()
    {
        QTest::addColumn<QString>("routing");
        for (const char* routing : {"dynamic", "static", "uniform"}) QTest::newRow(routing) << QString(routing);
    }
    void oneDrivesAndTheOthersFollow()
    {
        QFETCH(QString, routing);
        const Routing which = *parseRouting(routing.toStdString());
        SubNetworkPanel* panel = window_->subNetworkPanel();
        QVERIFY(panel->setRouting(which));
        const QualityCurve& curve = *model().quality.at(static_cast<std::size_t>(which));
        const QualityStop& stop = curve.stops.at(1);
        QVERIFY(panel->setRise(stop.rise));
        QCOMPARE(window_->comparison()->target().kind, Target::Kind::Quality);
        QVERIFY(std::abs(panel->latencySlider()->requested() - stop.budget) < 1e-6);
        // The engine comes to the same, and the solid handle stands on it.
        settle();
        QVERIFY(live().complete());
        QVERIFY(std::abs(*live().plan.rise - stop.rise) < 1e-6);
        QVERIFY(std::abs(*panel->qualitySlider()->running() - (qualityRoom(curve) - stop.rise)) < 1e-6);
        QVERIFY(panel->qualityText().startsWith(QLatin1Char('+')));
        QVERIFY(panel->qualityText().contains("% perplexity"));
        QVERIFY(panel->qualityText().endsWith(curve.text.empty() ? QStringLiteral("by the surrogate")
                                                                 : QStringLiteral("on tinystories.valid")));
        // Back from the latency: the same place.
        panel->setBudget(which == Routing::Uniform ? stop.member.share : stop.budget);
        const double shown = qualityRoom(curve) - panel->qualitySlider()->requested();
        if (which != Routing::Uniform) QVERIFY(std::abs(shown - stop.rise) < 1e-6);
        panel->setRise(0);
        QVERIFY(panel->qualityText().startsWith("as the full model"));
    }

    // Under dynamic routing nobody knows before how many weights a token touches: the solid handle stands on what the
    // text's tokens took, not on what stands behind the routers.
    void parametersThatRunAreThoseOfTheTokens()
    {
        SubNetworkPanel* panel = window_->subNetworkPanel();
        QVERIFY(panel->setRouting(Routing::Dynamic));
        panel->setRise(0.1); // the plan behind these routers is the full model
        settle();
        QVERIFY(live().complete());
        CostOptions options;
        options.kv = KvRule::All;
        double sum = 0;
        for (const TokenRecord& record : live().trace.records) {
            const SubNetwork subnet{{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}};
            sum += static_cast<double>(costOf(subnet, model().config(), options).parameters);
        }
        const double mean = sum / static_cast<double>(live().trace.records.size());
        QVERIFY(mean < 0.95 * static_cast<double>(model().parameter_stops.back().parameters));
        QVERIFY(std::abs(*panel->parameterSlider()->running() - mean) < 1);
        QVERIFY(std::abs(panel->parameterSlider()->requested() - mean) < 1); // nobody asked for another
        QVERIFY(panel->parameterText().endsWith(QLatin1String("in the mean over the tokens of this text")));
        panel->setBudget(1.0);
        settle();
        QCOMPARE(*panel->parameterSlider()->running(), static_cast<double>(model().parameter_stops.back().parameters));
    }

    void aDragOfQualityIsOneStepOfUndo()
    {
        SubNetworkPanel* panel = window_->subNetworkPanel();
        panel->setBudget(1.0);
        settle();
        TargetSlider* slider = panel->qualitySlider();
        const double full = slider->requested();
        for (const double part : {0.9, 0.8, 0.7}) emit slider->dragged(part * full);
        emit slider->committed(0.6 * full);
        settle();
        QCOMPARE(window_->comparison()->target().kind, Target::Kind::Quality);
        QVERIFY(std::abs(slider->requested() - 0.6 * full) < 1e-6);
        window_->findChild<QAction*>(QStringLiteral("undo"))->trigger();
        QVERIFY(std::abs(slider->requested() - full) < 1e-6);
    }

    void otherRoutersAreAPaneOverTheSameWeights()
    {
        runToEnd();
        QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("routers.safetensors"));
        const ChoiceSets& choices = model().choices();
        QVERIFY(
            writeRouters(file.toStdString(), randomRouters(model().config(), choices, {1.0, 0.8, 0.6}, 16, 3)).ok());
        window_->paneSources()->open(file);
        QTRY_COMPARE(window_->comparison()->pins().size(), std::size_t{1});
        settle();
        const PaneData& pin = window_->comparison()->pane(PaneSlot::PinA);
        QVERIFY(pin.complete());
        QVERIFY(pin.trace.ids() != live().trace.ids()); // routers that nobody trained
        QVERIFY(pin.agreement && pin.agreement->agreement < 1);
        QVERIFY(window_->files()->commandOf(PaneSlot::PinA).contains("--routers"));
        // A session keeps it.
        const QString saved = folder.filePath(QStringLiteral("s.flextron"));
        QVERIFY(writeSession(saved, window_->files()->current()).ok());
        const std::vector<TokenId> before = pin.trace.ids();
        window_->comparison()->removePin(PaneSlot::PinA);
        QSignalSpy settled(window_->paneSources(), &PaneSources::settled);
        window_->files()->openSession(saved);
        QVERIFY(settled.wait(kLongMs));
        settle();
        QCOMPARE(window_->comparison()->pane(PaneSlot::PinA).trace.ids(), before);
    }

    // What is opened from a pane's own menu keeps that pane's target, whatever the slider does.
    void aPanesOwnMenuOpensTheSameWithOtherRouters()
    {
        SubNetworkPanel* panel = window_->subNetworkPanel();
        panel->setBudget(0.8);
        runToEnd();
        QVERIFY(window_->comparison()->addPin());
        panel->setBudget(0.6);
        settle();
        QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("routers.safetensors"));
        QVERIFY(
            writeRouters(file.toStdString(), randomRouters(model().config(), model().choices(), {1.0, 0.8, 0.6}, 16, 3))
                .ok());
        QVERIFY(actionOf(PaneSlot::Full, "Routers") == nullptr); // full width leaves them nothing to choose
        QVERIFY(actionOf(PaneSlot::Full, "Checkpoint") != nullptr);
        QAction* action = actionOf(PaneSlot::PinA, "Routers");
        QVERIFY(action != nullptr && action->isEnabled());
        action->trigger();
        auto* dialog = window_->findChild<QFileDialog*>();
        QVERIFY(dialog != nullptr);
        emit dialog->fileSelected(file);
        dialog->close();
        QTRY_COMPARE(window_->comparison()->pins().size(), std::size_t{2});
        settle();
        QVERIFY(window_->comparison()->pane(PaneSlot::PinB).complete());
        const PaneChoice choice = window_->comparison()->choice(PaneSlot::PinB);
        QVERIFY(choice.source != nullptr);
        QVERIFY(sameTarget(choice.target, window_->comparison()->choice(PaneSlot::PinA).target));
        QVERIFY(!sameTarget(choice.target, window_->comparison()->target()));
        QCOMPARE(window_->comparison()->paneName(PaneSlot::PinB), QFileInfo(folder.path()).fileName());
        for (int i = 0; i < 2; ++i) QVERIFY(window_->comparison()->addPin());
        QVERIFY(!action->isEnabled()); // no place is left
    }

    void anotherCheckpointIsAPaneAfterItsMemoryWasAgreedTo()
    {
        runToEnd();
        // The same model under another folder: then everything must agree.
        QTemporaryDir folder;
        const QString copy = folder.filePath(QStringLiteral("copy"));
        std::filesystem::copy(model().checkpoint->folder(), copy.toStdString());
        window_->paneSources()->open(copy);
        QTRY_VERIFY(window_->noticeBar()->text().contains("copy takes"));
        QVERIFY(window_->comparison()->pins().empty());
        window_->noticeBar()->button()->click();
        QTRY_COMPARE_WITH_TIMEOUT(window_->comparison()->pins().size(), std::size_t{1}, kLongMs);
        settle();
        const PaneData& pin = window_->comparison()->pane(PaneSlot::PinA);
        QVERIFY(pin.complete());
        QCOMPARE(pin.trace.ids(), live().trace.ids());
        QVERIFY(pin.agreement && live().agreement);
        QCOMPARE(pin.agreement->kl_to_full, live().agreement->kl_to_full);
        QCOMPARE(pin.agreement->tokens, live().agreement->tokens);
    }

    void aCheckpointOfAnotherShapeIsRefused()
    {
        window_->paneSources()->open(QStringLiteral(FLEXTRON_TEST_DATA "/stories260k-llama"));
        QTRY_VERIFY(window_->noticeBar()->text().contains("another shape"));
        QVERIFY(window_->noticeBar()->text().contains("nothing has changed"));
        QVERIFY(window_->comparison()->pins().empty());
    }

private:
    const ModelInfo& model() const { return *window_->service()->model(); }
    const PaneData& live() const { return window_->comparison()->pane(PaneSlot::Live); }

    QAction* actionOf(PaneSlot slot, const char* part) const
    {
        for (QAction* action : window_->paneView(slot)->menu()->actions()) {
            if (action->text().remove(QLatin1Char('&')).contains(QLatin1String(part))) return action;
        }
        return nullptr;
    }

    void settle()
    {
        const EngineService* service = window_->service();
        int calm = 0;
        QTRY_VERIFY_WITH_TIMEOUT((calm = service->running() || service->working() ? 0 : calm + 1) > 2, kLongMs);
    }

    void runToEnd()
    {
        window_->comparison()->run();
        settle();
        QVERIFY(live().complete());
    }

    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(QualitySliderTest)
#include "test_quality_slider.moc"
