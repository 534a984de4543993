#include "ui/inspect/heatmapplot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QApplication>

#include "ui/parts/plots.h"

namespace flextron::ui {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kMany = 1 << 20; // further than any text is long

QCPColorGradient gradientOf(ColorMap map)
{
    QCPColorGradient gradient;
    gradient.clearColorStops();
    const auto stops = colorStops(map);
    for (std::size_t i = 0; i < stops.size(); ++i) {
        gradient.setColorStopAt(static_cast<double>(i) / static_cast<double>(stops.size() - 1), QColor(stops[i]));
    }
    gradient.setLevelCount(256);
    gradient.setNanHandling(QCPColorGradient::nhTransparent); // the hatched ground shows: nothing is not zero
    return gradient;
}

void place(QCPItemRect* rect, double left, double right, double bottom, double top)
{
    rect->topLeft->setCoords(left - 0.5, top + 0.5);
    rect->bottomRight->setCoords(right + 0.5, bottom - 0.5);
}

} // namespace

HeatmapPlot::HeatmapPlot(QWidget* parent) : QCustomPlot(parent)
{
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setMinimumHeight(fontMetrics().height() * 7);
    setInteractions(QCP::iRangeZoom | QCP::iRangeDrag);
    axisRect()->setRangeDrag(Qt::Horizontal | Qt::Vertical);
    axisRect()->setupFullAxesBox();
    xAxis->setLabel(tr("token"));
    yAxis->setLabel(tr("layer"));
    map_ = new QCPColorMap(xAxis, yAxis);
    map_->setInterpolate(false);
    map_->setTightBoundary(false);
    for (QCPAxis* axis : {xAxis, yAxis}) {
        axis->setTicker(wholeNumbers());
        axis->grid()->setVisible(false);
        axis->setSubTicks(false);
    }
    for (QCPAxis* axis : {xAxis2, yAxis2}) axis->setTicks(false);
    texts_ = new CellTexts(map_); // on the layer of the map, drawn after it
    makeMeans();
    makeMarks();
    connect(xAxis, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), this, &HeatmapPlot::boundRanges);
    connect(yAxis, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), this, &HeatmapPlot::boundRanges);
    setScale(ColorMap::Sequential, {});
    setRoom(1, 1);
    updateColors();
}

void HeatmapPlot::makeMeans()
{
    plotLayout()->insertRow(0);
    plotLayout()->insertColumn(1);
    token_rect_ = new QCPAxisRect(this);
    layer_rect_ = new QCPAxisRect(this);
    plotLayout()->addElement(0, 0, token_rect_);
    plotLayout()->addElement(1, 1, layer_rect_);
    plotLayout()->setRowSpacing(0);
    plotLayout()->setColumnSpacing(0);
    auto* along = new QCPMarginGroup(this);
    auto* across = new QCPMarginGroup(this);
    for (QCPAxisRect* rect : {xAxis->axisRect(), token_rect_}) rect->setMarginGroup(QCP::msLeft | QCP::msRight, along);
    for (QCPAxisRect* rect : {xAxis->axisRect(), layer_rect_}) rect->setMarginGroup(QCP::msTop | QCP::msBottom, across);
    constexpr int kMargin = 3; // pixels; QCustomPlot's own are meant for plots that stand alone
    for (QCPAxisRect* rect : {xAxis->axisRect(), token_rect_, layer_rect_})
        rect->setMinimumMargins(QMargins(kMargin, kMargin, kMargin, kMargin));
    for (QCPAxisRect* rect : {token_rect_, layer_rect_}) {
        rect->setupFullAxesBox();
        rect->setRangeDrag({});
        rect->setRangeZoom({});
        for (QCPAxis* axis : rect->axes()) {
            axis->setTicks(false);
            axis->setTickLabels(false);
            axis->grid()->setVisible(false);
        }
    }
    token_means_ = addGraph(token_rect_->axis(QCPAxis::atBottom), token_rect_->axis(QCPAxis::atLeft));
    layer_means_ = addGraph(layer_rect_->axis(QCPAxis::atLeft), layer_rect_->axis(QCPAxis::atBottom));
    for (QCPGraph* graph : {token_means_, layer_means_}) graph->setLineStyle(QCPGraph::lsStepCenter);
    setProfile(false);
}

