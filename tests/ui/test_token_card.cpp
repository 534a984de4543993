// The token card, and the colours and ribbons of the texts, over runs of a fake engine.
#include <cmath>

#include <QAbstractItemModelTester>
#include <QAction>
#include <QSignalSpy>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/small_trace.h"
#include "ui/compare/computeribbon.h"
#include "ui/compare/textcoloring.h"
#include "ui/inspect/tokencard.h"

using namespace flextron;
using namespace flextron::ui;

class TokenCardTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        service_ = std::make_unique<EngineService>(engine_->calls());
        comparison_ = std::make_unique<Comparison>(service_.get());
        selection_ = std::make_unique<Selection>();
        baseline_ = std::make_unique<Baseline>(service_.get(), comparison_.get());
        RunInputs inputs;
        inputs.prompt = QString::fromLatin1(test::kPrompt);
        inputs.max_tokens = 20;
        comparison_->setInputs(inputs);
    }

    void cleanup()
    {
        baseline_.reset();
        selection_.reset();
        comparison_.reset();
        service_.reset();
        engine_.reset();
    }

    void theListIsTheRecordsWithTheTokenItself()
    {
        Trace trace = test::smallTrace();
        TokenRecord full = trace.records[1];
        full.top = {{6, -0.1F}, {9, -3.0F}};
        const auto tokens = topTokensOf(trace.records[1], &full, nullptr);
        QCOMPARE(tokens.size(), std::size_t{3});
        QCOMPARE(tokens[0].id, 9);
        QCOMPARE(*tokens[0].baseline_logprob, -3.0F);
        QVERIFY(!tokens[1].baseline_logprob); // the full model did not list it
        QVERIFY(!tokens[0].bytes);            // nobody knows them without the tokenizer
        QVERIFY(tokens[2].chosen);
        QCOMPARE(*tokens[2].bytes, trace.records[1].bytes);
        trace.records[1].top.pop_back();
        trace.records[1].rank = 17;
        const auto beyond = topTokensOf(trace.records[1], nullptr, nullptr);
        QCOMPARE(beyond.back().rank, 17);
        QVERIFY(beyond.back().chosen);
        QVERIFY(topTokensOf(trace.records[0], nullptr, nullptr).empty());
    }

    void theModelKeepsItsPromises()
    {
        TopTokensModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const Trace trace = test::smallTrace();
        model.setTokens(topTokensOf(trace.records[1], nullptr, nullptr));
        QCOMPARE(model.rowCount(), 3);
        QCOMPARE(model.index(2, TopTokensModel::Probability).data().toString(),
                 QStringLiteral("%1 %").arg(QLocale().toString(100 * std::exp(-1.0), 'f', 1)));
        QCOMPARE(model.index(2, TopTokensModel::Bytes).data().toString(), QStringLiteral("c3"));
        model.setTokens({});
        QCOMPARE(model.rowCount(), 0);
    }

    void theCardSaysWhatTheRecordSays()
    {
        TokenCard card(service_.get(), comparison_.get(), selection_.get(), baseline_.get(), nullptr);
        QVERIFY(card.page()->message().contains("Open a model"));
        run();
        QVERIFY(card.page()->message().contains("Click a word"));
        const Trace& trace = comparison_->pane(PaneSlot::Live).trace;
        const int token = comparison_->pane(PaneSlot::Live).prompt_tokens + 2;
        selection_->selectToken(PaneSlot::Live, token);
        const TokenRecord& record = trace.records[static_cast<std::size_t>(token)];
        QVERIFY(card.headText().startsWith(QStringLiteral("Token %1: ").arg(token)));
        QVERIFY(card.factText().contains(QStringLiteral("rank %1").arg(record.rank)));
        QVERIFY(card.factText().contains(QLocale().toString(record.logprob, 'f', 3)));
        QCOMPARE(card.table()->model()->rowCount(), static_cast<int>(record.top.size()));
        selection_->selectToken(PaneSlot::Live, 0);
        QVERIFY(card.factText().contains("nothing foretold it"));
        RunInputs other = comparison_->inputs();
        other.prompt = QStringLiteral("the dog");
        comparison_->setInputs(other);
        QCOMPARE(static_cast<int>(card.page()->state()), static_cast<int>(StatePage::State::Stale));
    }

    void anAlternativeAsksForAContinuation()
    {
        selection_->setContinuationOffered(true);
        TokenCard card(service_.get(), comparison_.get(), selection_.get(), baseline_.get(), nullptr);
        run();
        const int token = comparison_->pane(PaneSlot::Live).prompt_tokens + 1;
        selection_->selectToken(PaneSlot::Live, token);
        const TokenRecord& record = comparison_->pane(PaneSlot::Live).trace.records[static_cast<std::size_t>(token)];
        QAction* go_on = card.viewActions().front();
        QVERIFY(!go_on->isEnabled());
        QSignalSpy asked(selection_.get(), &Selection::continuationRequested);
        card.table()->setCurrentIndex(card.table()->model()->index(record.rank == 0 ? 1 : 0, 0));
        QVERIFY(go_on->isEnabled());
        go_on->trigger();
        QCOMPARE(asked.count(), 1);
        QCOMPARE(asked.at(0).at(1).toInt(), token);
        QCOMPARE(asked.at(0).at(2).value<TokenId>(), record.top[record.rank == 0 ? 1 : 0].id);
        card.table()->setCurrentIndex(card.table()->model()->index(record.rank, 0));
        QVERIFY(!go_on->isEnabled()); // that is what the text says already
    }

    void textsArePaintedByTheirNumbers()
    {
        TextColoring coloring(service_.get(), comparison_.get(), baseline_.get());
        TokenTextView text;
        coloring.attach(PaneSlot::Live, &text);
        run();
        const PaneData& pane = comparison_->pane(PaneSlot::Live);
        std::vector<TokenTextView::Piece> pieces;
        for (int i = 0; i < static_cast<int>(pane.pieces.size()); ++i)
            pieces.push_back({i, pane.pieces[static_cast<std::size_t>(i)], i < pane.prompt_tokens});
        QSignalSpy changed(text.document(), &QTextDocument::contentsChanged);
        text.append(pieces);
        QCOMPARE(changed.size(), 1); // laid out once, not once a token
        coloring.setQuantity(TokenQuantity::Surprisal);
        QCOMPARE(changed.size(), 2);
        for (int token = 1; token < text.tokens(); ++token) {
            const double nats = -pane.trace.records[static_cast<std::size_t>(token)].logprob;
            QCOMPARE(text.tokenColor(token), sequentialColor(nats / 8));
            const auto place = text.span(token);
            if (!place) continue;
            QTextCursor cursor(text.document());
            cursor.setPosition(place->first + 1);
            QVERIFY(contrast(cursor.charFormat().foreground().color(), cursor.charFormat().background().color()) >=
                    4.5);
        }
        QVERIFY(!text.tokenColor(0).isValid());
        coloring.setQuantity(std::nullopt);
        QVERIFY(!text.tokenColor(3).isValid());
        QTextCursor cursor(text.document());
        cursor.setPosition(text.span(3)->first + 1);
        QCOMPARE(cursor.charFormat().background().style(), Qt::NoBrush);
    }

    void theRibbonIsTheShareOfCompute()
    {
        ComputeRibbon ribbon(PaneSlot::Live, service_.get(), comparison_.get(), selection_.get());
        ribbon.resize(270, 16);
        ribbon.show();
        run();
        const PaneData& pane = comparison_->pane(PaneSlot::Live);
        const LayerShares shares(service_->model()->config());
        const TokenRecord& record = pane.trace.records[3];
        double sum = 0;
        for (std::size_t layer = 0; layer < record.mlp.size(); ++layer)
            sum += shares.share(static_cast<int>(layer), record.mlp[layer], record.heads[layer]);
        QCOMPARE(ribbon.share(3), sum / static_cast<double>(record.mlp.size()));
        const int count = static_cast<int>(pane.trace.records.size());
        QTest::mouseClick(&ribbon, Qt::LeftButton, {}, {270 * 5 / count + 2, 8});
        QCOMPARE(selection_->state().primary, 5);
    }

private:
    void run()
    {
        QSignalSpy loaded(service_.get(), &EngineService::modelLoaded);
        service_->load(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        QSignalSpy finished(service_.get(), &EngineService::runFinished);
        comparison_->run();
        QVERIFY(finished.wait(20'000));
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<EngineService> service_;
    std::unique_ptr<Comparison> comparison_;
    std::unique_ptr<Selection> selection_;
    std::unique_ptr<Baseline> baseline_;
};

QTEST_MAIN(TokenCardTest)
#include "test_token_card.moc"
