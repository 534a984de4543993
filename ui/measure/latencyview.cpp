#include "ui/measure/latencyview.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLocale>
#include <QVBoxLayout>

#include "ui/parts/format.h"
#include "ui/parts/tables.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

void LatencyModel::setTable(const std::optional<LatencyTable>& table)
{
    beginResetModel();
    table_ = table;
    endResetModel();
}

int LatencyModel::rowCount(const QModelIndex& parent) const
{
    if (parent.isValid() || !table_) return 0;
    return static_cast<int>(table_->mlp_widths.size() + table_->head_counts.size());
}

int LatencyModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : Columns;
}

QVariant LatencyModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid() || !table_) return {};
    if (role == Qt::TextAlignmentRole && index.column() != Block) return QVariant(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    const auto row = static_cast<std::size_t>(index.row());
    const bool mlp = row < table_->mlp_widths.size();
    const std::size_t at = mlp ? row : row - table_->mlp_widths.size();
    const auto ms = [](double value) { return QLocale().toString(value, 'f', 4); };
    switch (index.column()) {
    case Block: return mlp ? tr("MLP") : tr("Attention");
    case Width: return QLocale().toString(mlp ? table_->mlp_widths[at] : table_->head_counts[at]);
    case OwnMs: return ms(mlp ? table_->mlp_ms[at] : table_->attention_own_ms.back()[at]);
    case AllMs: return mlp ? QStringLiteral("–") : ms(table_->attention_all_ms.back()[at]);
    default: return {};
    }
}

QVariant LatencyModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::ToolTipRole && section == OwnMs)
        return tr("A layer, one token at batch 1; attention at the longest context measured, keys and values of the "
                  "heads in use");
    if (role == Qt::ToolTipRole && section == AllMs)
        return tr("Keys and values of all groups, as dynamic routing needs");
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Block: return tr("Sub-block");
    case Width: return tr("Width");
    case OwnMs: return tr("ms a layer");
    case AllMs: return tr("with all K/V");
    default: return {};
    }
}

