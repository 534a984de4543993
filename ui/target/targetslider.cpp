#include "ui/target/targetslider.h"

#include <algorithm>
#include <cmath>

#include <QMouseEvent>
#include <QPainter>
#include <QScopedValueRollback>
#include <QWheelEvent>

#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {
constexpr int kPositions = 1000; // of the QSlider beneath, for screen readers
constexpr double kSmallText = 0.85;
constexpr double kBelowFloor = 0.15; // of the reachable part
} // namespace

TargetSlider::TargetSlider(QWidget* parent) : QSlider(Qt::Horizontal, parent)
{
    setRange(0, kPositions);
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    // A value set from outside (assistive technology) is a wish like any other.
    connect(this, &QSlider::valueChanged, this, [this](int position) {
        if (own_change_) return;
        requested_ = std::clamp(maximum_value_ * position / kPositions, ticks_.front(), ticks_.back());
        update();
        emit committed(requested_);
    });
}

void TargetSlider::setScale(double maximum, std::vector<double> ticks, const QString& floor_text,
                            const QString& full_text)
{
    if (ticks.empty() || maximum <= 0) return;
    maximum_value_ = maximum;
    ticks_ = std::move(ticks);
    // A model that cannot shrink, or whose widths all take the same time, has one tick: then the scale begins at 0.
    origin_ = ticks_.front() < maximum ? std::max(0.0, ticks_.front() - kBelowFloor * (maximum - ticks_.front())) : 0.0;
    floor_text_ = floor_text;
    full_text_ = full_text;
    {
        const QScopedValueRollback guard(own_change_, true);
        setRange(static_cast<int>(std::lround(kPositions * ticks_.front() / maximum_value_)), kPositions);
    }
    setRequested(std::clamp(requested_, ticks_.front(), ticks_.back()));
}

void TargetSlider::setRequested(double value)
{
    requested_ = value;
    const QScopedValueRollback guard(own_change_, true);
    setValue(static_cast<int>(std::lround(kPositions * value / maximum_value_)));
    update();
}

void TargetSlider::setRunning(std::optional<double> value)
{
    running_ = value;
    update();
}

void TargetSlider::setCautious(bool cautious)
{
    cautious_ = cautious;
    update();
}

double TargetSlider::handleRadius() const
{
    return fontMetrics().height() * 0.45;
}

QRectF TargetSlider::groove() const
{
    const double radius = handleRadius();
    const double thickness = std::max(3.0, radius * 0.6);
    return {radius + 1, radius + 1 - thickness / 2, width() - 2 * (radius + 1), thickness};
}

double TargetSlider::xOf(double value) const
{
    return groove().left() + groove().width() * (value - origin_) / (maximum_value_ - origin_);
}

double TargetSlider::valueAt(double x) const
{
    const QRectF line = groove();
    const double value = std::clamp(origin_ + (x - line.left()) / line.width() * (maximum_value_ - origin_),
                                    ticks_.front(), ticks_.back());
    // Near a tick the tick is meant.
    for (const double tick : ticks_) {
        if (std::abs(xOf(tick) - xOf(value)) <= handleRadius() * 0.6) return tick;
    }
    return value;
}

QSize TargetSlider::sizeHint() const
{
    return {fontMetrics().averageCharWidth() * 34,
            static_cast<int>(2 * (handleRadius() + 1) + fontMetrics().height() * (kSmallText + 0.35))};
}

QSize TargetSlider::minimumSizeHint() const
{
    return {fontMetrics().averageCharWidth() * 20, sizeHint().height()};
}

void TargetSlider::move(double value)
{
    if (value == requested_) return;
    setRequested(value);
    emit dragged(value);
}

void TargetSlider::mousePressEvent(QMouseEvent* event)
{
    if (event->button() != Qt::LeftButton) return;
    setSliderDown(true);
    move(valueAt(event->position().x()));
}

void TargetSlider::mouseMoveEvent(QMouseEvent* event)
{
    if (isSliderDown()) move(valueAt(event->position().x()));
}

void TargetSlider::mouseReleaseEvent(QMouseEvent* event)
{
    if (!isSliderDown() || event->button() != Qt::LeftButton) return;
    move(valueAt(event->position().x()));
    setSliderDown(false);
    emit committed(requested_);
}

