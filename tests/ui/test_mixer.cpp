// The layer mixer: shapes, locks, solo, and what its faders ask for.
#include <QAbstractItemModelTester>
#include <QAction>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/inspect/mixerview.h"

using namespace flextron;
using namespace flextron::ui;

class MixerTest final : public QObject {
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

    void presetsAreValidShapes_data()
    {
        QTest::addColumn<int>("preset");
        QTest::addColumn<std::vector<int>>("mlp");
        const ModelConfig config = test::fakeConfig();
        QTest::newRow("full") << static_cast<int>(MixerPreset::Full) << std::vector<int>{64, 64, 64};
        QTest::newRow("smallest") << static_cast<int>(MixerPreset::Smallest) << std::vector<int>{16, 16, 16};
        QTest::newRow("falling") << static_cast<int>(MixerPreset::Falling) << std::vector<int>{64, 48, 16};
        QTest::newRow("rising") << static_cast<int>(MixerPreset::Rising) << std::vector<int>{16, 48, 64};
        QTest::newRow("narrow ends") << static_cast<int>(MixerPreset::NarrowEnds) << std::vector<int>{16, 64, 64};
    }
    void presetsAreValidShapes()
    {
        QFETCH(int, preset);
        const ModelConfig config = test::fakeConfig();
        const ChoiceSets choices{{16, 32, 48, 64}, {2, 4, 6, 8}};
        const SubNetwork subnet = presetWidths(static_cast<MixerPreset>(preset), config, choices);
        QTEST(subnet.mlp, "mlp");
        QVERIFY(validateSubNetwork(subnet, config).ok());
    }

    void locksAndSolo()
    {
        const ModelConfig config = test::fakeConfig();
        const SubNetwork mix{{16, 32, 48}, {2, 4, 6}};
        const SubNetwork wanted{{64, 64, 64}, {8, 8, 8}};
        QCOMPARE(withLocks(wanted, mix, {1}).mlp, (std::vector<int>{64, 32, 64}));
        QCOMPARE(withLocks(wanted, mix, {1}).heads, (std::vector<int>{8, 4, 8}));
        QVERIFY(soloed(mix, {}, config) == mix);
        QCOMPARE(soloed(mix, {0, 2}, config).mlp, (std::vector<int>{16, 64, 48}));
    }

    void fadersStopAtChoicesAndAtNothing()
    {
        QCOMPARE(faderStops({16, 32, 64}, 64), (std::vector<int>{0, 16, 32, 64}));
        QCOMPARE(faderStops({16, 32, 64}, 40), (std::vector<int>{0, 16, 32, 40})); // a narrower layer
        QCOMPARE(faderStops({16}, 0), std::vector<int>{0});
        QCOMPARE(stopOf({0, 16, 32, 64}, 40), 2);
        QCOMPARE(stopOf({0, 16, 32, 64}, 64), 3);
    }

    void aFaderRunsItsWidths()
    {
        MixerView view(service_.get(), comparison_.get(), selection_.get());
        view.resize(600, 300);
        view.show();
        QVERIFY(view.page()->message().contains("Open a model"));
        load();
        QVERIFY(!service_->running()); // opening a model runs nothing
        QTest::keyClick(view.fader(1, true), Qt::Key_Down);
        QCOMPARE(comparison_->target().kind, Target::Kind::Explicit);
        const auto& choices = service_->model()->choices().mlp_int_list;
        const int next = choices[choices.size() - 2];
        QCOMPARE(comparison_->target().subnet.mlp, (std::vector<int>{64, next, 64}));
        QTRY_VERIFY(comparison_->pane(PaneSlot::Live).complete());
        const TokenRecord& record = comparison_->pane(PaneSlot::Live).trace.records[2];
        QCOMPARE(record.mlp, (std::vector<std::int32_t>{64, next, 64}));
    }

    void soloMakesTheOthersFull()
    {
        MixerView view(service_.get(), comparison_.get(), selection_.get());
        load();
        const int least = service_->model()->choices().mlp_int_list.front();
        view.applyPreset(MixerPreset::Smallest);
        view.setSolo(2, true);
        QCOMPARE(comparison_->target().subnet.mlp, (std::vector<int>{64, 64, least}));
        QCOMPARE(view.mix().mlp, (std::vector<int>{least, least, least}));
        QVERIFY(view.summary().contains("solo"));
        view.setSolo(2, false);
        QCOMPARE(comparison_->target().subnet.mlp, (std::vector<int>{least, least, least}));
        view.setLocked(0, true);
        QVERIFY(!view.fader(0, true)->isEnabled());
        view.applyPreset(MixerPreset::Full);
        QCOMPARE(view.mix().mlp, (std::vector<int>{least, 64, 64}));
        QTRY_VERIFY(!service_->running());
    }

    void widthsComeFromFiles()
    {
        MixerView view(service_.get(), comparison_.get(), selection_.get());
        load();
        const SubNetwork wanted{{16, 32, 0}, {8, 2, 4}};
        for (const std::string& text : {toCsv(wanted), toJson(wanted)}) {
            view.applyPreset(MixerPreset::Full);
            const auto imported = view.importText(text);
            QVERIFY2(imported.ok(), imported.ok() ? "" : imported.error().message.c_str());
            QVERIFY(view.mix() == wanted);
        }
        QVERIFY(!view.importText("layer,mlp,heads\n0,65,8\n").ok());
        QVERIFY(view.mix() == wanted);
        QTRY_VERIFY(!service_->running());
    }

    void filesThatCannotBeUsedAreSaid()
    {
        MixerView view(service_.get(), comparison_.get(), selection_.get());
        load();
        const SubNetwork before = view.mix();
        QSignalSpy failed(&view, &MixerView::failed);
        QSignalSpy said(&view, &MixerView::said);
        QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("widths.csv"));
        view.importFile(file);
        QCOMPARE(failed.size(), 1);
        QVERIFY(failed.back().at(1).value<Error>().message.find("widths.csv") != std::string::npos);
        view.exportFile(QStringLiteral("/proc/widths.csv"));
        QTRY_COMPARE(failed.size(), 2);
        QCOMPARE(said.size(), 0);
        view.exportFile(file);
        QTRY_COMPARE(said.size(), 1);
        view.applyPreset(MixerPreset::Smallest);
        view.importFile(file);
        QVERIFY(view.mix() == before);
        QCOMPARE(failed.size(), 2);
        QTRY_VERIFY(!service_->running());
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

QTEST_MAIN(MixerTest)
#include "test_mixer.moc"
