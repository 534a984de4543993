// The numbers on the screen are the engine's: the bundled model writes with its routers, and every figure that the
// window then shows is worked out once more here, from the run's trace and the model's shape alone, with none of the
// window's arithmetic.
#include <cmath>

#include <QAbstractItemModel>
#include <QFile>
#include <QLabel>
#include <QLocale>
#include <QSettings>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>

#include "engine/evaluate/scoring.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/compare/computeribbon.h"
#include "ui/compare/panearea.h"
#include "ui/compare/paneview.h"
#include "ui/compare/promptpanel.h"
#include "ui/inspect/heatmapview.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/inspect/ledgerview.h"
#include "ui/inspect/tokencard.h"
#include "ui/inspect/whyview.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 60'000;
constexpr double kBudget = 0.6;
constexpr int kNewTokens = 24;
constexpr int kContextOfShares = 256; // at which shares of FLOPs and of the table's milliseconds are told

QString number(double value, int decimals)
{
    return QLocale().toString(value, 'f', decimals);
}

QString whole(int value)
{
    return QLocale().toString(value);
}

QString milliseconds(double ms)
{
    return number(ms, ms < 10 ? 2 : ms < 100 ? 1 : 0) + QStringLiteral(" ms");
}

// A table that is a plane in widths and context, so that what it foretells is a formula.
constexpr double kFixedMs = 0.5;
constexpr double kMsPerNeuron = 0.001;
constexpr double kMsPerHead = 0.02;
constexpr double kMsOfKeys = 0.01; // of a layer, at any number of heads
constexpr double kMsPerHeadAndToken = 0.0001;
constexpr double kRouterMs = 0.005;

LatencyTable planeTable()
{
    LatencyTable table;
    table.device = "a plane";
    table.mlp_widths = {0, 704};
    table.head_counts = {0, 8};
    table.contexts = {1, 512};
    table.fixed_ms = kFixedMs;
    table.mlp_ms = {0, 704 * kMsPerNeuron};
    for (const int context : table.contexts) {
        const double eight = 8 * (kMsPerHead + kMsPerHeadAndToken * context);
        table.attention_own_ms.push_back({0, kMsOfKeys + eight});
        table.attention_all_ms.push_back({kMsOfKeys, kMsOfKeys + eight});
    }
    table.router_ms = kRouterMs;
    return table;
}

} // namespace

class NumbersTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        EngineCalls calls = realEngine();
        calls.load = [this, load = calls.load](const std::string& name, const LoadOptions& options,
                                               const ProgressFn& progress, const CancelToken& cancel) {
            auto loaded = load(name, options, progress, cancel);
            if (loaded.ok()) {
                loaded->latency = planeTable();
                engine_ = std::make_shared<const LoadedModel>(*loaded);
            }
            return loaded;
        };
        window_ = std::make_unique<MainWindow>(calls);
        window_->setMeasureInBackground(false);
        window_->show();
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel({});
        QVERIFY(loaded.wait(kLongMs));
        QTest::qWait(1); // what is queued after it
        QVERIFY(window_->service()->model()->dynamic_routers);
        window_->promptPanel()->setPrompt(QStringLiteral("Once upon a time, there was a little dragon who"));
        RunInputs inputs = window_->comparison()->inputs();
        inputs.max_tokens = kNewTokens;
        window_->comparison()->setInputs(inputs);
        window_->subNetworkPanel()->setBudget(kBudget);
        QTRY_VERIFY_WITH_TIMEOUT(written(), kLongMs);
        QTRY_VERIFY_WITH_TIMEOUT(pane(PaneSlot::Live).agreement.has_value(), kLongMs);
        QVERIFY(pane(PaneSlot::Live).trace.routing == "dynamic");
    }

    void cleanupTestCase() { window_.reset(); }

    void footersSayWhatThePanesDid()
    {
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            const Trace& trace = pane(slot).trace;
            int fresh = 0;
            double table_ms = 0;
            for (const TokenRecord& record : trace.records) {
                if (record.given) continue;
                ++fresh;
                table_ms += tableMs(record, record.position + 1, slot == PaneSlot::Live);
            }
            const QString footer = window_->paneView(slot)->footerText();
            contains(footer, QStringLiteral("%1 tokens").arg(fresh));
            const double rate = 1000 * fresh / table_ms;
            contains(footer, QStringLiteral("alone %1 tok/s, predicted").arg(number(rate, rate < 10 ? 1 : 0)));
            contains(footer, QStringLiteral("limit reached"));
        }
        contains(window_->paneView(PaneSlot::Live)->detailText(), QStringLiteral("asked 0.60 of full ms, dynamic"));
    }

    // The share of places where the most probable token is the full model's, both reading what the full model wrote.
    void agreementIsCounted()
    {
        const Trace& full = pane(PaneSlot::Full).trace;
        const Score of_full = score(full, false);
        const Score of_live = score(full, true);
        int same = 0;
        int count = 0;
        for (std::size_t i = static_cast<std::size_t>(pane(PaneSlot::Full).prompt_tokens); i < full.records.size();
             ++i) {
            ++count;
            if (of_full.trace.records[i].top.front().id == of_live.trace.records[i].top.front().id) ++same;
        }
        const QString footer = window_->paneView(PaneSlot::Live)->footerText();
        const double share = 100.0 * same / count; // a half may be rounded either way
        const auto part = QStringLiteral("agrees with full %1 ± ");
        QVERIFY2(footer.contains(part.arg(number(share - 1e-6, 0))) ||
                     footer.contains(part.arg(number(share + 1e-6, 0))),
                 qPrintable(footer));
        contains(footer, QStringLiteral("n %1").arg(count));
    }

    void theSplitIsWhereTheTextsPart()
    {
        const auto& full = pane(PaneSlot::Full).trace.records;
        const auto& live = pane(PaneSlot::Live).trace.records;
        std::size_t at = 0;
        while (at < std::min(full.size(), live.size()) && full[at].id == live[at].id) ++at;
        const QString expected = at == std::min(full.size(), live.size())
                                     ? QString()
                                     : QStringLiteral("split at token %1")
                                           .arg(static_cast<int>(at) - pane(PaneSlot::Full).prompt_tokens + 1);
        QCOMPARE(window_->paneView(PaneSlot::Live)->splitText(), expected);
    }

    void theLineUnderThePanesAndTheStatus()
    {
        const SharedStep& step = window_->comparison()->sharedStep();
        QCOMPARE(step.panes, 2);
        QCOMPARE(window_->paneArea()->sharedText(),
                 QStringLiteral("2 panes share a step of %1: %2 tokens a second together")
                     .arg(milliseconds(step.p50_ms), number(2000 / step.p50_ms, 0)));
        contains(window_->statusText(), QStringLiteral("Keys and values: "));
        const auto* count = window_->findChild<QLabel*>(QStringLiteral("tokenCount"));
        QTRY_COMPARE(count->text(), QStringLiteral("%1 tokens of 512").arg(pane(PaneSlot::Live).prompt_tokens));
    }

    void theLedgerAddsUp()
    {
        const Trace& trace = pane(PaneSlot::Live).trace;
        double expected = 0;
        double chosen = 0;
        double table_ms = 0;
        double measured = 0;
        int fresh = 0;
        for (const TokenRecord& record : trace.records) {
            double soft = fixedMs();
            for (std::size_t l = 0; l < 8; ++l)
                soft += neuronsMs(mean(record.mlp_probabilities, trace.choices.mlp_int_list, l)) +
                        headsMs(mean(record.head_probabilities, trace.choices.head_int_list, l), kContextOfShares);
            const double routers = tableMs(record, kContextOfShares, true) - tableMs(record, kContextOfShares, false);
            expected += (soft + routers) / fullMs();
            chosen += tableMs(record, kContextOfShares, true) / fullMs();
            table_ms += tableMs(record, kContextOfShares, true);
            if (record.given) continue;
            measured += record.ns * 1e-6;
            ++fresh;
        }
        const auto n = static_cast<double>(trace.records.size());
        const QString first = window_->inspection()->ledger()->summary().section(QLatin1Char('\n'), 0, 0);
        QCOMPARE(first, QStringLiteral("All tokens: asked 0.60 → expected %1 → chosen %2 → table %3 → measured %4")
                            .arg(number(expected / n, 2), number(chosen / n, 2), milliseconds(table_ms / n),
                                 milliseconds(measured / fresh)));
        // The layers, the one that overspends most first.
        const SpendingModel* spending = window_->inspection()->ledger()->spending();
        QCOMPARE(spending->rowCount(), 8);
        double before = 1e9;
        for (int row = 0; row < 8; ++row) {
            const auto layer = spending->index(row, SpendingModel::Layer).data().toString().toUInt();
            double spent = 0;
            for (const TokenRecord& record : trace.records)
                spent += (neuronsMs(record.mlp[layer]) + headsMs(record.heads[layer], kContextOfShares)) / n;
            const double full = neuronsMs(704) + headsMs(8, kContextOfShares);
            QCOMPARE(spending->index(row, SpendingModel::Chosen).data().toString(),
                     number(100 * spent / full, 1) + QStringLiteral(" %"));
            const double over = (spent - kBudget * full) / fullMs();
            QVERIFY(over <= before + 1e-12);
            before = over;
            contains(spending->index(row, SpendingModel::Over).data().toString(), number(100 * over, 1));
        }
    }

    void theTokenCard()
    {
        const int token = pane(PaneSlot::Live).prompt_tokens + 3;
        window_->selection()->selectToken(PaneSlot::Live, token, 2);
        const TokenRecord& record = pane(PaneSlot::Live).trace.records[static_cast<std::size_t>(token)];
        const TokenCard* card = window_->inspection()->tokenCard();
        contains(card->headText(), QStringLiteral("Token %1: ").arg(token));
        contains(card->factText(), QStringLiteral("id %1, ").arg(whole(record.id)));
        contains(card->factText(), QStringLiteral("probability %1 %, log-probability %2, rank %3")
                                       .arg(number(100 * std::exp(static_cast<double>(record.logprob)), 2),
                                            number(record.logprob, 3), whole(record.rank)));
        const QAbstractItemModel* table = card->table()->model();
        for (std::size_t row = 0; row < record.top.size(); ++row) {
            const double percent = 100 * std::exp(static_cast<double>(record.top[row].logprob));
            const auto cell = [&](int column) { return table->index(static_cast<int>(row), column).data().toString(); };
            QCOMPARE(cell(TopTokensModel::Rank), QString::number(row));
            QCOMPARE(cell(TopTokensModel::Id), whole(record.top[row].id));
            QCOMPARE(cell(TopTokensModel::Probability), number(percent, percent < 1 ? 3 : 1) + QStringLiteral(" %"));
            QCOMPARE(cell(TopTokensModel::LogProbability), number(record.top[row].logprob, 3));
        }
    }

    void whyThisChoice()
    {
        const int token = pane(PaneSlot::Live).prompt_tokens + 3;
        window_->selection()->selectToken(PaneSlot::Live, token, 2);
        const Trace& trace = pane(PaneSlot::Live).trace;
        const TokenRecord& record = trace.records[static_cast<std::size_t>(token)];
        const auto said = [&](SubBlock block, const std::vector<float>& all, const std::vector<int>& choices, int used,
                              int full) {
            std::vector<double> p;
            for (std::size_t i = 0; i < choices.size(); ++i) p.push_back(all[2 * choices.size() + i]);
            double entropy = 0;
            for (const double value : p) entropy -= value > 0 ? value * std::log(value) : 0;
            std::sort(p.rbegin(), p.rend());
            QCOMPARE(window_->inspection()->why()->factText(block),
                     QStringLiteral("Used: %1 of %2. Expected %3, margin %4, entropy %5 nats.")
                         .arg(used)
                         .arg(full)
                         .arg(number(mean(all, choices, 2), 1), number(p[0] - p[1], 3), number(entropy, 3)));
        };
        said(SubBlock::Mlp, record.mlp_probabilities, trace.choices.mlp_int_list, record.mlp[2], 704);
        said(SubBlock::Attention, record.head_probabilities, trace.choices.head_int_list, record.heads[2], 8);
    }

    void theHeatmapAndItsTable()
    {
        HeatmapView* heatmap = window_->heatmap();
        const Trace& trace = pane(PaneSlot::Live).trace;
        const auto tokens = static_cast<int>(trace.records.size());
        for (const auto quantity :
             {Quantity::MlpWidth, Quantity::Heads, Quantity::ComputeShare, Quantity::Milliseconds}) {
            heatmap->setQuantity(quantity);
            std::vector<double> of_layer(8);
            for (int token = 0; token < tokens; ++token) {
                double of_token = 0;
                for (int layer = 0; layer < 8; ++layer) {
                    const double value = cell(token, layer, quantity);
                    near(heatmap->drawnValue(token, layer), value);
                    of_token += value / 8;
                    of_layer[static_cast<std::size_t>(layer)] += value / tokens;
                }
                near(heatmap->plot()->drawnTokenMean(token), of_token);
            }
            for (int layer = 0; layer < 8; ++layer)
                near(heatmap->plot()->drawnLayerMean(layer), of_layer[static_cast<std::size_t>(layer)]);
            emit heatmap->plot()->cellPointed(7, 3);
            const double value = cell(7, 3, quantity);
            contains(heatmap->readout(), QStringLiteral("token 7 "));
            contains(heatmap->readout(), quantity == Quantity::MlpWidth ? number(value, 0) + " of 704 neurons ("
                                         : quantity == Quantity::Heads  ? number(value, 0) + " of 8 heads ("
                                         : quantity == Quantity::ComputeShare
                                             ? number(100 * value, 0) + " % of the full layer's FLOPs"
                                             : number(value, 3) + " ms in this run");
            for (int token = 0; token < tokens; ++token) {
                const QString shown = tableText(token, TokenTableModel::kFixedColumns + 3);
                const double there = cell(token, 3, quantity);
                QCOMPARE(shown, quantity == Quantity::ComputeShare   ? number(100 * there, 0) + " %"
                                : quantity == Quantity::Milliseconds ? number(there, 3) + " ms"
                                                                     : number(there, 0));
            }
        }
    }

    void theTableOfTokens()
    {
        const auto& live = pane(PaneSlot::Live).trace.records;
        const auto& full = pane(PaneSlot::Full).trace.records;
        const auto ribbons = window_->paneView(PaneSlot::Live)->findChildren<ComputeRibbon*>();
        QCOMPARE(ribbons.size(), 1);
        bool same = true; // the texts, up to this token
        for (std::size_t i = 0; i < live.size(); ++i) {
            const TokenRecord& record = live[i];
            const auto row = static_cast<int>(i);
            same = same && i < full.size() && full[i].id == record.id;
            QCOMPARE(tableText(row, 0), QString::number(row));
            double compute = 0;
            for (int layer = 0; layer < 8; ++layer) compute += cell(row, layer, Quantity::ComputeShare) / 8;
            near(ribbons.front()->share(row), compute);
            const auto column = [&](TokenQuantity quantity) { return tableText(row, 3 + static_cast<int>(quantity)); };
            QCOMPARE(column(TokenQuantity::Compute), number(100 * compute, 0) + QStringLiteral(" %"));
            QCOMPARE(column(TokenQuantity::Milliseconds), number(record.ns * 1e-6, 3));
            if (i == 0) continue; // nothing foretold it
            const double p = std::exp(static_cast<double>(record.logprob));
            QCOMPARE(tableText(row, 2), whole(record.rank));
            QCOMPARE(column(TokenQuantity::Probability), number(p, p < 0.001 ? 5 : 3));
            QCOMPARE(column(TokenQuantity::Surprisal), number(-static_cast<double>(record.logprob), 2));
            const double worse = static_cast<double>(full[std::min(i, full.size() - 1)].logprob) - record.logprob;
            QCOMPARE(column(TokenQuantity::LossDifference),
                     same ? (worse > 0 ? QStringLiteral("+") : QString()) + number(worse, 3) : QStringLiteral("–"));
            float margin = 1;
            for (std::size_t l = 0; l < 8; ++l)
                margin = std::min({margin, record.mlp_margin[l], record.head_margin[l]});
            QCOMPARE(column(TokenQuantity::Margin), number(margin, 3));
        }
    }

    // Last: what is shown now comes from the records alone, as if from a file.
    void timesAreThoseOfTheRecords()
    {
        window_->comparison()->showTraces(window_->comparison()->traces());
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
            double first = 0;
            std::vector<double> later;
            const auto& records = pane(slot).trace.records;
            for (std::size_t i = 0; i < records.size(); ++i) {
                if (records[i].given) first += records[i].ns * 1e-6;
                else if (i + 1 < records.size()) later.push_back(records[i].ns * 1e-6);
            }
            std::sort(later.begin(), later.end());
            const auto at = [&](double share) {
                return later[static_cast<std::size_t>(std::ceil(share * static_cast<double>(later.size()))) - 1];
            };
            const QString footer = window_->paneView(slot)->footerText();
            contains(footer, QStringLiteral("first %1").arg(milliseconds(first)));
            contains(footer, QStringLiteral("p50 %1, p95 %2").arg(milliseconds(at(0.5)), milliseconds(at(0.95))));
        }
    }

