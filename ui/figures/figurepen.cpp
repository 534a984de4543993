#include "ui/figures/figurepen.h"

#include <algorithm>
#include <cmath>

#include <QFontInfo>
#include <QGuiApplication>
#include <QImage>
#include <QLinearGradient>

#include "ui/figures/figure.h"

namespace flextron::ui {

namespace {

constexpr int kDotsPerMeter = 3780; // 96 an inch
constexpr double kGap = 4;
constexpr double kBox = 8;
constexpr double kScaleBar = 70;
constexpr double kTick = 3;

int mostTicks(double length, double each)
{
    return std::max(2, static_cast<int>(length / each));
}

QString tickText(double value)
{
    return figureNumber(std::abs(value) < 1e-12 ? 0 : value);
}

} // namespace

const QColor FigurePen::kText(0xff1d1f23);
const QColor FigurePen::kQuiet(0xff5f6368);
const QColor FigurePen::kFaint(0xffdcdcd8);
const QColor FigurePen::kAccent(0xff2b6ca3);
const QColor FigurePen::kCaution(0xff8a5200);

QFont figureFont()
{
    QFont font = QGuiApplication::font();
    // By its own name: "Sans Serif" means another typeface to each reader of an SVG, and so other widths.
    font.setFamily(QFontInfo(font).family());
    font.setPointSizeF(kFigurePoints);
    font.setBold(false);
    font.setHintingPreference(QFont::PreferNoHinting); // paper has more dots than hints reckon with
    return font;
}

QFontMetricsF figureMetrics()
{
    static const QImage paper = [] {
        QImage image(1, 1, QImage::Format_ARGB32_Premultiplied);
        image.setDotsPerMeterX(kDotsPerMeter);
        image.setDotsPerMeterY(kDotsPerMeter);
        return image;
    }();
    return {figureFont(), &paper};
}

std::vector<double> niceTicks(double low, double high, int most, bool whole)
{
    if (!(high > low) || most < 1) return {low};
    double step = std::pow(10.0, std::floor(std::log10((high - low) / most)));
    if (whole) step = std::max(1.0, step);
    for (const double times : {1.0, 2.0, 5.0, 10.0}) {
        if ((high - low) / (step * times) <= most) {
            step *= times;
            break;
        }
    }
    std::vector<double> ticks;
    const double first = std::ceil(low / step - 1e-9);
    for (int i = 0; (first + i) * step <= high + 1e-9 * step; ++i) {
        // Through the nearest short decimal, so that 3 * 0.1 reads 0.3.
        ticks.push_back(QString::number((first + i) * step, 'g', 12).toDouble());
    }
    return ticks;
}

FigurePen::FigurePen(QPainter& painter) : painter_(painter)
{
    painter_.setFont(figureFont());
    painter_.setRenderHint(QPainter::Antialiasing);
}

void FigurePen::text(const QRectF& room, Qt::Alignment alignment, const QString& text, const QColor& color) const
{
    painter_.setPen(color);
    painter_.drawText(room, static_cast<int>(alignment) | Qt::TextDontClip, text);
}

void FigurePen::textUpwards(const QRectF& room, const QString& text) const
{
    painter_.save();
    painter_.translate(room.center());
    painter_.rotate(-90);
    this->text({-room.height() / 2, -room.width() / 2, room.height(), room.width()}, Qt::AlignCenter, text);
    painter_.restore();
}

void FigurePen::line(QPointF from, QPointF to, const QColor& color, double width, Qt::PenStyle style) const
{
    painter_.setPen(QPen(color, width, style, Qt::FlatCap));
    painter_.drawLine(from, to);
}

void FigurePen::fill(const QRectF& area, const QColor& color) const
{
    painter_.fillRect(area, color);
}

void FigurePen::frame(const QRectF& area, const QColor& color) const
{
    painter_.setPen(QPen(color, 0.8));
    painter_.setBrush(Qt::NoBrush);
    painter_.drawRect(area);
}

namespace {

/// Where each entry stands, and how high all are.
struct Rows {
    std::vector<QPointF> places;
    double height = 0;
};

Rows rowsOf(const std::vector<LegendEntry>& entries, double width)
{
    const QFontMetricsF metrics = figureMetrics();
    const double line = metrics.height() + 1;
    Rows rows;
    QPointF at(0, 0);
    for (const LegendEntry& entry : entries) {
        const double needs = kBox + kGap + metrics.horizontalAdvance(entry.text);
        if (at.x() > 0 && at.x() + needs > width) at = {0, at.y() + line};
        rows.places.push_back(at);
        at.rx() += needs + 3 * kGap;
    }
    rows.height = entries.empty() ? 0 : at.y() + line;
    return rows;
}

} // namespace

double legendHeight(const std::vector<LegendEntry>& entries, double width)
{
    return rowsOf(entries, width).height;
}

void paintLegend(const FigurePen& pen, QPointF at, const std::vector<LegendEntry>& entries, double width)
{
    const QFontMetricsF metrics = figureMetrics();
    const Rows rows = rowsOf(entries, width);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const QPointF corner = at + rows.places[i];
        const double middle = corner.y() + metrics.height() / 2;
        if (entries[i].line) {
            pen.line({corner.x(), middle}, {corner.x() + kBox, middle}, entries[i].color, 1.5, entries[i].style);
        } else {
            const QRectF box(corner.x(), middle - kBox / 2, kBox, kBox);
            pen.fill(box, entries[i].color);
            pen.frame(box);
        }
        pen.text(
            {corner.x() + kBox + kGap, corner.y(), metrics.horizontalAdvance(entries[i].text) + 1, metrics.height()},
            Qt::AlignLeft | Qt::AlignVCenter, entries[i].text);
    }
}

