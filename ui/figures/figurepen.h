// What the figures' drawings share: one type size, inks, axes and legends.
#pragma once

#include <vector>

#include <QColor>
#include <QFontMetricsF>
#include <QPainter>
#include <QString>

#include "ui/data/heatmapdata.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

/// 8 points in the application's typeface.
QFont figureFont();
/// Of figureFont() at 96 dots an inch, wherever it is drawn.
QFontMetricsF figureMetrics();

/// Numbers that a reader expects on an axis: at most `most` of them, from `low` to `high`, apart by 1, 2 or 5 times a
/// power of ten; whole ones only where asked.
std::vector<double> niceTicks(double low, double high, int most, bool whole = false);

class FigurePen {
public:
    explicit FigurePen(QPainter& painter);

    static const QColor kText;
    static const QColor kQuiet;
    static const QColor kFaint;
    static const QColor kAccent;
    static const QColor kCaution;

    [[nodiscard]] QPainter& painter() const { return painter_; }
    void text(const QRectF& room, Qt::Alignment alignment, const QString& text, const QColor& color = kText) const;
    /// From the bottom up, centred on `room`.
    void textUpwards(const QRectF& room, const QString& text) const;
    void line(QPointF from, QPointF to, const QColor& color, double width = 0.8,
              Qt::PenStyle style = Qt::SolidLine) const;
    void fill(const QRectF& area, const QColor& color) const;
    void frame(const QRectF& area, const QColor& color = kQuiet) const;

private:
    QPainter& painter_;
};

/// A box, or a stroke where `line` is set, with its words.
struct LegendEntry {
    QColor color;
    QString text;
    bool line = false;
    Qt::PenStyle style = Qt::SolidLine;
};
/// A row of entries that wraps; at most `width` wide.
double legendHeight(const std::vector<LegendEntry>& entries, double width);
void paintLegend(const FigurePen& pen, QPointF at, const std::vector<LegendEntry>& entries, double width);

/// "Surprisal (nats)  0 [colours] 8", in one line, or in two where the width asks for it.
double scaleHeight(const QString& title, const QString& low, const QString& high, double width);
void paintScale(const FigurePen& pen, QPointF at, ColorMap map, const QString& title, const QString& low,
                const QString& high, double width);

/// The two axes of a plot area: frame, ticks, labels. Numbers stand left of the area and below it.
struct FigureAxis {
    QString label;
    ValueRange range;
    bool whole = false; ///< ticks on whole numbers only
};
/// What an axis needs beside the area.
double leftRoom(const FigureAxis& axis, double height);
double bottomRoom();
class FigurePlot {
public:
    FigurePlot(const QRectF& area, FigureAxis x, FigureAxis y);
    void paintAxes(const FigurePen& pen, bool grid) const;
    [[nodiscard]] double x(double value) const;
    [[nodiscard]] double y(double value) const;
    [[nodiscard]] const QRectF& area() const { return area_; }
    [[nodiscard]] const FigureAxis& yAxis() const { return y_; }

private:
    QRectF area_;
    FigureAxis x_;
    FigureAxis y_;
};

} // namespace flextron::ui
