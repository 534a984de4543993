// Anatomy: bytes and importance of a layer, and the drawing that follows the selection.
#include <cmath>

#include <QAbstractItemModelTester>
#include <QAction>
#include <QSignalSpy>
#include <QTest>

#include "engine/model/cost.h"
#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/inspect/anatomyview.h"
#include "ui/parts/format.h"

using namespace flextron;
using namespace flextron::ui;

class AnatomyTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
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

    void bytesOfLayersAddUpToTheModels()
    {
        const ModelConfig config = test::fakeConfig();
        CostOptions options;
        options.kv = KvRule::All;
        const auto whole = [&](const SubNetwork& subnet) { return costOf(subnet, config, options).weight_bytes; };
        const SubNetwork subnet{{16, 64, 0}, {8, 0, 2}};
        std::int64_t sum = 0;
        std::int64_t narrowest = 0;
        for (int layer = 0; layer < 3; ++layer) {
            const auto at = static_cast<std::size_t>(layer);
            const LayerBytes bytes = layerBytes(config, layer, subnet.mlp[at], subnet.heads[at], 4);
            sum += bytes.attention + bytes.mlp;
            narrowest += bytes.key_value;
            QVERIFY(bytes.key_value > 0);
        }
        const SubNetwork none{{0, 0, 0}, {0, 0, 0}};
        QCOMPARE(sum, whole(subnet) - whole(none));
        options.kv = KvRule::Own;
        const std::int64_t bare = whole(none);
        options.kv = KvRule::All;
        QCOMPARE(narrowest, whole(none) - bare);
        QCOMPARE(layerBytes(config, 0, 32, 8, 2).mlp * 2, layerBytes(config, 0, 32, 8, 4).mlp);
    }

    void importanceIsRelativeToTheLargest()
    {
        QCOMPARE(relativeImportance({4.0F, 2.0F, 1.0F, 1.0F}), (std::vector<double>{1, 0.5, 0.25, 0.25}));
        QCOMPARE(importanceHeld({4.0F, 2.0F, 1.0F, 1.0F}, 2), 0.75);
        QCOMPARE(importanceHeld({4.0F, 2.0F}, 9), 1.0);
        QVERIFY(relativeImportance({}).empty());
        QVERIFY(relativeImportance({0.0F}).empty());
        QVERIFY(std::isnan(importanceHeld({}, 1)));
        QVERIFY(importanceOf(FlextronRecord{}, 0, true) == nullptr);
    }

    void theDrawingFollowsSliderAndToken()
    {
        AnatomyView view(service_.get(), comparison_.get(), selection_.get());
        QVERIFY(view.page()->message().contains("Open a model"));
        load();
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = service_->model()->latency_stops.front().share;
        target.routing = Routing::Uniform;
        comparison_->setTarget(target);
        const SubNetwork& smallest = service_->model()->latency_stops.front().subnet;
        QCOMPARE(view.drawing()->layer().mlp, smallest.mlp[0]);
        QCOMPARE(view.drawing()->layer().heads, smallest.heads[0]);
        QCOMPARE(view.drawing()->layer().full_mlp, 64);
        run();
        selection_->selectToken(PaneSlot::Full, 3, 2);
        QCOMPARE(view.drawing()->layer().mlp, 64);
        QVERIFY(view.summary().startsWith("64 of 64 neurons, 8 of 8 heads"));
        QVERIFY(view.summary().contains("token 3 of"));
        const LayerBytes bytes = layerBytes(service_->model()->config(), 2, 64, 8, 4);
        QVERIFY(view.summary().contains(formatBytes(static_cast<std::uint64_t>(bytes.sum()))));
    }

    void areasAreBytes()
    {
        AnatomyView view(service_.get(), comparison_.get(), selection_.get());
        load();
        AnatomyDrawing* drawing = view.drawing();
        drawing->resize(800, 300);
        const LayerBytes& bytes = drawing->layer().full_bytes;
        const double attention = drawing->attentionRect().width();
        const double mlp = drawing->mlpRect().width();
        QVERIFY(std::abs(attention / mlp - static_cast<double>(bytes.key_value + bytes.attention) /
                                               static_cast<double>(bytes.mlp)) < 0.02);
    }

private:
    void load()
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
    }

    void run()
    {
        if (!service_->model()) load();
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait(20'000));
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
    std::unique_ptr<Selection> selection_;
};

QTEST_MAIN(AnatomyTest)
#include "test_anatomy.moc"