private:
    static void contains(const QString& text, const QString& part)
    {
        QVERIFY2(text.contains(part), qPrintable(QStringLiteral("“%1” is not in “%2”").arg(part, text)));
    }

    static void near(double shown, double expected)
    {
        QVERIFY2(std::abs(shown - expected) <= 1e-6 * std::max(1.0, std::abs(expected)),
                 qPrintable(QStringLiteral("%1 instead of %2").arg(shown).arg(expected)));
    }

    static double neuronsMs(double neurons) { return kMsPerNeuron * neurons; }
    /// Without the keys, which are part of what no width changes.
    static double headsMs(double heads, int context) { return heads * (kMsPerHead + kMsPerHeadAndToken * context); }
    static double fixedMs() { return kFixedMs + 8 * kMsOfKeys; }
    static double fullMs() { return fixedMs() + 8 * (neuronsMs(704) + headsMs(8, kContextOfShares)); }

    static double tableMs(const TokenRecord& record, int context, bool routed)
    {
        double ms = fixedMs() + (routed ? 8 * kRouterMs : 0);
        for (std::size_t l = 0; l < 8; ++l) ms += neuronsMs(record.mlp[l]) + headsMs(record.heads[l], context);
        return ms;
    }

    /// The mean width under a layer's probabilities.
    static double mean(const std::vector<float>& probabilities, const std::vector<int>& choices, std::size_t layer)
    {
        double sum = 0;
        for (std::size_t i = 0; i < choices.size(); ++i)
            sum += static_cast<double>(probabilities[layer * choices.size() + i]) * choices[i];
        return sum;
    }

    /// A layer has three MLP matrices; Q and O by heads, K and V always; 256 hidden, 32 a head.
    static double layerFlops(int neurons, int heads)
    {
        return 2.0 * 3 * 256 * neurons + 2.0 * 2 * 256 * 32 * heads + 2.0 * 2 * 32 * heads * kContextOfShares;
    }

    [[nodiscard]] double cell(int token, int layer, Quantity quantity) const
    {
        const TokenRecord& record = pane(PaneSlot::Live).trace.records[static_cast<std::size_t>(token)];
        const auto at = static_cast<std::size_t>(layer);
        switch (quantity) {
        case Quantity::MlpWidth: return record.mlp[at];
        case Quantity::Heads: return record.heads[at];
        case Quantity::ComputeShare: return layerFlops(record.mlp[at], record.heads[at]) / layerFlops(704, 8);
        case Quantity::Milliseconds: return record.layer_ns[at] * 1e-6;
        }
        return 0;
    }

    [[nodiscard]] QString tableText(int row, int column) const
    {
        const auto* sorted = qobject_cast<const QSortFilterProxyModel*>(window_->heatmap()->table()->model());
        return sorted->sourceModel()->index(row, column).data().toString();
    }

    [[nodiscard]] Score score(const Trace& text, bool dynamic) const
    {
        WidthPlan plan;
        plan.subnet = fullSubNetwork(engine_->config());
        if (dynamic) {
            plan.routers = engine_->routers;
            plan.budget = pane(PaneSlot::Live).trace.budget;
        }
        ScoreOptions options;
        options.top_tokens = 1;
        return *scoreText(*engine_, text.ids(), plan, options);
    }

    [[nodiscard]] const PaneData& pane(PaneSlot slot) const { return window_->comparison()->pane(slot); }
    [[nodiscard]] bool written() const
    {
        return !window_->service()->running() && pane(PaneSlot::Full).complete() && pane(PaneSlot::Live).complete() &&
               !pane(PaneSlot::Live).preview;
    }

    std::shared_ptr<const LoadedModel> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(NumbersTest)
#include "test_numbers.moc"
