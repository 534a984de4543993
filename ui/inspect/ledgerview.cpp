#include "ui/inspect/ledgerview.h"

#include <cmath>

#include <QHeaderView>
#include <QLocale>
#include <QVBoxLayout>

#include <qcustomplot.h>

#include "ui/compare/panestate.h"
#include "ui/parts/colors.h"
#include "ui/parts/format.h"
#include "ui/parts/plots.h"
#include "ui/parts/tables.h"

namespace flextron::ui {

namespace {

QString percentText(double share)
{
    return std::isnan(share) ? QStringLiteral("–")
                             : SpendingModel::tr("%1 %").arg(QLocale().toString(100 * share, 'f', 1));
}

} // namespace

void SpendingModel::setLayers(std::vector<LayerSpending> layers)
{
    beginResetModel();
    layers_ = std::move(layers);
    endResetModel();
}

int SpendingModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(layers_.size());
}

int SpendingModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : Columns;
}

QVariant SpendingModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) return {};
    if (role == Qt::TextAlignmentRole) return QVariant(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    const LayerSpending& spending = layers_[static_cast<std::size_t>(index.row())];
    switch (index.column()) {
    case Layer: return QLocale().toString(spending.layer);
    case Expected: return percentText(spending.expected);
    case Chosen: return percentText(spending.chosen);
    case Over: return (spending.over > 0 ? QStringLiteral("+") : QString()) + percentText(spending.over);
    default: return {};
    }
}

QVariant SpendingModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Expected: return tr("Mean over the routers' probabilities, of the full layer's cost");
        case Chosen: return tr("With the widths that were used, of the full layer's cost");
        case Over: return tr("What the layer spends beyond the asked share, of the full model's cost");
        default: return {};
        }
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Layer: return tr("Layer");
    case Expected: return tr("Expected");
    case Chosen: return tr("Chosen");
    case Over: return tr("Over");
    default: return {};
    }
}

LedgerView::LedgerView(EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
                       QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , run_action_(run_action)
{
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    connect(service_, &EngineService::modelLoaded, this, &LedgerView::setModel);
    connect(service_, &EngineService::modelChanged, this, &LedgerView::setModel);
    followInspected(comparison_, selection_, this, [this] { refresh(); });
    updateColors();
    refresh();
}

QWidget* LedgerView::makeContent()
{
    auto* content = new QWidget;
    summary_ = new QLabel;
    summary_->setWordWrap(true);
    summary_->setTextFormat(Qt::PlainText);
    summary_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    plot_ = makePlot();
    spending_ = new SpendingModel(this);
    table_ = new QTableView;
    table_->setModel(spending_);
    setUpTable(table_, tr("Layers that overspend most"));
    table_->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    table_->setMinimumHeight(fontMetrics().height() * 4);
    connect(table_, &QTableView::clicked, this, [this](const QModelIndex& index) {
        selection_->setLayer(spending_->layers()[static_cast<std::size_t>(index.row())].layer);
    });
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addWidget(summary_);
    layout->addWidget(plot_, 2);
    layout->addWidget(table_, 3);
    return content;
}

QCustomPlot* LedgerView::makePlot()
{
    auto* plot = new QCustomPlot;
    plot->setObjectName(QStringLiteral("ledgerPlot"));
    plot->setAccessibleName(tr("Cost by token and its running mean, against the target"));
    plot->setToolTip(tr("Thin: the share of each token. Thick: the mean up to it. Dashed: what was asked."));
    plot->setMinimumHeight(fontMetrics().height() * 5);
    plot->axisRect()->setupFullAxesBox();
    plot->yAxis->setLabel(tr("% of full"));
    plot->yAxis->ticker()->setTickCount(3); // the plot is low: more numbers would lie on each other
    for (QCPAxis* axis : {plot->xAxis2, plot->yAxis2}) axis->setTicks(false);
    each_ = plot->addGraph();
    each_->setLineStyle(QCPGraph::lsStepCenter);
    asked_ = plot->addGraph();
    mean_ = plot->addGraph();
    return plot;
}

void LedgerView::setModel(const ModelInfoPtr& model)
{
    costs_ = std::make_unique<LayerCosts>(model->config(), model->latency);
    refresh();
}

void LedgerView::refresh()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    const PaneData& pane = *inspected.pane;
    ledger_ = {};
    const QString no_model = tr("Open a model to see where a run's budget goes.");
    if (!service_->model() || !costs_) {
        page_->showNoModel(service_, no_model);
        return;
    }
    if (pane.hasText() && service_->model()->config().sizes() != pane.trace.sizes()) {
        page_->showEmpty(tr("Another model"),
                         tr("The trace is of a model of another shape than the open one: what its widths cost is not "
                            "known here."));
        return;
    }
    if (!showPaneState(page_, service_, *comparison_, inspected.slot,
                       {no_model, tr("Nothing read yet"),
                        tr("After a run, what was asked is held here against what was chosen and measured.")},
                       run_action_))
        return;
    ledger_ = budgetLedger(pane.trace, *costs_, service_->model()->dynamic_stops);
    showSummary();
    showRunningMean();
    spending_->setLayers(ledger_.layers);
}

