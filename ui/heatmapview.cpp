#include "ui/heatmapview.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QAction>
#include <QApplication>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include <qcustomplot.h>

#include "ui/colors.h"
#include "ui/format.h"

namespace flextron::ui {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

QCPColorGradient sequentialGradient()
{
    QCPColorGradient gradient;
    gradient.clearColorStops();
    for (std::size_t i = 0; i < kSequentialStops.size(); ++i) {
        gradient.setColorStopAt(static_cast<double>(i) / static_cast<double>(kSequentialStops.size() - 1),
                                QColor(kSequentialStops[i]));
    }
    gradient.setLevelCount(256);
    gradient.setNanHandling(QCPColorGradient::nhTransparent); // the hatched ground shows: not read is not zero
    return gradient;
}

} // namespace

HeatmapView::HeatmapView(EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
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

    connect(service_, &EngineService::modelLoaded, this, [this](const ModelInfoPtr& model) {
        shares_ = std::make_unique<LayerShares>(model->config());
        rebuild();
    });
    connect(comparison_, &Comparison::paneReset, this, [this](PaneSlot slot) {
        if (slot == slot_) rebuild();
    });
    connect(comparison_, &Comparison::paneGrew, this, [this](PaneSlot slot, const PaneBatch& batch) {
        if (slot == slot_) drawColumns(batch.first_record);
    });
    connect(comparison_, &Comparison::paneChanged, this, [this](PaneSlot slot) {
        if (slot != slot_) return;
        updateFrame();
        updateState();
    });
    connect(comparison_, &Comparison::divergenceChanged, this, &HeatmapView::updateMarks);
    connect(comparison_, &Comparison::panesChanged, this, &HeatmapView::listPanes);
    connect(selection_, &Selection::changed, this, &HeatmapView::updateMarks);
    updateColors();
    rebuild();
}

HeatmapView::~HeatmapView() = default;

QWidget* HeatmapView::makeContent()
{
    auto* content = new QWidget;
    quantity_box_ = new QComboBox;
    quantity_box_->setObjectName(QStringLiteral("heatmapQuantity"));
    quantity_box_->setAccessibleName(tr("Quantity of the heatmap"));
    for (const auto quantity : {Quantity::MlpWidth, Quantity::Heads, Quantity::ComputeShare, Quantity::Milliseconds}) {
        quantity_box_->addItem(quantityName(quantity), static_cast<int>(quantity));
    }
    pane_box_ = new QComboBox;
    pane_box_->setAccessibleName(tr("Pane of the heatmap"));
    pane_box_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    listPanes();
    legend_ = new ColorLegend;
    note_ = new QLabel;
    readout_ = new QLabel;
    readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    readout_->setAccessibleName(tr("Cell under the cursor"));
    makePlot();

    auto* bar = new QHBoxLayout;
    bar->addWidget(pane_box_);
    bar->addWidget(quantity_box_);
    bar->addWidget(legend_);
    bar->addWidget(note_);
    bar->addStretch(1);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(bar);
    layout->addWidget(plot_, 1);
    layout->addWidget(readout_);

    connect(quantity_box_, &QComboBox::currentIndexChanged, this, [this] {
        quantity_ = static_cast<Quantity>(quantity_box_->currentData().toInt());
        updateScale();
        drawColumns(0);
    });
    connect(pane_box_, &QComboBox::currentIndexChanged, this, [this] {
        slot_ = static_cast<PaneSlot>(pane_box_->currentData().toInt());
        rebuild();
    });
    return content;
}

void HeatmapView::listPanes()
{
    {
        const QSignalBlocker quiet(pane_box_);
        pane_box_->clear();
        const auto order = comparison_->order();
        for (auto slot = order.rbegin(); slot != order.rend(); ++slot)
            pane_box_->addItem(comparison_->paneName(*slot), static_cast<int>(*slot));
    }
    const int at = pane_box_->findData(static_cast<int>(slot_));
    pane_box_->setCurrentIndex(std::max(0, at));
}

