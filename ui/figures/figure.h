// A figure for print: drawn in physical sizes and light colours whatever the theme, with the numbers behind it.
#pragma once

#include <functional>
#include <vector>

#include <QByteArray>
#include <QSizeF>
#include <QString>
#include <QStringList>

class QPainter;

namespace flextron::ui {

/// Figures are laid out in units of 1/96 inch, in which 8 points are 10.67.
inline constexpr double kUnitsPerMm = 96 / 25.4;
inline constexpr double kFigurePoints = 8;
inline constexpr double kColumnMm = 84; ///< one column of a page
inline constexpr double kPageMm = 174;  ///< both

/// What stands behind a figure. Numbers as figureNumber() writes them.
struct FigureData {
    QStringList columns;
    std::vector<QStringList> rows;
};
/// RFC 4180 with line feeds, UTF-8: quoted where a comma, a quote or a line's end is in it.
QByteArray toCsv(const FigureData& data);
/// C locale, the shortest form that reads back as the same number; empty for NaN.
QString figureNumber(double value);

struct Figure {
    QString view;  ///< "heatmap": what the command line calls it
    QString title; ///< for a person
    FigureData data;
    std::function<double(double width)> height;        ///< that it needs at a width
    std::function<void(QPainter&, QSizeF size)> paint; ///< inside (0, 0, size), on white ground
};

} // namespace flextron::ui
