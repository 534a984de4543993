#include "ui/compare/colorlegend.h"

#include <QPainter>

#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {
constexpr double kStripSwatches = 6; // a strip is as wide as this many swatches
} // namespace

ColorLegend::ColorLegend(QWidget* parent) : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setAccessibleName(tr("Colour legend"));
}

void ColorLegend::setScale(ColorMap map, ValueRange range, std::vector<double> values, Say say)
{
    map_ = map;
    say_ = std::move(say);
    range_ = range;
    values_ = std::move(values);
    updateGeometry();
    update();
}

QString ColorLegend::say(double value) const
{
    return say_ ? say_(value) : QString();
}

double ColorLegend::swatch() const
{
    return fontMetrics().height() * 0.8;
}

QSize ColorLegend::sizeHint() const
{
    const QFontMetrics metrics = fontMetrics();
    double width = 0;
    if (values_.empty()) {
        width = metrics.horizontalAdvance(say(range_.low)) + metrics.horizontalAdvance(say(range_.high)) +
                swatch() * (kStripSwatches + 1);
    }
    for (const double value : values_) width += swatch() * 2 + metrics.horizontalAdvance(say(value));
    return {static_cast<int>(width) + 1, metrics.height() + metrics.height() / 3};
}

// Swatches that have no room are left out, in a row of narrow controls.
QSize ColorLegend::minimumSizeHint() const
{
    return values_.empty() ? sizeHint() : QSize(0, sizeHint().height());
}

void ColorLegend::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    if (values_.empty()) paintStrip(painter);
    else paintSwatches(painter);
}

void ColorLegend::paintSwatches(QPainter& painter) const
{
    double x = 0;
    const double side = swatch();
    for (const double value : values_) {
        const QRectF box(x + side * 0.5, (height() - side) / 2, side, side);
        const QString text = say(value);
        const double width = fontMetrics().horizontalAdvance(text);
        if (box.right() + side * 0.25 + width > this->width()) return;
        painter.setPen(quietColor(palette()));
        painter.setBrush(mapColor(map_, (value - range_.low) / (range_.high - range_.low)));
        painter.drawRect(box);
        painter.setPen(palette().color(QPalette::WindowText));
        painter.drawText(QRectF(box.right() + side * 0.25, 0, width + 1, height()), Qt::AlignVCenter, text);
        x += side * 2 + width;
    }
}

void ColorLegend::paintStrip(QPainter& painter) const
{
    const double side = swatch();
    const QString low = say(range_.low);
    const double low_width = fontMetrics().horizontalAdvance(low);
    const QRectF strip(low_width + side * 0.5, (height() - side) / 2, side * kStripSwatches, side);
    QLinearGradient gradient(strip.topLeft(), strip.topRight());
    const auto stops = colorStops(map_);
    for (std::size_t i = 0; i < stops.size(); ++i) {
        gradient.setColorAt(static_cast<double>(i) / static_cast<double>(stops.size() - 1), QColor(stops[i]));
    }
    painter.setPen(quietColor(palette()));
    painter.setBrush(gradient);
    painter.drawRect(strip);
    painter.setPen(palette().color(QPalette::WindowText));
    painter.drawText(QRectF(0, 0, low_width + 1, height()), Qt::AlignVCenter, low);
    painter.drawText(QRectF(strip.right() + side * 0.5, 0, width() - strip.right(), height()), Qt::AlignVCenter,
                     say(range_.high));
}

} // namespace flextron::ui