void HeatmapPlot::makeMarks()
{
    addLayer(QStringLiteral("marks"), layer(QStringLiteral("main")), QCustomPlot::limAbove);
    setCurrentLayer(QStringLiteral("marks"));
    columns_rim_ = new QCPItemRect(this);
    columns_ = new QCPItemRect(this);
    cursor_rim_ = new QCPItemRect(this);
    cursor_ = new QCPItemRect(this);
    prompt_rim_ = new QCPItemStraightLine(this);
    prompt_end_ = new QCPItemStraightLine(this);
    split_rim_ = new QCPItemStraightLine(this);
    split_ = new QCPItemStraightLine(this);
    for (QCPAbstractItem* item : std::initializer_list<QCPAbstractItem*>{
             columns_rim_, columns_, cursor_rim_, cursor_, prompt_rim_, prompt_end_, split_rim_, split_}) {
        for (QCPItemPosition* position : item->positions()) {
            position->setAxes(xAxis, yAxis);
            position->setAxisRect(xAxis->axisRect());
        }
        item->setClipAxisRect(xAxis->axisRect());
        item->setSelectable(false);
        item->setVisible(false);
    }
}

void HeatmapPlot::setRoom(int tokens, int layers)
{
    zoomed_ = false;
    QCPColorMapData* cells = map_->data();
    cells->setSize(std::max(1, tokens), std::max(1, layers));
    cells->setRange(QCPRange(0, std::max(1, tokens - 1)), QCPRange(0, std::max(1, layers - 1)));
    cells->fill(kNaN);
    token_means_->data()->clear();
    layer_means_->data()->clear();
    shown_tokens_ = cells->keySize();
    updateFrame();
}