void HeatmapView::makePlot()
{
    plot_ = new QCustomPlot;
    plot_->setObjectName(QStringLiteral("heatmapPlot"));
    plot_->setAccessibleName(tr("Heatmap of tokens and layers"));
    plot_->setFocusPolicy(Qt::StrongFocus);
    plot_->setMouseTracking(true);
    plot_->installEventFilter(this);
    plot_->setMinimumHeight(fontMetrics().height() * 7);
    plot_->setInteractions(QCP::iRangeZoom | QCP::iRangeDrag);
    plot_->axisRect()->setRangeZoom(Qt::Horizontal);
    plot_->axisRect()->setRangeDrag(Qt::Horizontal);
    plot_->axisRect()->setupFullAxesBox();
    plot_->xAxis->setLabel(tr("token"));
    plot_->yAxis->setLabel(tr("layer"));
    map_ = new QCPColorMap(plot_->xAxis, plot_->yAxis);
    map_->setGradient(sequentialGradient());
    map_->setInterpolate(false);
    map_->setTightBoundary(false);
    plot_->addLayer(QStringLiteral("marks"), plot_->layer(QStringLiteral("main")), QCustomPlot::limAbove);
    column_rim_ = new QCPItemRect(plot_);
    column_ = new QCPItemRect(plot_);
    cursor_rim_ = new QCPItemRect(plot_);
    cursor_ = new QCPItemRect(plot_);
    prompt_rim_ = new QCPItemStraightLine(plot_);
    prompt_end_ = new QCPItemStraightLine(plot_);
    split_rim_ = new QCPItemStraightLine(plot_);
    split_ = new QCPItemStraightLine(plot_);
    for (QCPAbstractItem* item : std::initializer_list<QCPAbstractItem*>{
             column_rim_, column_, cursor_rim_, cursor_, prompt_rim_, prompt_end_, split_rim_, split_}) {
        item->setLayer(QStringLiteral("marks"));
        item->setSelectable(false);
        item->setVisible(false);
    }
    for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis}) {
        auto ticker = QSharedPointer<QCPAxisTickerFixed>::create();
        ticker->setTickStep(1.0);
        ticker->setScaleStrategy(QCPAxisTickerFixed::ssMultiples); // whole numbers at any zoom
        axis->setTicker(ticker);
        axis->grid()->setVisible(false);
        axis->setSubTicks(false);
    }
    for (QCPAxis* axis : {plot_->xAxis2, plot_->yAxis2}) axis->setTicks(false);
    connect(plot_->xAxis, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), this, &HeatmapView::updateTicks);
}

void HeatmapView::setQuantity(Quantity quantity)
{
    quantity_box_->setCurrentIndex(quantity_box_->findData(static_cast<int>(quantity)));
}

double HeatmapView::drawnValue(int token, int layer) const
{
    QCPColorMapData* cells = map_->data();
    if (token < 0 || layer < 0 || token >= cells->keySize() || layer >= cells->valueSize()) return kNaN;
    return cells->cell(token, layer);
}

void HeatmapView::rebuild()
{
    // What was read off the last run says nothing of this one.
    readout_->clear();
    plot_->setAccessibleDescription({});
    zoomed_ = false;
    const int room = std::max(1, static_cast<int>(trace().records.size()) + pane().inputs.max_tokens);
    const int layers = std::max(1, trace().layers);
    map_->data()->setSize(room, layers);
    map_->data()->setRange(QCPRange(0, std::max(1, room - 1)), QCPRange(0, std::max(1, layers - 1)));
    map_->data()->fill(kNaN);
    updateScale();
    drawColumns(0);
    updateFrame();
    updateState();
}

void HeatmapView::drawColumns(int first)
{
    const int count = std::min(static_cast<int>(trace().records.size()), map_->data()->keySize());
    for (int token = first; token < count; ++token) {
        for (int layer = 0; layer < trace().layers; ++layer) {
            map_->data()->setCell(token, layer, cellValue(trace(), token, layer, quantity_, shares_.get()));
        }
    }
    if (quantity_ == Quantity::Milliseconds || legend_->isHidden()) updateScale();
    note_->setText(noteText());
    updateMarks();
}

QString HeatmapView::noteText() const
{
    if (sameForEveryToken(trace())) return tr("The same for every token: one choice for the whole text.");
    const bool changed = tokensRead(trace()) > 0 && trace().routing != "dynamic";
    return changed ? tr("The target was changed in mid-text.") : QString();
}

void HeatmapView::updateScale()
{
    range_ = valueRange(trace(), quantity_);
    map_->setDataRange(QCPRange(range_.low, range_.high));
    legend_->setScale(quantity_, range_, discreteValues(trace(), quantity_));
}

