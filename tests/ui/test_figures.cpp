// Every figure that the inspecting views show of a run is the engine's: here each is computed apart, from the trace,
// the configuration and the cost model, with none of the window's arithmetic.
#include <cmath>
#include <random>

#include <QSignalSpy>
#include <QTest>

#include "engine/model/cost.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/compare/promptpanel.h"
#include "ui/inspect/anatomyview.h"
#include "ui/inspect/heatmapview.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/inspect/ledgerview.h"
#include "ui/inspect/tokencard.h"
#include "ui/inspect/whyview.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

QString number(double value, int digits)
{
    return QLocale().toString(value, 'f', digits);
}

} // namespace

class FiguresTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        LoadedModel& model = *engine_->fake.model;
        model.routers = std::make_shared<const Routers>(
            randomRouters(model.config(), model.checkpoint->choices(), {1.0, 0.75, 0.5}, 8, 11));
        window_ = std::make_unique<MainWindow>(engine_->calls());
        window_->setMeasureInBackground(false);
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        window_->promptPanel()->setPrompt(QString::fromLatin1(test::kPrompt));
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = 0.6;
        target.routing = Routing::Dynamic;
        window_->comparison()->setTarget(target);
        QSignalSpy finished(window_->service(), &EngineService::runFinished);
        window_->comparison()->run();
        QVERIFY(finished.wait(20'000));
        QCOMPARE(static_cast<int>(trace().routing == "dynamic"), 1);
        QVERIFY(trace().records.size() > 10);
    }

    void cleanupTestCase()
    {
        window_.reset();
        engine_.reset();
    }

    void heatmapAndItsTable()
    {
        HeatmapView* heatmap = window_->heatmap();
        const auto* table = heatmap->table()->model();
        heatmap->setQuantity(Quantity::ComputeShare);
        for (const auto& [token, layer] : cells()) {
            const TokenRecord& record = recordOf(token);
            const double share = layerShare(record, layer);
            QCOMPARE(heatmap->drawnValue(token, layer), share);
            const QModelIndex row = rowOf(*table, token);
            QCOMPARE(row.siblingAtColumn(TokenTableModel::columnOf(TokenQuantity::Milliseconds)).data().toString(),
                     number(record.ns / 1e6, 3));
            if (token == 0) continue;
            QCOMPARE(row.siblingAtColumn(TokenTableModel::columnOf(TokenQuantity::Surprisal)).data().toString(),
                     number(-record.logprob, 2));
            QCOMPARE(row.siblingAtColumn(2).data().toString(), QLocale().toString(record.rank));
        }
    }

    void tokenCard()
    {
        TokenCard* card = window_->inspection()->tokenCard();
        for (const auto& [token, layer] : cells()) {
            window_->selection()->selectToken(PaneSlot::Live, token, layer);
            if (token == 0) continue;
            const TokenRecord& record = recordOf(token);
            QVERIFY(card->factText().contains(number(100 * std::exp(static_cast<double>(record.logprob)), 2)));
            QVERIFY(card->factText().contains(QStringLiteral("rank %1").arg(record.rank)));
            for (std::size_t i = 0; i < record.top.size(); ++i) {
                QCOMPARE(card->table()->model()->index(static_cast<int>(i), 3).data().toString(),
                         number(record.top[i].logprob, 3));
            }
        }
    }

    void whyThisChoice()
    {
        WhyView* why = window_->inspection()->why();
        for (const auto& [token, layer] : cells()) {
            window_->selection()->selectToken(PaneSlot::Live, token, layer);
            const auto& choices = trace().choices.mlp_int_list;
            const auto from = recordOf(token).mlp_probabilities.begin() +
                              static_cast<std::ptrdiff_t>(choices.size()) * layer;
            std::vector<double> sorted(from, from + static_cast<std::ptrdiff_t>(choices.size()));
            double expected = 0;
            double nats = 0;
            for (std::size_t i = 0; i < choices.size(); ++i) {
                expected += sorted[i] * choices[i];
                if (sorted[i] > 0) nats -= sorted[i] * std::log(sorted[i]);
            }
            std::sort(sorted.rbegin(), sorted.rend());
            const QString facts = why->factText(SubBlock::Mlp);
            QVERIFY2(facts.contains(QStringLiteral("Expected %1, margin %2, entropy %3")
                                        .arg(number(expected, 1), number(sorted[0] - sorted[1], 3), number(nats, 3))),
                     qPrintable(facts));
        }
    }

    void budget()
    {
        const ModelConfig& config = window_->service()->model()->config();
        CostOptions options;
        options.kv = KvRule::All;
        double sum = 0;
        int count = 0;
        for (const TokenRecord& record : trace().records) {
            if (!record.read) continue;
            const SubNetwork used{{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}};
            sum += flopShare(used, config, options);
            ++count;
        }
        const QString summary = window_->inspection()->ledger()->summary();
        QVERIFY2(summary.contains(QStringLiteral("chosen %1").arg(number(sum / count, 2))), qPrintable(summary));
        QVERIFY(summary.contains(QStringLiteral("asked 0.60")));
    }

    void anatomy()
    {
        for (const auto& [token, layer] : cells()) {
            window_->selection()->selectToken(PaneSlot::Live, token, layer);
            const TokenRecord& record = recordOf(token);
            QVERIFY(window_->inspection()->anatomy()->summary().startsWith(
                QStringLiteral("%1 of 64 neurons, %2 of 8 heads")
                    .arg(record.mlp[static_cast<std::size_t>(layer)])
                    .arg(record.heads[static_cast<std::size_t>(layer)])));
        }
    }

private:
    [[nodiscard]] const Trace& trace() const { return window_->comparison()->pane(PaneSlot::Live).trace; }
    [[nodiscard]] const TokenRecord& recordOf(int token) const
    {
        return trace().records[static_cast<std::size_t>(token)];
    }

    /// Some cells, always the same.
    [[nodiscard]] std::vector<std::pair<int, int>> cells() const
    {
        std::mt19937 random(3);
        std::vector<std::pair<int, int>> cells{{0, 0}};
        for (int i = 0; i < 12; ++i) {
            cells.emplace_back(
                std::uniform_int_distribution<int>(0, static_cast<int>(trace().records.size()) - 1)(random),
                std::uniform_int_distribution<int>(0, trace().layers - 1)(random));
        }
        return cells;
    }

    [[nodiscard]] static QModelIndex rowOf(const QAbstractItemModel& table, int token)
    {
        for (int row = 0; row < table.rowCount(); ++row) {
            if (table.index(row, 0).data(TokenTableModel::kValueRole).toInt() == token) return table.index(row, 0);
        }
        return {};
    }

    [[nodiscard]] double layerShare(const TokenRecord& record, int layer) const
    {
        const ModelConfig& config = window_->service()->model()->config();
        CostOptions options;
        options.kv = KvRule::All;
        const auto flops = [&](int mlp, int heads) {
            SubNetwork subnet{{0, 0, 0}, {0, 0, 0}};
            subnet.mlp[static_cast<std::size_t>(layer)] = mlp;
            subnet.heads[static_cast<std::size_t>(layer)] = heads;
            return static_cast<double>(costOf(subnet, config, options).flops_per_token);
        };
        const auto at = static_cast<std::size_t>(layer);
        return (flops(record.mlp[at], record.heads[at]) - flops(0, 0)) / (flops(64, 8) - flops(0, 0));
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(FiguresTest)
#include "test_figures.moc"
