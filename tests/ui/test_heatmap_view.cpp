// The heatmap and its table, with mouse and keyboard, over runs of a fake engine.
#include <cmath>

#include <QAbstractItemModelTester>
#include <QAction>
#include <QSignalSpy>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/inspect/heatmapview.h"

using namespace flextron;
using namespace flextron::ui;

namespace {
constexpr int kLongMs = 20'000;
} // namespace

class HeatmapViewTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        for (int i = 0; i < 96; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
        selection_ = std::make_unique<Selection>();
        baseline_ = std::make_unique<Baseline>(service_.get(), comparison_.get());
        view_ = std::make_unique<HeatmapView>(service_.get(), comparison_.get(), selection_.get(), baseline_.get(),
                                              nullptr);
        view_->resize(900, 400);
        view_->show();
        QVERIFY(QTest::qWaitForWindowExposed(view_.get()));
        RunInputs inputs;
        inputs.prompt = QString::fromLatin1(test::kPrompt);
        inputs.max_tokens = 20;
        comparison_->setInputs(inputs);
    }

    void cleanup()
    {
        view_.reset();
        baseline_.reset();
        selection_.reset();
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void theMeansBesideTheMapAreThoseOfItsCells()
    {
        run(0.0);
        const Trace& trace = this->trace();
        for (int token = 0; token < static_cast<int>(trace.records.size()); ++token) {
            double sum = 0;
            for (const int width : trace.records[static_cast<std::size_t>(token)].mlp) sum += width;
            QCOMPARE(view_->plot()->drawnTokenMean(token), sum / trace.layers);
        }
        for (int layer = 0; layer < trace.layers; ++layer) {
            double sum = 0;
            for (const TokenRecord& record : trace.records) sum += record.mlp[static_cast<std::size_t>(layer)];
            QCOMPARE(view_->plot()->drawnLayerMean(layer), sum / static_cast<double>(trace.records.size()));
        }
    }

    void aDragBrushesCells()
    {
        run(0.0);
        HeatmapPlot* plot = view_->plot();
        QTest::mousePress(plot, Qt::LeftButton, {}, plot->cellPosition(4, 0));
        QTest::mouseMove(plot, plot->cellPosition(6, 1));
        QTest::mouseRelease(plot, Qt::LeftButton, {}, plot->cellPosition(8, 1));
        const SelectionState& state = selection_->state();
        QCOMPARE(state.tokens, (std::set<int>{4, 5, 6, 7, 8}));
        QCOMPARE(state.layers, (std::set<int>{0, 1}));
        QCOMPARE(state.primary, 8);
        QCOMPARE(state.layer, 1);
        QTest::mouseClick(plot, Qt::LeftButton, {}, plot->cellPosition(3, 2));
        QCOMPARE(state.tokens, std::set<int>{3});
        QCOMPARE(state.layer, 2);
        QVERIFY(state.layers.empty());
    }

    void zoomingKeepsToWhatThereIs()
    {
        run(0.0);
        HeatmapPlot* plot = view_->plot();
        const double width = plot->xAxis->range().size();
        QTest::keyClick(plot, Qt::Key_Plus);
        QVERIFY(plot->zoomed());
        QCOMPARE(plot->xAxis->range().size(), width / 2);
        for (int i = 0; i < 4; ++i) QTest::keyClick(plot, Qt::Key_Minus);
        QCOMPARE(plot->xAxis->range().lower, -0.5);
        QCOMPARE(plot->xAxis->range().size(), width);
        plot->xAxis->moveRange(1000);
        QVERIFY(plot->xAxis->range().upper <= width - 0.5);
        QTest::keyClick(plot, Qt::Key_0);
        QVERIFY(!plot->zoomed());
    }

    void numbersStandInCellsThatHoldThem()
    {
        run(0.0);
        HeatmapPlot* plot = view_->plot();
        view_->resize(300, 400);
        QTRY_VERIFY(!plot->numbersShown()); // two dozen tokens on three hundred points
        const QImage without = plot->grab().toImage();
        while (!plot->numbersShown() && plot->xAxis->range().size() > 2) QTest::keyClick(plot, Qt::Key_Plus);
        QVERIFY(plot->numbersShown());
        QTRY_VERIFY(plot->grab().toImage() != without); // drawn when the events are
        // For a class: as many tokens as fit, about the selected one.
        plot->resetZoom();
        plot->setPrinted(true);
        QVERIFY(plot->numbersShown());
        const int tokens = static_cast<int>(trace().records.size());
        QVERIFY(plot->xAxis->range().size() < tokens);
        QVERIFY(plot->xAxis->range().contains(tokens - 1)); // the newest
        selection_->selectToken(PaneSlot::Live, 0);
        QVERIFY(plot->xAxis->range().contains(0));
        QVERIFY(plot->numbersShown());
    }

    void differencesAreDrawnWhereTheTextsAgree()
    {
        run(0.0);
        action("heatmapDifference")->trigger();
        const Trace& full = comparison_->pane(PaneSlot::Full).trace;
        const int common = commonTokens(trace(), full);
        QVERIFY(common == static_cast<int>(trace().records.size())); // the fake engine's texts are forced
        QCOMPARE(view_->drawnValue(3, 1), static_cast<double>(trace().records[3].mlp[1] - full.records[3].mlp[1]));
        QVERIFY(view_->drawnValue(3, 1) < 0);
    }

    void afterASplitTheFullModelCanReadTheSameText()
    {
        engine_->fake.backend->forced.clear(); // now the texts part
        run(0.0);
        const int common = commonTokens(trace(), comparison_->pane(PaneSlot::Full).trace);
        QVERIFY(common < static_cast<int>(trace().records.size()));
        QVERIFY(!action("compareSameText")->isEnabled());
        action("heatmapDifference")->trigger();
        QVERIFY(std::isnan(view_->drawnValue(common, 0)));
        QVERIFY(view_->note().startsWith(QLatin1String("Hatched")));
        QVERIFY(action("compareSameText")->isEnabled());
        action("compareSameText")->trigger();
        QTRY_VERIFY(!std::isnan(view_->drawnValue(common, 0)));
        QVERIFY(!action("compareSameText")->isEnabled());
        const Baseline::View view = baseline_->of(PaneSlot::Live);
        QCOMPARE(view.common, static_cast<int>(trace().records.size()));
        QCOMPARE(view.trace->ids(), trace().ids());
        run(0.5);
        QVERIFY(baseline_->of(PaneSlot::Live).common <= static_cast<int>(trace().records.size()));
    }

    void theTableIsTheMapInWords()
    {
        run(0.0);
        action("heatmapTable")->trigger();
        TokenTable* table = view_->table();
        QVERIFY(table->isVisible());
        QAbstractItemModel* model = table->model();
        QAbstractItemModelTester tester(model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QCOMPARE(model->rowCount(), static_cast<int>(trace().records.size()));
        QCOMPARE(model->columnCount(), TokenTableModel::kFixedColumns + trace().layers);
        for (int token = 0; token < model->rowCount(); ++token) {
            for (int layer = 0; layer < trace().layers; ++layer) {
                QCOMPARE(model->index(token, TokenTableModel::kFixedColumns + layer)
                             .data(TokenTableModel::kValueRole)
                             .toDouble(),
                         view_->drawnValue(token, layer));
            }
        }
        // The least probable tokens first; the first token, which nothing foretold, comes last either way.
        const int surprisal = TokenTableModel::columnOf(TokenQuantity::Surprisal);
        for (const auto order : {Qt::DescendingOrder, Qt::AscendingOrder}) {
            model->sort(surprisal, order);
            for (int row = 2; row + 1 < model->rowCount(); ++row) {
                const double above = model->index(row - 1, surprisal).data(TokenTableModel::kValueRole).toDouble();
                const double here = model->index(row, surprisal).data(TokenTableModel::kValueRole).toDouble();
                QVERIFY(order == Qt::DescendingOrder ? above >= here : above <= here);
            }
            QCOMPARE(model->index(model->rowCount() - 1, 0).data(TokenTableModel::kValueRole).toInt(), 0);
        }
    }

    void theTableSharesTheSelection()
    {
        run(0.0);
        action("heatmapTable")->trigger();
        TokenTable* table = view_->table();
        selection_->selectToken(PaneSlot::Live, 5);
        QCOMPARE(table->currentIndex().row(), 5);
        table->setCurrentIndex(table->model()->index(7, 2));
        QCOMPARE(selection_->state().primary, 7);
    }

    void theTableGrowsWithTheRun()
    {
        load();
        QAbstractItemModelTester tester(view_->table()->model(),
                                        QAbstractItemModelTester::FailureReportingMode::QtTest);
        engine_->layer_ms = 1;
        QSignalSpy inserted(view_->table()->model(), &QAbstractItemModel::rowsInserted);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait(kLongMs));
        QVERIFY(inserted.count() > 1);
        QCOMPARE(view_->table()->model()->rowCount(), static_cast<int>(trace().records.size()));
    }

    void aSingleChoiceIsALayerProfile()
    {
        run(0.0);
        QVERIFY(view_->note().contains("same for every token"));
        QVERIFY(!action("switchToDynamic")->isEnabled()); // this model has no routers
    }

private:
    void load()
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
    }

    void run(double budget)
    {
        if (!service_->model()) load();
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = std::max(budget, service_->model()->latency_stops.front().share);
        target.routing = Routing::Uniform;
        comparison_->setTarget(target);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait(kLongMs));
    }

    [[nodiscard]] const Trace& trace() const { return comparison_->pane(PaneSlot::Live).trace; }
    [[nodiscard]] QAction* action(const char* name) const { return view_->findChild<QAction*>(QLatin1String(name)); }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
    std::unique_ptr<Selection> selection_;
    std::unique_ptr<Baseline> baseline_;
    std::unique_ptr<HeatmapView> view_;
};

QTEST_MAIN(HeatmapViewTest)
#include "test_heatmap_view.moc"