// While the pane is written the whole run's room is shown, its unread part hatched; at the end just what there is.
void HeatmapView::updateFrame()
{
    const int layers = std::max(1, trace().layers);
    plot_->yAxis->setRange(-0.5, layers - 0.5);
    if (!zoomed_) {
        const int written = std::max(1, static_cast<int>(trace().records.size()));
        const int room = pane().busy() ? map_->data()->keySize() : written;
        plot_->xAxis->setRange(-0.5, room - 0.5);
    }
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapView::resetZoom()
{
    zoomed_ = false;
    updateFrame();
}

// Token texts where a column is as wide as a line is high and the plot is high enough to spare the room, else their
// numbers.
void HeatmapView::updateTicks()
{
    const QCPRange range = plot_->xAxis->range();
    const double column = plot_->axisRect()->width() / std::max(1.0, range.size());
    const bool room = column >= fontMetrics().height() * 1.1 && plot_->height() >= fontMetrics().height() * 14;
    const bool texts = room && !trace().records.empty();
    if (texts) {
        auto ticker = QSharedPointer<QCPAxisTickerText>::create();
        const int first = std::max(0, static_cast<int>(std::floor(range.lower)));
        const int last = std::min(static_cast<int>(trace().records.size()) - 1,
                                  static_cast<int>(std::ceil(range.upper)));
        for (int token = first; token <= last; ++token) {
            const TokenRecord& record = trace().records[static_cast<std::size_t>(token)];
            ticker->addTick(token, record.bytes.empty() ? QStringLiteral("·") : formatToken(record.bytes));
        }
        plot_->xAxis->setTicker(ticker);
    } else if (plot_->xAxis->ticker().dynamicCast<QCPAxisTickerFixed>() == nullptr) {
        auto ticker = QSharedPointer<QCPAxisTickerFixed>::create();
        ticker->setTickStep(1.0);
        ticker->setScaleStrategy(QCPAxisTickerFixed::ssMultiples);
        plot_->xAxis->setTicker(ticker);
    }
    plot_->xAxis->setTickLabelRotation(texts ? -60 : 0);
}

void HeatmapView::updateState()
{
    const PaneData& shown_pane = pane();
    if (!service_->model()) {
        page_->showEmpty(tr("No model"), tr("Open a model to see how wide each token is computed."));
    } else if (shown_pane.state == PaneState::Failed && !shown_pane.hasText()) {
        page_->showError(tr("The run failed"), shown_pane.error, run_action_);
    } else if (!shown_pane.hasText()) {
        if (shown_pane.busy()) page_->showLoading(tr("Starting"), {tr("reading the prompt"), 0, 0, {}});
        else
            page_->showEmpty(tr("Nothing read yet"), tr("A run draws here how wide each layer was for each token."),
                             run_action_);
    } else if (comparison_->stale(slot_)) {
        page_->showStale(tr("Out of date: prompt or settings have changed."), run_action_);
    } else {
        page_->showContent();
    }
}

void HeatmapView::updateMarks()
{
    const int layers = std::max(1, trace().layers);
    const auto place = [](QCPItemRect* rect, double left, double right, double bottom, double top) {
        rect->topLeft->setCoords(left - 0.5, top + 0.5);
        rect->bottomRight->setCoords(right + 0.5, bottom - 0.5);
    };
    const auto vertical = [](QCPItemStraightLine* line, double x) {
        line->point1->setCoords(x, 0);
        line->point2->setCoords(x, 1);
    };
    const PaneData& shown_pane = pane();
    for (QCPItemStraightLine* line : {prompt_rim_, prompt_end_}) {
        line->setVisible(shown_pane.prompt_tokens > 0);
        vertical(line, shown_pane.prompt_tokens - 0.5);
    }
    const auto at = comparison_->divergence(slot_);
    for (QCPItemStraightLine* line : {split_rim_, split_}) {
        line->setVisible(at.has_value());
        vertical(line, shown_pane.prompt_tokens + at.value_or(0) - 0.5);
    }

    const SelectionState& state = selection_->state();
    const bool same_place = state.pane == slot_ || !at || state.primary < shown_pane.prompt_tokens + *at;
    const bool shown = state.primary >= 0 && state.primary < static_cast<int>(shown_pane.trace.records.size()) &&
                       same_place;
    for (QCPItemRect* rect : {column_rim_, column_}) rect->setVisible(shown);
    for (QCPItemRect* rect : {cursor_rim_, cursor_}) rect->setVisible(shown && state.layer >= 0);
    if (shown) {
        for (QCPItemRect* rect : {column_rim_, column_})
            place(rect, *state.tokens.begin(), *state.tokens.rbegin(), 0, layers - 1);
        const int layer = std::max(0, state.layer);
        for (QCPItemRect* rect : {cursor_rim_, cursor_}) place(rect, state.primary, state.primary, layer, layer);
        showCell(state.primary, layer);
    }
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapView::showCell(int token, int layer)
{
    const QString text = cellText(trace(), token, layer, quantity_, shares_.get());
    readout_->setText(text);
    plot_->setAccessibleDescription(text);
}

void HeatmapView::select(int token, int layer, bool extend)
{
    const int last = static_cast<int>(trace().records.size()) - 1;
    if (last < 0) return;
    token = std::clamp(token, 0, last);
    layer = std::clamp(layer, 0, std::max(0, trace().layers - 1));
    if (extend && selection_->state().pane == slot_) {
        selection_->extendTo(token);
        selection_->setLayer(layer);
    } else {
        selection_->selectToken(slot_, token, layer);
    }
}

bool HeatmapView::handleKey(int key, bool extend)
{
    const SelectionState& state = selection_->state();
    const int token = std::max(0, state.primary);
    const int layer = std::max(0, state.layer);
    switch (key) {
    case Qt::Key_Left: select(token - 1, layer, extend); return true;
    case Qt::Key_Right: select(state.primary < 0 ? 0 : token + 1, layer, extend); return true;
    case Qt::Key_Up: select(token, state.layer < 0 ? 0 : layer + 1, extend); return true;
    case Qt::Key_Down: select(token, layer - 1, extend); return true;
    case Qt::Key_Home: select(0, layer, extend); return true;
    case Qt::Key_End: select(std::numeric_limits<int>::max() - 1, layer, extend); return true;
    default: return false;
    }
}

bool HeatmapView::eventFilter(QObject* watched, QEvent* event)
{
    const auto cell_at = [this](QPointF point) {
        return std::pair(static_cast<int>(std::lround(plot_->xAxis->pixelToCoord(point.x()))),
                         static_cast<int>(std::lround(plot_->yAxis->pixelToCoord(point.y()))));
    };
    switch (event->type()) {
    case QEvent::KeyPress: {
        auto* key = static_cast<QKeyEvent*>(event);
        if (handleKey(key->key(), key->modifiers().testFlag(Qt::ShiftModifier))) return true;
        break;
    }
    case QEvent::MouseButtonPress: press_ = static_cast<QMouseEvent*>(event)->pos(); break;
    case QEvent::MouseButtonRelease: {
        auto* mouse = static_cast<QMouseEvent*>(event);
        const bool click = (mouse->pos() - press_).manhattanLength() < QApplication::startDragDistance();
        if (!click) zoomed_ = true;
        else if (mouse->button() == Qt::LeftButton && plot_->axisRect()->rect().contains(mouse->pos())) {
            const auto [token, layer] = cell_at(mouse->position());
            select(token, layer, mouse->modifiers().testFlag(Qt::ShiftModifier));
        }
        break;
    }
    case QEvent::MouseMove: {
        auto* mouse = static_cast<QMouseEvent*>(event);
        if (!plot_->axisRect()->rect().contains(mouse->pos())) break;
        const auto [token, layer] = cell_at(mouse->position());
        showCell(token, std::clamp(layer, 0, std::max(0, trace().layers - 1)));
        break;
    }
    case QEvent::Leave:
        if (selection_->state().primary >= 0) updateMarks();
        break;
    case QEvent::Wheel: zoomed_ = true; break;
    case QEvent::MouseButtonDblClick: resetZoom(); return true;
    case QEvent::Resize: updateTicks(); break;
    case QEvent::FocusIn:
    case QEvent::FocusOut: updateColors(); break;
    default: break;
    }
    return QWidget::eventFilter(watched, event);
}

void HeatmapView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) updateColors();
}

