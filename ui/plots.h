// How all plots of the window look.
#pragma once

#include <QFont>
#include <QPalette>

class QCustomPlot;

namespace flextron::ui {

/// Ground, axes, grid and labels in the palette's colours and the given font.
void stylePlot(QCustomPlot* plot, const QPalette& palette, const QFont& font);

} // namespace flextron::ui