void LedgerView::showSummary()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    const auto line = [this](const QString& name, const BudgetEntry& entry) {
        QStringList steps;
        steps << tr("asked %1").arg(formatShare(ledger_.asked));
        if (!std::isnan(entry.expected)) steps << tr("expected %1").arg(formatShare(entry.expected));
        if (!std::isnan(entry.chosen)) steps << tr("chosen %1").arg(formatShare(entry.chosen));
        if (!std::isnan(entry.table_ms)) steps << tr("table %1").arg(formatMs(entry.table_ms));
        if (!std::isnan(entry.measured_ms)) steps << tr("measured %1").arg(formatMs(entry.measured_ms));
        QString text = tr("%1: %2").arg(name, steps.join(QStringLiteral(" → ")));
        if (entry.forced > 0) text += tr(" (%1 forced by hand)").arg(QLocale().toString(entry.forced));
        return text;
    };
    QStringList lines{line(tr("All tokens"), ledger_.mean)};
    if (inspected.token >= 0)
        lines << line(tr("Token %1").arg(QLocale().toString(inspected.token)),
                      budgetEntry(inspected.trace(), inspected.token, *costs_));
    lines << (costs_->fromTable() ? tr("Shares are of the full model's ms in this device's table, at 256 tokens.")
                                  : tr("Shares are of FLOPs: there is no latency table yet."));
    summary_->setText(lines.join(QLatin1Char('\n')));
}

void LedgerView::showRunningMean()
{
    each_->data()->clear();
    mean_->data()->clear();
    asked_->data()->clear();
    double high = ledger_.asked;
    for (std::size_t token = 0; token < ledger_.chosen.size(); ++token) {
        each_->addData(static_cast<double>(token), 100 * ledger_.chosen[token]);
        mean_->addData(static_cast<double>(token), 100 * ledger_.running_mean[token]);
        if (!std::isnan(ledger_.chosen[token])) high = std::max(high, ledger_.chosen[token]);
    }
    const auto end = static_cast<double>(std::max<std::size_t>(ledger_.chosen.size(), 1)) - 0.5;
    asked_->addData(-0.5, 100 * ledger_.asked);
    asked_->addData(end, 100 * ledger_.asked);
    plot_->xAxis->setRange(-0.5, end);
    plot_->yAxis->setRange(0, 105 * high);
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

void LedgerView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) updateColors();
}

void LedgerView::updateColors()
{
    stylePlot(plot_, palette(), font());
    each_->setPen(QPen(quietColor(palette()), 1));
    mean_->setPen(QPen(palette().color(QPalette::Highlight), 2));
    asked_->setPen(QPen(cautionColor(palette()), 1, Qt::DashLine));
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

} // namespace flextron::ui
