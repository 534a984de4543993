// Forcing widths: which overrides come of it, how they are listed and kept, and what they do to the losses.
#include <QAbstractItemModelTester>
#include <QAction>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "engine/evaluate/scoring.h"
#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/data/routerdata.h"
#include "ui/inspect/forceview.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

SelectionState cell(int token, int layer)
{
    SelectionState state;
    state.primary = token;
    state.tokens = {token};
    state.layer = layer;
    return state;
}

} // namespace

class ForceTest final : public QObject {
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

    void aChangeIsToTheNextChoice_data()
    {
        QTest::addColumn<int>("width");
        QTest::addColumn<int>("wider");
        QTest::addColumn<int>("narrower");
        QTest::newRow("the narrowest") << 16 << 32 << 0;
        QTest::newRow("in between") << 40 << 48 << 32;
        QTest::newRow("a choice") << 32 << 48 << 16;
        QTest::newRow("full") << 64 << 64 << 48;
        QTest::newRow("skipped") << 0 << 16 << 0;
    }
    void aChangeIsToTheNextChoice()
    {
        QFETCH(int, width);
        const std::vector<int> choices{16, 32, 48, 64};
        QTEST(changedWidth(choices, width, ForceChange::Wider), "wider");
        QTEST(changedWidth(choices, width, ForceChange::Narrower), "narrower");
        QCOMPARE(changedWidth(choices, width, ForceChange::Skip), 0);
    }

    void shufflingKeepsTheCostAndChangesWhoGetsIt()
    {
        Trace trace = test::smallTrace();
        QVERIFY(trace.records[0].mlp != trace.records[1].mlp);
        std::uint64_t seed = 0;
        std::vector<Override> entries;
        while (entries.empty())
            entries = shuffledEntries(trace, ++seed);     // two tokens may come to stand where they were
        QCOMPARE(entries.size(), std::size_t{2 * 2 * 2}); // tokens that were read, layers, blocks
        QVERIFY(entries == shuffledEntries(trace, seed));
        int sum = 0;
        for (const Override& entry : entries) {
            const TokenRecord& other = trace.records[static_cast<std::size_t>(1 - entry.token)];
            const auto layer = static_cast<std::size_t>(entry.layer);
            QCOMPARE(entry.width, entry.block == SubBlock::Mlp ? other.mlp[layer] : other.heads[layer]);
            if (entry.block == SubBlock::Mlp) sum += entry.width;
        }
        QCOMPARE(sum, 64 + 64 + 64 + 32);
        trace.records[1] = trace.records[0];
        QVERIFY(shuffledEntries(trace, seed).empty()); // every token alike
    }

    void scopes()
    {
        const Trace trace = test::smallTrace();
        const auto entries = [&](const SelectionState& state, ForceScope scope, ForceBlocks blocks,
                                 ForceChange change) { return forceEntries(trace, state, scope, blocks, change); };
        using Entries = std::vector<Override>;
        QCOMPARE(entries(cell(1, 1), ForceScope::Cell, ForceBlocks::Mlp, ForceChange::Narrower),
                 (Entries{{1, 1, SubBlock::Mlp, 16}}));
        QCOMPARE(entries(cell(1, 1), ForceScope::Row, ForceBlocks::Attention, ForceChange::Wider),
                 (Entries{{Override::kAll, 1, SubBlock::Attention, 4}}));
        QCOMPARE(entries(cell(1, 1), ForceScope::Column, ForceBlocks::Mlp, ForceChange::Skip),
                 (Entries{{1, 0, SubBlock::Mlp, 0}, {1, 1, SubBlock::Mlp, 0}}));
        SelectionState brush = cell(1, 1);
        brush.tokens = {0, 1, 2}; // the last one was not read
        brush.layers = {0, 1};
        QCOMPARE(entries(brush, ForceScope::Brush, ForceBlocks::Mlp, ForceChange::Narrower),
                 (Entries{{0, 0, SubBlock::Mlp, 48},
                          {0, 1, SubBlock::Mlp, 48},
                          {1, 0, SubBlock::Mlp, 48},
                          {1, 1, SubBlock::Mlp, 16}}));
        // Full cannot be wider; nothing selected is nothing to force.
        QVERIFY(entries(cell(0, 0), ForceScope::Cell, ForceBlocks::Both, ForceChange::Wider).empty());
        QVERIFY(entries(cell(2, 0), ForceScope::Cell, ForceBlocks::Both, ForceChange::Skip).empty());
        QVERIFY(entries({}, ForceScope::Cell, ForceBlocks::Both, ForceChange::Skip).empty());
    }

    void theEffectIsSplitAtTheForcedTokens()
    {
        Overrides overrides;
        overrides.add({1, 0, SubBlock::Mlp, 0});
        const std::vector<float> without{1, 1, 1, 1};
        const std::vector<float> with{1, 3, 1.5F, 2};
        const ForceEffect effect = forceEffect(with, without, overrides);
        QCOMPARE(effect, (ForceEffect{2.0, 0.75, 1, 2})); // token 2 is foretold by reading token 1
        overrides.add({Override::kAll, 0, SubBlock::Mlp, 0});
        QCOMPARE(forceEffect(with, without, overrides), (ForceEffect{3.5 / 4, 0, 4, 0}));
        QCOMPARE(forceEffect({}, {}, overrides), ForceEffect{});
    }

