// Plots and the window as picture files, each written whole or not at all.
#pragma once

#include <QList>
#include <QString>

#include "engine/base/error.h"

class QCustomPlot;
class QWidget;

namespace flextron::ui {

/// The window's plots that can be seen now, in the order of their names.
QList<QCustomPlot*> visiblePlots(const QWidget* window);

/// SVG or PNG (twice the screen's resolution), by the file's ending; InvalidArgument for another.
Result<void> writeFigure(QCustomPlot* plot, const QString& file);
Result<void> writePicture(QWidget* widget, const QString& file);

} // namespace flextron::ui
