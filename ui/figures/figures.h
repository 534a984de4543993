// The window and its plots as pictures.
#pragma once

#include <QList>
#include <QString>

#include "engine/base/error.h"
#include "ui/figures/figure.h"

class QCustomPlot;
class QWidget;

namespace flextron::ui {

/// Plots that are shown now and have no figure of their own (ui/figures/figureviews.h), in the order of their names.
QList<QCustomPlot*> visiblePlots(const QWidget* window);

/// A plot as it is shown, for print at this width: light colours, the figures' type. Its curves are the data.
Figure plotFigure(QCustomPlot* plot, double width_mm);

/// The window as it is, written whole or not at all.
Result<void> writePicture(QWidget* widget, const QString& file);

} // namespace flextron::ui
