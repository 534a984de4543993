// How all plots of the window look.
#pragma once

#include <QColor>
#include <QFont>
#include <QPalette>
#include <QSharedPointer>

class QCPAxisTicker;
class QCustomPlot;

namespace flextron::ui {

/// Ground, axes, grid and labels in the palette's colours and the given font.
void stylePlot(QCustomPlot* plot, const QPalette& palette, const QFont& font);

/// For an axis of things that are counted: whole numbers at any zoom.
QSharedPointer<QCPAxisTicker> wholeNumbers();

/// However low the plot becomes, the numbers at its upright axis do not run into each other.
void keepNumbersApart(QCustomPlot* plot);

/// The legend in a row above the plot: in a low or narrow one it would hide a part of what is drawn wherever it stood.
void putLegendAbove(QCustomPlot* plot);

/// Lines of one plot, told apart with any colour vision and at least 3:1 against the ground; they repeat after six.
QColor seriesColor(int index, const QPalette& palette);

} // namespace flextron::ui