LatencyView::LatencyView(EngineService* service, Comparison* comparison, QAction* quick_action,
                         QAction* cancel_quick_action, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , quick_action_(quick_action)
    , cancel_quick_action_(cancel_quick_action)
    , full_(
          service, QStringLiteral("fullTable"), this,
          [this](const Result<LatencyTable>& table) {
              if (table.ok()) service_->takeLatencyTable(*table);
              else if (table.error().code != ErrorCode::Cancelled) error_ = table.error();
              updateState();
          },
          [this](const LoadProgress& progress) {
              progress_ = progress;
              updateState();
          })
    , check_(service, QStringLiteral("checkTable"), this, [this](const Result<StaleCheck>& check) {
        if (check.ok()) checked_ = *check;
        else if (check.error().code != ErrorCode::Cancelled) error_ = check.error();
        updateState();
    })
{
    makeActions();
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    connect(service_, &EngineService::modelLoaded, this, &LatencyView::setModel);
    connect(service_, &EngineService::modelChanged, this, &LatencyView::setModel);
    connect(service_, &EngineService::busyChanged, this, &LatencyView::updateState);
    connect(service_, &EngineService::measureProgress, this, [this](const LoadProgress& progress) {
        progress_ = progress;
        updateState();
    });
    connect(comparison_, &Comparison::paneChanged, this, &LatencyView::showCompared);
    updateState();
}

void LatencyView::makeActions()
{
    full_action_ = viewAction(
        this, "measureFull", tr("Measure a &Full Table"),
        tr("Longer and at more contexts than the quick one; a run interrupts it, and it starts again"));
    check_action_ = viewAction(this, "checkTable", tr("Chec&k the Table"),
                               tr("Measure three entries anew against the table"));
    cancel_action_ = viewAction(this, "cancelFull", tr("Cancel the F&ull Table"),
                                tr("Stop measuring; the table that is there stays"));
    connect(full_action_, &QAction::triggered, this, &LatencyView::measureFull);
    connect(check_action_, &QAction::triggered, this, &LatencyView::check);
    connect(cancel_action_, &QAction::triggered, this, [this] { full_.cancel(); });
}

QWidget* LatencyView::makeContent()
{
    auto* content = new QWidget;
    facts_ = new QLabel;
    facts_->setWordWrap(true);
    facts_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    compared_ = new QLabel;
    compared_->setWordWrap(true);
    compared_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    model_ = new LatencyModel(this);
    auto* table = new QTableView;
    table->setModel(model_);
    setUpTable(table, tr("Latency by width"));
    table->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    table->setMinimumHeight(fontMetrics().height() * 4);
    auto* buttons = new QHBoxLayout;
    for (QAction* action : {full_action_, check_action_}) {
        auto* button = new ActionButton;
        button->setAction(action);
        buttons->addWidget(button);
    }
    buttons->addStretch(1);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addWidget(facts_);
    layout->addWidget(table, 1);
    layout->addWidget(compared_);
    layout->addLayout(buttons);
    return content;
}

void LatencyView::setModel(const ModelInfoPtr& model)
{
    checked_.reset();
    error_.reset();
    model_->setTable(model->latency);
    if (model->latency) {
        const LatencyTable& table = *model->latency;
        const QLocale locale;
        QStringList contexts;
        for (const int context : table.contexts) contexts << locale.toString(context);
        facts_->setText(
            tr("%1, measured %2, medians of %3, noise %4 %, contexts of %5 tokens; embedding and output head "
               "%6")
                .arg(QString::fromStdString(table.device), formatMoment(table.measured_at),
                     locale.toString(table.repeats), locale.toString(100 * table.noise, 'f', 1),
                     contexts.join(QStringLiteral(", ")), formatMs(table.fixed_ms)));
    } else {
        facts_->clear();
    }
    showCompared();
    updateState();
}

void LatencyView::measureFull()
{
    error_.reset();
    progress_ = {};
    full_.ask([](const auto& model, const ProgressFn& progress, const CancelToken& cancel) -> Result<LatencyTable> {
        MeasureOptions options;
        options.quick = false;
        auto table = measureLatency(*model->backend, options, progress, cancel);
        // A cache that cannot be written costs a measurement at the next start, no more.
        if (table.ok()) static_cast<void>(writeLatencyTable(latencyTablePath(table->fingerprint), *table).ok());
        return table;
    });
    updateState();
}

void LatencyView::check()
{
    if (!service_->model() || !service_->model()->latency) return;
    error_.reset();
    check_.ask([table = *service_->model()->latency](const auto& model, const ProgressFn&, const CancelToken& cancel) {
        return checkLatencyTable(table, *model->backend, cancel);
    });
    updateState();
}

// What the table foretells of a pane alone, beside what the pane took alone.
void LatencyView::showCompared()
{
    const QLocale locale;
    QStringList lines;
    for (const PaneSlot slot : comparison_->order()) {
        const PaneData& pane = comparison_->pane(slot);
        if (!pane.solo_ms || !pane.plan.predicted_ms || *pane.plan.predicted_ms <= 0) continue;
        const double off = 100 * (*pane.solo_ms / *pane.plan.predicted_ms - 1);
        lines << tr("%1: predicted %2, measured alone %3 (%4%5 %)")
                     .arg(comparison_->paneName(slot), formatMs(*pane.plan.predicted_ms), formatMs(*pane.solo_ms),
                          off > 0 ? QStringLiteral("+") : QString(), locale.toString(off, 'f', 0));
    }
    compared_->setText(lines.isEmpty() ? tr("Compare > Measure Alone holds the panes against the table.")
                                       : lines.join(QLatin1Char('\n')));
}

void LatencyView::updateState()
{
    const ModelInfoPtr& model = service_->model();
    full_action_->setEnabled(model && !full_.waiting());
    check_action_->setEnabled(model && model->latency && !check_.waiting() && !full_.waiting());
    cancel_action_->setEnabled(full_.waiting());
    const bool table = model && model->latency;
    if (!model) {
        page_->showNoModel(service_, tr("Open a model; what its widths take on this device is measured by itself."));
    } else if (error_ && !table) {
        page_->showError(tr("Latency could not be measured"), *error_, quick_action_);
    } else if (!table && (service_->measuring() || full_.waiting())) {
        page_->showLoading(tr("Measuring latency"), progress_, full_.waiting() ? cancel_action_ : cancel_quick_action_);
    } else if (!table) {
        page_->showEmpty(
            tr("No table yet"),
            tr("Until widths are measured here, shares are of FLOPs. The quick table takes a few seconds."),
            quick_action_);
    } else if (full_.waiting()) {
        page_->showStale(progress_.total > 0
                             ? tr("Measuring the full table: %1 %").arg(100 * progress_.done / progress_.total)
                             : tr("Measuring the full table"),
                         cancel_action_);
    } else if (check_.waiting()) {
        page_->showStale(tr("Checking three entries"));
    } else if (error_) {
        page_->showStale(formatError(*error_), full_action_);
    } else if (checked_ && checked_->stale) {
        page_->showStale(tr("Out of date: measured now, an entry takes %1 times what the table says.")
                             .arg(QLocale().toString(checked_->worst_ratio, 'f', 2)),
                         full_action_);
    } else if (checked_) {
        page_->showStale(tr("The table holds: the entry furthest off takes %1 times what it says.")
                             .arg(QLocale().toString(checked_->worst_ratio, 'f', 2)),
                         check_action_);
    } else {
        page_->showContent();
    }
}

} // namespace flextron::ui