void HeatmapPlot::showCells(const CellGrid& grid, int first)
{
    const int count = std::min(grid.tokens(), tokens());
    QVector<QCPGraphData> means;
    for (int token = std::max(0, first); token < count; ++token) {
        for (int layer = 0; layer < std::min(grid.layers(), layers()); ++layer)
            map_->data()->setCell(token, layer, grid.at(token, layer));
        means.append({static_cast<double>(token), grid.tokenMean(token)});
    }
    token_means_->data()->removeAfter(first - 0.5);
    token_means_->data()->add(means, true);
    layer_means_->data()->clear();
    for (int layer = 0; layer < grid.layers(); ++layer) layer_means_->addData(layer, grid.layerMean(layer));
    replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapPlot::setScale(ColorMap map, ValueRange range)
{
    map_->setGradient(gradientOf(map));
    texts_->setColorMap(map);
    map_->setDataRange(QCPRange(range.low, range.high));
    // A thin line at zero has no height to be seen at: bars begin a little below.
    const double room = 0.06 * (range.high - range.low);
    token_means_->valueAxis()->setRange(range.low - room, range.high + room);
    layer_means_->valueAxis()->setRange(range.low - room, range.high + room);
    replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapPlot::setShownTokens(int tokens)
{
    shown_tokens_ = std::max(1, tokens);
    updateFrame();
}

void HeatmapPlot::setProfile(bool profile)
{
    profile_ = profile;
    const int line = fontMetrics().height();
    const bool room = height() >= 9 * line;
    if (room != token_rect_->visible()) {
        // An element that is only hidden would still take its place.
        token_rect_->setVisible(room);
        if (room) {
            plotLayout()->insertRow(0);
            plotLayout()->addElement(0, 0, token_rect_);
        } else {
            plotLayout()->take(token_rect_);
            plotLayout()->simplify();
        }
    }
    token_rect_->setMinimumSize(0, line * 3 / 2);
    token_rect_->setMaximumSize(QWIDGETSIZE_MAX, line * 3 / 2);
    const int width = profile ? std::max(7 * line, this->width() * 2 / 5) : 5 * line;
    layer_rect_->setMinimumSize(width, 0);
    layer_rect_->setMaximumSize(width, QWIDGETSIZE_MAX);
    replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapPlot::setCellText(std::function<QString(double)> text)
{
    texts_->setText(std::move(text));
    updateFrame();
}

void HeatmapPlot::setPrinted(bool printed)
{
    printed_ = printed;
    updateFrame();
}

void HeatmapPlot::updateFrame()
{
    if (!zoomed_) {
        yAxis->setRange(-0.5, layers() - 0.5);
        int first = 0;
        int count = shown_tokens_;
        if (printed_ && texts_->needed().width() > 0) {
            const int room = static_cast<int>(xAxis->axisRect()->width() / texts_->needed().width());
            count = std::clamp(room, 1, shown_tokens_);
            const int middle = focus_ >= 0 ? focus_ : shown_tokens_ - 1;
            first = std::clamp(middle - count / 2, 0, shown_tokens_ - count);
        }
        xAxis->setRange(first - 0.5, first + count - 0.5);
    }
    replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapPlot::resetZoom()
{
    zoomed_ = false;
    updateFrame();
}

void HeatmapPlot::zoomTokens(double factor)
{
    zoomed_ = true;
    xAxis->scaleRange(factor, cursor_->visible() ? (cursor_->topLeft->key() + cursor_->bottomRight->key()) / 2
                                                 : xAxis->range().center());
    replot(QCustomPlot::rpQueuedReplot);
}

// Pans and zooms keep to what there is; the means follow.
void HeatmapPlot::boundRanges()
{
    const QSignalBlocker quiet_x(xAxis);
    const QSignalBlocker quiet_y(yAxis);
    xAxis->setRange(xAxis->range().bounded(-0.5, std::max(shown_tokens_, 1) - 0.5));
    yAxis->setRange(yAxis->range().bounded(-0.5, layers() - 0.5));
    token_means_->keyAxis()->setRange(xAxis->range());
    layer_means_->keyAxis()->setRange(yAxis->range());
    updateTicks();
}

// Token texts where a column is as wide as a line is high and the plot is high enough to spare the room, else their
// numbers.
void HeatmapPlot::updateTicks()
{
    const QCPRange range = xAxis->range();
    const double column = xAxis->axisRect()->width() / std::max(1.0, range.size());
    const bool room = column >= fontMetrics().height() * 1.1 && height() >= fontMetrics().height() * 16;
    const bool texts = room && token_label_;
    if (texts) {
        auto ticker = QSharedPointer<QCPAxisTickerText>::create();
        const int first = std::max(0, static_cast<int>(std::floor(range.lower)));
        const int last = std::min(shown_tokens_ - 1, static_cast<int>(std::ceil(range.upper)));
        for (int token = first; token <= last; ++token) ticker->addTick(token, token_label_(token));
        xAxis->setTicker(ticker);
    } else if (xAxis->ticker().dynamicCast<QCPAxisTickerFixed>() == nullptr) {
        xAxis->setTicker(wholeNumbers());
    }
    xAxis->setTickLabelRotation(texts ? -60 : 0);
    // In a low plot the map needs the line more than its name.
    xAxis->setLabel(height() >= fontMetrics().height() * 12 ? tr("token") : QString());
}

void HeatmapPlot::setMarks(const HeatmapMarks& marks)
{
    const auto vertical = [](QCPItemStraightLine* line, double x) {
        line->point1->setCoords(x, 0);
        line->point2->setCoords(x, 1);
    };
    for (QCPItemStraightLine* line : {prompt_rim_, prompt_end_}) {
        line->setVisible(marks.prompt_tokens > 0);
        vertical(line, marks.prompt_tokens - 0.5);
    }
    for (QCPItemStraightLine* line : {split_rim_, split_}) {
        line->setVisible(marks.split.has_value());
        vertical(line, marks.split.value_or(0) - 0.5);
    }
    const bool shown = marks.primary >= 0 && !marks.tokens.empty();
    const int focus = shown ? marks.primary : -1;
    if (printed_ && focus != focus_ && !zoomed_) {
        focus_ = focus;
        updateFrame();
    }
    const bool moved = focus >= 0 && focus != focus_;
    if (zoomed_ && moved && !xAxis->range().contains(focus))
        xAxis->setRange(focus, xAxis->range().size(), Qt::AlignCenter);
    focus_ = focus;
    for (QCPItemRect* rect : {columns_rim_, columns_}) rect->setVisible(shown);
    for (QCPItemRect* rect : {cursor_rim_, cursor_}) rect->setVisible(shown && marks.layer >= 0);
    if (shown) {
        const int bottom = marks.layers.empty() ? 0 : *marks.layers.begin();
        const int top = marks.layers.empty() ? layers() - 1 : *marks.layers.rbegin();
        for (QCPItemRect* rect : {columns_rim_, columns_})
            place(rect, *marks.tokens.begin(), *marks.tokens.rbegin(), bottom, top);
        const int layer = std::max(0, marks.layer);
        for (QCPItemRect* rect : {cursor_rim_, cursor_}) place(rect, marks.primary, marks.primary, layer, layer);
    }
    replot(QCustomPlot::rpQueuedReplot);
}

double HeatmapPlot::drawnValue(int token, int layer) const
{
    if (token < 0 || layer < 0 || token >= tokens() || layer >= layers()) return kNaN;
    return map_->data()->cell(token, layer);
}

double HeatmapPlot::drawnTokenMean(int token) const
{
    const auto found = token_means_->data()->findBegin(token, false);
    return found != token_means_->data()->constEnd() && found->key == token ? found->value : kNaN;
}

double HeatmapPlot::drawnLayerMean(int layer) const
{
    const auto found = layer_means_->data()->findBegin(layer, false);
    return found != layer_means_->data()->constEnd() && found->key == layer ? found->value : kNaN;
}

QPoint HeatmapPlot::cellPosition(int token, int layer) const
{
    return {static_cast<int>(std::lround(xAxis->coordToPixel(token))),
            static_cast<int>(std::lround(yAxis->coordToPixel(layer)))};
}

HeatmapPlot::Cell HeatmapPlot::cellAt(QPointF point) const
{
    return {std::clamp(static_cast<int>(std::lround(xAxis->pixelToCoord(point.x()))), 0, tokens() - 1),
            std::clamp(static_cast<int>(std::lround(yAxis->pixelToCoord(point.y()))), 0, layers() - 1)};
}

void HeatmapPlot::showBrush(Cell from, Cell to)
{
    for (QCPItemRect* rect : {columns_rim_, columns_}) {
        rect->setVisible(true);
        place(rect, std::min(from.token, to.token), std::max(from.token, to.token), std::min(from.layer, to.layer),
              std::max(from.layer, to.layer));
    }
    replot(QCustomPlot::rpQueuedReplot);
}

void HeatmapPlot::keyPressEvent(QKeyEvent* event)
{
    const bool extend = event->modifiers().testFlag(Qt::ShiftModifier);
    switch (event->key()) {
    case Qt::Key_Left: emit cursorMoved(-1, 0, extend); return;
    case Qt::Key_Right: emit cursorMoved(1, 0, extend); return;
    case Qt::Key_Up: emit cursorMoved(0, 1, extend); return;
    case Qt::Key_Down: emit cursorMoved(0, -1, extend); return;
    case Qt::Key_Home: emit cursorMoved(-kMany, 0, extend); return;
    case Qt::Key_End: emit cursorMoved(kMany, 0, extend); return;
    case Qt::Key_Plus: zoomTokens(0.5); return;
    case Qt::Key_Minus: zoomTokens(2.0); return;
    case Qt::Key_0: resetZoom(); return;
    default: QCustomPlot::keyPressEvent(event);
    }
}

void HeatmapPlot::mousePressEvent(QMouseEvent* event)
{
    const bool pans = event->modifiers().testFlag(Qt::ControlModifier);
    const bool inside = xAxis->axisRect()->rect().contains(event->pos());
    if (event->button() == Qt::LeftButton && inside && !pans) {
        press_ = event->pos();
        setFocus(Qt::MouseFocusReason);
        return;
    }
    if (pans) zoomed_ = true;
    QCustomPlot::mousePressEvent(event);
}

void HeatmapPlot::mouseMoveEvent(QMouseEvent* event)
{
    const bool inside = xAxis->axisRect()->rect().contains(event->pos());
    const Cell cell = cellAt(event->position());
    if (press_) {
        if ((event->pos() - *press_).manhattanLength() >= QApplication::startDragDistance())
            showBrush(cellAt(*press_), cell);
    } else {
        QCustomPlot::mouseMoveEvent(event);
    }
    if (inside || press_) emit cellPointed(cell.token, cell.layer);
}

void HeatmapPlot::mouseReleaseEvent(QMouseEvent* event)
{
    if (!press_) {
        QCustomPlot::mouseReleaseEvent(event);
        return;
    }
    const QPoint press = *press_;
    press_.reset();
    const Cell from = cellAt(press);
    const Cell to = cellAt(event->position());
    const bool click = (event->pos() - press).manhattanLength() < QApplication::startDragDistance();
    if (click || from == to) emit cellClicked(to.token, to.layer, event->modifiers().testFlag(Qt::ShiftModifier));
    else emit cellsBrushed(from.token, from.layer, to.token, to.layer);
}

void HeatmapPlot::mouseDoubleClickEvent(QMouseEvent*)
{
    press_.reset();
    resetZoom();
}

void HeatmapPlot::wheelEvent(QWheelEvent* event)
{
    const bool layers_too = event->modifiers().testFlag(Qt::ControlModifier);
    xAxis->axisRect()->setRangeZoom(layers_too ? Qt::Vertical : Qt::Horizontal);
    zoomed_ = true;
    QCustomPlot::wheelEvent(event);
}

void HeatmapPlot::leaveEvent(QEvent* event)
{
    QCustomPlot::leaveEvent(event);
    emit pointerLeft();
}

void HeatmapPlot::resizeEvent(QResizeEvent* event)
{
    setProfile(profile_);
    QCustomPlot::resizeEvent(event);
    if (printed_) updateFrame();
    updateTicks();
}

void HeatmapPlot::focusInEvent(QFocusEvent* event)
{
    QCustomPlot::focusInEvent(event);
    updateColors();
}

void HeatmapPlot::focusOutEvent(QFocusEvent* event)
{
    QCustomPlot::focusOutEvent(event);
    updateColors();
}

void HeatmapPlot::changeEvent(QEvent* event)
{
    QCustomPlot::changeEvent(event);
    if (map_ != nullptr && (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange))
        updateColors();
}

void HeatmapPlot::updateColors()
{
    const QColor text = palette().color(QPalette::Text);
    const QColor quiet = quietColor(palette());
    setBackground(palette().color(QPalette::Base));
    QColor hatch = quiet;
    hatch.setAlphaF(0.45F);
    xAxis->axisRect()->setBackground(QBrush(hatch, Qt::BDiagPattern));
    const QColor frame = hasFocus() ? palette().color(QPalette::Highlight) : quiet;
    for (QCPAxis* axis : {xAxis, yAxis, xAxis2, yAxis2}) {
        axis->setBasePen(QPen(frame, hasFocus() ? 2 : 1));
        axis->setTickPen(QPen(quiet));
        axis->setTickLabelColor(text);
        axis->setLabelColor(text);
        axis->setTickLabelFont(font());
        axis->setLabelFont(font());
    }
    for (QCPAxisRect* rect : {token_rect_, layer_rect_}) {
        for (QCPAxis* axis : rect->axes()) axis->setBasePen(QPen(hatch));
    }
    QColor fill = palette().color(QPalette::Highlight);
    for (QCPGraph* graph : {token_means_, layer_means_}) {
        graph->setPen(QPen(fill));
        graph->setBrush(fill);
    }
    // Light on black: seen on every colour of the map.
    columns_rim_->setPen(QPen(Qt::black, 3));
    columns_->setPen(QPen(Qt::white, 1));
    cursor_rim_->setPen(QPen(Qt::black, 4));
    cursor_->setPen(QPen(Qt::white, 2));
    for (QCPItemRect* rect : {columns_rim_, columns_, cursor_rim_, cursor_}) rect->setBrush(Qt::NoBrush);
    prompt_rim_->setPen(QPen(Qt::black, 1));
    prompt_end_->setPen(QPen(Qt::white, 1, Qt::DashLine));
    split_rim_->setPen(QPen(Qt::black, 4));
    split_->setPen(QPen(QColor(0xfff2b04c), 2));
    replot(QCustomPlot::rpQueuedReplot);
}

} // namespace flextron::ui
