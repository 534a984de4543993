// "Why this choice" and the budget ledger over a run with random routers: what they show is what the trace holds.
#include <cmath>

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/data/routerdata.h"
#include "ui/inspect/ledgerview.h"
#include "ui/inspect/responseview.h"
#include "ui/inspect/whyview.h"

using namespace flextron;
using namespace flextron::ui;

class RouterViewsTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        LoadedModel& model = *engine_->fake.model;
        model.routers = std::make_shared<const Routers>(
            randomRouters(model.config(), model.checkpoint->choices(), {1.0, 0.75, 0.5}, 8, 3));
        for (int i = 0; i < 96; ++i) engine_->fake.backend->forced[i] = 3 + i % 20;
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
        selection_ = std::make_unique<Selection>();
        RunInputs inputs;
        inputs.prompt = QString::fromLatin1(test::kPrompt);
        inputs.max_tokens = 20;
        comparison_->setInputs(inputs);
    }

    void cleanup()
    {
        selection_.reset();
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void whySaysWhatTheRoutersSaid()
    {
        WhyView why(service_.get(), comparison_.get(), selection_.get(), nullptr);
        QVERIFY(why.page()->message().contains("Open a model"));
        run(Routing::Dynamic);
        const Trace& trace = this->trace();
        selection_->selectToken(PaneSlot::Live, 4, 1);
        for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
            const TokenRecord& record = trace.records[4];
            const auto& all = block == SubBlock::Mlp ? record.mlp_probabilities : record.head_probabilities;
            const std::size_t count = choicesOf(trace, block).size();
            QCOMPARE(why.bars(block)->probabilities(),
                     std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(count),
                                        all.begin() + static_cast<std::ptrdiff_t>(2 * count)));
            const int used = (block == SubBlock::Mlp ? record.mlp : record.heads)[1];
            QVERIFY(why.factText(block).startsWith(QStringLiteral("Used: %1 of ").arg(used)));
            QVERIFY(why.factText(block).contains("margin"));
        }
        QVERIFY(why.headText().contains("layer 1"));
    }

    void withoutRoutersItSaysSo()
    {
        WhyView why(service_.get(), comparison_.get(), selection_.get(), nullptr);
        run(Routing::Uniform);
        selection_->selectToken(PaneSlot::Live, 4, 1);
        QVERIFY(why.factText(SubBlock::Mlp).contains("One choice for the whole text"));
        QVERIFY(why.bars(SubBlock::Mlp)->probabilities().empty());
    }

    void theResponseCurveIsTheEngines()
    {
        ResponseView view(service_.get(), comparison_.get(), selection_.get());
        run(Routing::Dynamic);
        QVERIFY(view.page()->message().contains("token that was read"));
        selection_->selectToken(PaneSlot::Live, 4, 1);
        QTRY_VERIFY(!view.drawn(SubBlock::Mlp).empty());
        const LoadedModel& model = *engine_->fake.model;
        const auto budgets = responseBudgets(*model.routers);
        const auto response = routerResponse(model, trace(), 4, budgets);
        QVERIFY(response.ok());
        for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
            const auto drawn = view.drawn(block);
            QCOMPARE(drawn.size(), budgets.size());
            const double full = choicesOf(trace(), block).back();
            // Drawn by rising target; the engine's go down.
            for (std::size_t i = 0; i < budgets.size(); ++i)
                QCOMPARE(drawn[budgets.size() - 1 - i], response->width(i, 1, block) / full);
        }
        selection_->setLayer(2);
        QVERIFY(!view.drawn(SubBlock::Mlp).empty()); // asks nothing anew
    }

    void theLedgerIsOfTheRun()
    {
        LedgerView view(service_.get(), comparison_.get(), selection_.get(), nullptr);
        QAbstractItemModelTester tester(view.spending(), QAbstractItemModelTester::FailureReportingMode::QtTest);
        QCOMPARE(static_cast<int>(view.page()->state()), static_cast<int>(StatePage::State::Empty));
        run(Routing::Dynamic);
        const LayerCosts costs(service_->model()->config(), service_->model()->latency);
        const BudgetLedger ledger = budgetLedger(trace(), costs);
        QCOMPARE(view.ledger().mean.chosen, ledger.mean.chosen);
        QVERIFY(
            view.summary().contains(QStringLiteral("chosen %1").arg(QLocale().toString(ledger.mean.chosen, 'f', 2))));
        QVERIFY(view.summary().contains(QStringLiteral("asked 0.60")));
        QCOMPARE(view.spending()->rowCount(), trace().layers);
        selection_->selectToken(PaneSlot::Live, 4, 1);
        QVERIFY(view.summary().contains("Token 4: asked"));
    }

private:
    void run(Routing routing)
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = 0.6;
        target.routing = routing;
        comparison_->setTarget(target);
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait(20'000));
        QCOMPARE(static_cast<int>(comparison_->pane(PaneSlot::Live).state), static_cast<int>(PaneState::Done));
    }

    [[nodiscard]] const Trace& trace() const { return comparison_->pane(PaneSlot::Live).trace; }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
    std::unique_ptr<Selection> selection_;
};

QTEST_MAIN(RouterViewsTest)
#include "test_router_views.moc"