void HeatmapView::updateColors()
{
    const QColor text = palette().color(QPalette::Text);
    const QColor quiet = quietColor(palette());
    plot_->setBackground(palette().color(QPalette::Base));
    QColor hatch = quiet;
    hatch.setAlphaF(0.45F);
    plot_->axisRect()->setBackground(QBrush(hatch, Qt::BDiagPattern));
    const QColor frame = plot_->hasFocus() ? palette().color(QPalette::Highlight) : quiet;
    for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis, plot_->xAxis2, plot_->yAxis2}) {
        axis->setBasePen(QPen(frame, plot_->hasFocus() ? 2 : 1));
        axis->setTickPen(QPen(quiet));
        axis->setTickLabelColor(text);
        axis->setLabelColor(text);
        axis->setTickLabelFont(font());
        axis->setLabelFont(font());
    }
    column_rim_->setPen(QPen(Qt::black, 3));
    column_->setPen(QPen(Qt::white, 1));
    // Light on black: seen on every colour of the map.
    cursor_rim_->setPen(QPen(Qt::black, 4));
    cursor_->setPen(QPen(Qt::white, 2));
    for (QCPItemRect* rect : {column_rim_, column_, cursor_rim_, cursor_}) rect->setBrush(Qt::NoBrush);
    prompt_rim_->setPen(QPen(Qt::black, 1));
    prompt_end_->setPen(QPen(Qt::white, 1, Qt::DashLine));
    split_rim_->setPen(QPen(Qt::black, 4));
    split_->setPen(QPen(QColor(0xfff2b04c), 2));
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

} // namespace flextron::ui
