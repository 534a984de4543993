// Figures as files: SVG, PDF or PNG, with the numbers and the origin beside them.
#pragma once

#include <QImage>
#include <QJsonObject>

#include "engine/base/error.h"
#include "ui/figures/figure.h"
#include "ui/figures/figureviews.h"

namespace flextron::ui {

/// Where a figure comes from: what stands in the sidecar beside what the figure is.
QJsonObject figureOrigin(const FigureSource& source, const QString& command);

struct FigureFile {
    QString file;                ///< .svg, .pdf or .png
    double width_mm = kColumnMm; ///< the height follows
    bool with_data = true;       ///< NAME.csv and NAME.json beside it
};

/// Each file whole or not at all, the figure last. Gives the files written. InvalidArgument for another ending.
Result<QStringList> writeFigureFiles(const Figure& figure, const FigureFile& wanted, const QJsonObject& origin);

/// As it will be printed.
QImage figureImage(const Figure& figure, double width_mm, double dots_per_inch);

} // namespace flextron::ui
