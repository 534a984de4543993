// How all plots of the window look.
#pragma once

#include <QColor>
#include <QFont>
#include <QPalette>

class QCustomPlot;

namespace flextron::ui {

/// Ground, axes, grid and labels in the palette's colours and the given font.
void stylePlot(QCustomPlot* plot, const QPalette& palette, const QFont& font);

/// Lines of one plot, told apart with any colour vision and at least 3:1 against the ground; they repeat after six.
QColor seriesColor(int index, const QPalette& palette);

} // namespace flextron::ui