double TargetSlider::keyTarget(int key) const
{
    constexpr double kPage = 0.1;
    switch (key) {
    case Qt::Key_Right:
    case Qt::Key_Up: {
        const auto next = std::upper_bound(ticks_.begin(), ticks_.end(), requested_);
        return next == ticks_.end() ? ticks_.back() : *next;
    }
    case Qt::Key_Left:
    case Qt::Key_Down: {
        const auto at = std::lower_bound(ticks_.begin(), ticks_.end(), requested_);
        return at == ticks_.begin() ? ticks_.front() : *std::prev(at);
    }
    case Qt::Key_PageUp: return std::min(requested_ + kPage * maximum_value_, ticks_.back());
    case Qt::Key_PageDown: return std::max(requested_ - kPage * maximum_value_, ticks_.front());
    case Qt::Key_Home: return ticks_.front();
    case Qt::Key_End: return ticks_.back();
    default: return -1;
    }
}

void TargetSlider::keyPressEvent(QKeyEvent* event)
{
    const double target = keyTarget(event->key());
    if (target < 0) {
        event->ignore();
        return;
    }
    key_held_ = true;
    move(target);
}

void TargetSlider::keyReleaseEvent(QKeyEvent* event)
{
    if (event->isAutoRepeat() || !key_held_) return;
    key_held_ = false;
    emit committed(requested_);
}

// Scrolling a panel must not change the model.
void TargetSlider::wheelEvent(QWheelEvent* event)
{
    event->ignore();
}

void TargetSlider::drawTicks(QPainter& painter) const
{
    const QRectF line = groove();
    const double top = line.center().y() + handleRadius() * 0.75;
    painter.setPen(quietColor(palette()));
    for (const double tick : ticks_) {
        painter.drawLine(QPointF(xOf(tick), top), QPointF(xOf(tick), top + handleRadius() * 0.5));
    }
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * kSmallText);
    painter.setFont(small);
    const QFontMetricsF metrics(small);
    const double baseline = height() - metrics.descent();
    const double full_width = metrics.horizontalAdvance(full_text_);
    const double full_left = line.right() - full_width;
    painter.drawText(QPointF(full_left, baseline), full_text_);
    const double floor_width = metrics.horizontalAdvance(floor_text_);
    const double floor_left = std::max(0.0, xOf(ticks_.front()) - floor_width / 2);
    if (floor_left + floor_width < full_left) painter.drawText(QPointF(floor_left, baseline), floor_text_);
}

void TargetSlider::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF line = groove();
    const double radius = handleRadius();
    const double shown = running_.value_or(requested_);
    const bool caution = cautious_ && shown < ticks_.back();
    const QColor accent = !isEnabled() ? palette().color(QPalette::Mid)
                          : caution    ? cautionColor(palette())
                                       : palette().color(QPalette::Highlight);

    painter.setPen(Qt::NoPen);
    painter.setBrush(palette().color(QPalette::Mid));
    painter.drawRoundedRect(line, line.height() / 2, line.height() / 2);
    if (isEnabled()) {
        QRectF reached = line;
        reached.setRight(xOf(shown));
        painter.setBrush(accent);
        painter.drawRoundedRect(reached, line.height() / 2, line.height() / 2);
        QRectF unreachable = line.adjusted(0, -line.height() / 2, 0, line.height() / 2);
        unreachable.setRight(xOf(ticks_.front()));
        painter.fillRect(unreachable, palette().color(QPalette::Window));
        painter.fillRect(unreachable, QBrush(quietColor(palette()), Qt::BDiagPattern));
        drawTicks(painter);
    }

    const double y = line.center().y();
    if (running_ && isEnabled()) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(accent);
        painter.drawEllipse(QPointF(xOf(*running_), y), radius * 0.8, radius * 0.8);
    }
    const bool together = running_ && std::abs(xOf(*running_) - xOf(requested_)) < 1.0;
    painter.setBrush(together ? QBrush(Qt::NoBrush) : QBrush(palette().color(QPalette::Base)));
    painter.setPen(QPen(hasFocus() ? palette().color(QPalette::Text) : accent, hasFocus() ? 2.5 : 2.0));
    painter.drawEllipse(QPointF(xOf(requested_), y), radius - 1, radius - 1);
}

} // namespace flextron::ui