namespace {

double barWidth(const QString& low, const QString& high)
{
    const QFontMetricsF metrics = figureMetrics();
    return metrics.horizontalAdvance(low) + kScaleBar + metrics.horizontalAdvance(high) + 2 * kGap;
}

bool oneLine(const QString& title, const QString& low, const QString& high, double width)
{
    return figureMetrics().horizontalAdvance(title) + 3 * kGap + barWidth(low, high) <= width;
}

} // namespace

double scaleHeight(const QString& title, const QString& low, const QString& high, double width)
{
    return (figureMetrics().height() + 1) * (oneLine(title, low, high, width) ? 1 : 2);
}

void paintScale(const FigurePen& pen, QPointF at, ColorMap map, const QString& title, const QString& low,
                const QString& high, double width)
{
    const QFontMetricsF metrics = figureMetrics();
    const double line = metrics.height();
    pen.text({at.x(), at.y(), width, line}, Qt::AlignLeft | Qt::AlignVCenter, title);
    if (oneLine(title, low, high, width)) at.rx() += metrics.horizontalAdvance(title) + 3 * kGap;
    else at.ry() += line + 1;
    const double low_width = metrics.horizontalAdvance(low);
    pen.text({at.x(), at.y(), low_width + 1, line}, Qt::AlignLeft | Qt::AlignVCenter, low);
    const QRectF bar(at.x() + low_width + kGap, at.y() + (line - kBox) / 2, kScaleBar, kBox);
    QLinearGradient gradient(bar.topLeft(), bar.topRight());
    const auto stops = colorStops(map);
    for (std::size_t i = 0; i < stops.size(); ++i)
        gradient.setColorAt(static_cast<double>(i) / static_cast<double>(stops.size() - 1), QColor(stops[i]));
    pen.painter().fillRect(bar, gradient);
    pen.frame(bar);
    pen.text({bar.right() + kGap, at.y(), metrics.horizontalAdvance(high) + 1, line}, Qt::AlignLeft | Qt::AlignVCenter,
             high);
}

double leftRoom(const FigureAxis& axis, double height)
{
    const QFontMetricsF metrics = figureMetrics();
    double widest = 0;
    for (const double tick :
         niceTicks(axis.range.low, axis.range.high, mostTicks(height, 1.6 * metrics.height()), axis.whole))
        widest = std::max(widest, metrics.horizontalAdvance(tickText(tick)));
    return metrics.height() + kGap + widest + kTick + 2;
}

double bottomRoom()
{
    return kTick + 2 * figureMetrics().height() + 2;
}

FigurePlot::FigurePlot(const QRectF& area, FigureAxis x, FigureAxis y) : area_(area), x_(std::move(x)), y_(std::move(y))
{
}

double FigurePlot::x(double value) const
{
    return area_.left() + area_.width() * (value - x_.range.low) / (x_.range.high - x_.range.low);
}

double FigurePlot::y(double value) const
{
    return area_.bottom() - area_.height() * (value - y_.range.low) / (y_.range.high - y_.range.low);
}

void FigurePlot::paintAxes(const FigurePen& pen, bool grid) const
{
    const QFontMetricsF metrics = figureMetrics();
    const double line = metrics.height();
    const double each = std::max(metrics.horizontalAdvance(tickText(x_.range.high)),
                                 metrics.horizontalAdvance(QStringLiteral("000"))) +
                        2 * kGap;
    for (const double tick : niceTicks(x_.range.low, x_.range.high, mostTicks(area_.width(), each), x_.whole)) {
        pen.line({x(tick), area_.bottom()}, {x(tick), area_.bottom() + kTick}, FigurePen::kQuiet);
        // Under its tick, but not over the paper's edge.
        const double half = metrics.horizontalAdvance(tickText(tick)) / 2 + 1;
        const double middle = std::min(x(tick), area_.right() - half);
        pen.text({middle - half, area_.bottom() + kTick, 2 * half, line}, Qt::AlignHCenter | Qt::AlignTop,
                 tickText(tick));
    }
    const auto across = niceTicks(y_.range.low, y_.range.high, mostTicks(area_.height(), 1.6 * line), y_.whole);
    for (const double tick : across) {
        if (grid) pen.line({area_.left(), y(tick)}, {area_.right(), y(tick)}, FigurePen::kFaint, 0.5);
        pen.line({area_.left() - kTick, y(tick)}, {area_.left(), y(tick)}, FigurePen::kQuiet);
        pen.text({area_.left() - kTick - 2 - 200, y(tick) - line / 2, 200, line}, Qt::AlignRight | Qt::AlignVCenter,
                 tickText(tick));
    }
    pen.text({area_.left(), area_.bottom() + kTick + line, area_.width(), line}, Qt::AlignHCenter | Qt::AlignTop,
             x_.label);
    pen.textUpwards({area_.left() - leftRoom(y_, area_.height()), area_.top(), line, area_.height()}, y_.label);
    pen.frame(area_);
}

} // namespace flextron::ui
