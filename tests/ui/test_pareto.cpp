// Quality against cost, and the latency table's panel, with a fake engine.
#include <cmath>

#include <QAbstractItemModelTester>
#include <QAction>
#include <QSignalSpy>
#include <QTest>

#include <qcustomplot.h>

#include "engine/evaluate/scoring.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/measure/latencyview.h"
#include "ui/measure/paretoview.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

ParetoPoint point(double share, double loss)
{
    ParetoPoint made;
    made.share = share;
    made.ms = std::nan("");
    made.loss = loss;
    return made;
}

} // namespace

class ParetoTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
    }

    void cleanup()
    {
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void theFrontIsWhatNothingBeats()
    {
        const std::vector<ParetoPoint> points{point(1, 2.0), point(0.5, 2.4), point(0.6, 2.5), point(0.3, 3),
                                              point(0.5, 2.6)};
        QCOMPARE(paretoFront(points), (std::vector<std::size_t>{3, 1, 0}));
        QVERIFY(paretoFront({}).empty());
    }

    void everyStopAndPinIsMeasured()
    {
        load();
        const auto& stops = service_->model()->latency_stops;
        QCOMPARE(paretoRequests(*service_->model(), {}).size(), stops.size()); // no routers
        comparison_->addPin();
        const auto requests = paretoRequests(*service_->model(), comparison_->pins());
        QCOMPARE(requests.size(), stops.size() + 1);
        QCOMPARE(static_cast<int>(requests.back().kind), static_cast<int>(ParetoKind::Pinned));
    }

    void thePointsAreTheScores()
    {
        ParetoView view(service_.get(), comparison_.get());
        QVERIFY(view.page()->message().contains("Open a model"));
        load();
        const std::string text = "the cat sat on the mat. a dog ran.";
        view.setText(QStringLiteral("a text"), text);
        QVERIFY(view.page()->message().contains("a text"));
        view.viewActions().front()->trigger();
        QVERIFY(!view.viewActions().front()->isEnabled());
        const auto& stops = service_->model()->latency_stops;
        QTRY_COMPARE(view.points().size(), stops.size());
        QTRY_COMPARE(static_cast<int>(view.page()->state()), static_cast<int>(StatePage::State::Content));
        const auto ids = *engine_->fake.model->tokenizer->encode(text);
        for (std::size_t i = 0; i < stops.size(); ++i) {
            WidthPlan plan;
            plan.subnet = stops[i].subnet;
            QCOMPARE(view.points()[i].loss, scoreText(*engine_->fake.model, ids, plan)->mean());
            QCOMPARE(view.points()[i].share, stops[i].share);
        }
        const QCPRange shown = view.plot()->yAxis->range();
        for (const ParetoPoint& point : view.points()) {
            QVERIFY(shown.lower < point.loss - point.standard_error);
            QVERIFY(shown.upper > point.loss + point.standard_error);
        }
        // A key goes from point to point, Enter runs it.
        QTest::keyClick(view.plot(), Qt::Key_Right);
        QVERIFY(view.readout().contains("loss"));
        QTest::keyClick(view.plot(), Qt::Key_Return);
        QCOMPARE(comparison_->target().value, stops.front().share);
    }

    void aTextThatCannotBeReadIsAnError()
    {
        ParetoView view(service_.get(), comparison_.get());
        load();
        view.setText(QStringLiteral("umlauts"), "ÄÖÜ");
        view.viewActions().front()->trigger();
        QTRY_COMPARE(static_cast<int>(view.page()->state()), static_cast<int>(StatePage::State::Error));
        QVERIFY(!view.page()->message().isEmpty());
    }

    void theTableIsShownCheckedAndReplaced()
    {
        QAction quick;
        QAction cancel;
        LatencyView view(service_.get(), comparison_.get(), &quick, &cancel);
        load();
        QVERIFY(view.page()->message().contains("FLOPs"));
        QSignalSpy changed(service_.get(), &EngineService::modelChanged);
        service_->measureWhenIdle();
        QVERIFY(changed.wait(20'000));
        QCOMPARE(static_cast<int>(view.page()->state()), static_cast<int>(StatePage::State::Content));
        QVERIFY(view.facts().contains("medians of"));
        LatencyModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const LatencyTable& table = *service_->model()->latency;
        model.setTable(table);
        QCOMPARE(model.rowCount(), static_cast<int>(table.mlp_widths.size() + table.head_counts.size()));
        QCOMPARE(model.index(1, LatencyModel::OwnMs).data().toString(), QLocale().toString(table.mlp_ms[1], 'f', 4));
        LatencyTable other = table;
        other.device = "another device";
        service_->takeLatencyTable(other);
        QVERIFY(changed.wait(20'000));
        QVERIFY(view.facts().startsWith("another device"));
        view.viewActions().at(1)->trigger(); // check
        QTRY_COMPARE(static_cast<int>(view.page()->state()), static_cast<int>(StatePage::State::Stale));
    }

private:
    void load()
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
};

QTEST_MAIN(ParetoTest)
#include "test_pareto.moc"