    void whatIsForcedIsListedNamedAndRemovable()
    {
        ForceView view(service_.get(), comparison_.get(), selection_.get());
        QAbstractItemModelTester tester(view.forced(), QAbstractItemModelTester::FailureReportingMode::QtTest);
        run();
        view.setBlocks(ForceBlocks::Mlp);
        selection_->selectToken(PaneSlot::Live, 4, 1);
        view.viewActions().at(2)->trigger(); // skip
        QCOMPARE(view.forced()->rowCount(), 1);
        QVERIFY(view.forced()->index(0).data().toString().contains("token 4, layer 1: MLP skipped"));
        QCOMPARE(comparison_->overrides()->entries(), (std::vector<Override>{{4, 1, SubBlock::Mlp, 0}}));
        QVERIFY(view.forced()->setData(view.forced()->index(0), QStringLiteral("no MLP"), Qt::EditRole));
        QVERIFY(view.forced()->index(0).data().toString().startsWith("no MLP"));
        view.setScope(ForceScope::Row);
        view.viewActions().at(1)->trigger(); // narrower
        QCOMPARE(comparison_->overrides()->entries().size(), std::size_t{2});
        view.list()->setCurrentIndex(view.forced()->index(0));
        view.findChild<QAction*>(QStringLiteral("forceRemove"))->trigger();
        QCOMPARE(comparison_->overrides()->entries().size(), std::size_t{1});
        view.findChild<QAction*>(QStringLiteral("forceClear"))->trigger();
        QVERIFY(!comparison_->overrides());
        QCOMPARE(view.forced()->rowCount(), 0);
    }

    void theEffectIsTheScoresDifference()
    {
        ForceView view(service_.get(), comparison_.get(), selection_.get());
        run();
        view.setBlocks(ForceBlocks::Both);
        selection_->selectToken(PaneSlot::Live, 4, 1);
        view.viewActions().at(2)->trigger();
        QTRY_VERIFY(view.effectText().contains("right after"));
        const auto ids = comparison_->pane(PaneSlot::Live).trace.ids();
        WidthPlan plan;
        plan.subnet = fullSubNetwork(service_->model()->config());
        const Score without = *scoreText(*engine_->fake.model, ids, plan);
        plan.overrides = comparison_->overrides();
        const Score with = *scoreText(*engine_->fake.model, ids, plan);
        const ForceEffect effect = forceEffect(with.nll, without.nll, *comparison_->overrides());
        const QString nats = QLocale().toString(effect.there, 'f', 3);
        QVERIFY2(view.effectText().contains(nats), qPrintable(view.effectText()));
        run();
        QCOMPARE(usedWidth(comparison_->pane(PaneSlot::Live).trace, 4, 1, SubBlock::Mlp), 0);
    }

    void overridesFromElsewhereAreShown()
    {
        ForceView view(service_.get(), comparison_.get(), selection_.get());
        load();
        Overrides overrides;
        overrides.add({2, 0, SubBlock::Attention, 4});
        comparison_->setOverrides(std::make_shared<const Overrides>(overrides));
        QCOMPARE(view.forced()->rowCount(), 1);
        QVERIFY(view.importText(toJson(overrides)).ok());
        QVERIFY(view.forced()->index(0).data().toString().startsWith("Imported"));
        const auto refused = view.importText("[{\"token\": 1, \"layer\": 99, \"block\": \"mlp\", \"width\": 0}]");
        QVERIFY(!refused.ok());
        QVERIFY(!refused.error().hint.empty());
        QCOMPARE(view.forced()->rowCount(), 1); // what was there stands
    }

    void filesThatCannotBeUsedAreSaid()
    {
        ForceView view(service_.get(), comparison_.get(), selection_.get());
        load();
        Overrides overrides;
        overrides.add({2, 0, SubBlock::Attention, 4});
        comparison_->setOverrides(std::make_shared<const Overrides>(overrides));
        QSignalSpy failed(&view, &ForceView::failed);
        QSignalSpy said(&view, &ForceView::said);
        QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("forced.json"));
        view.importFile(file);
        QCOMPARE(failed.size(), 1);
        QCOMPARE(view.forced()->rowCount(), 1);
        view.exportFile(QStringLiteral("/proc/forced.json"));
        QTRY_COMPARE(failed.size(), 2);
        view.exportFile(file);
        QTRY_COMPARE(said.size(), 1);
        comparison_->setOverrides(nullptr);
        view.importFile(file);
        QCOMPARE(failed.size(), 2);
        QVERIFY(*comparison_->overrides() == overrides);
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

QTEST_MAIN(ForceTest)
#include "test_force.moc"
