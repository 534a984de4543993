#include "ui/figures.h"

#include <algorithm>

#include <QBuffer>
#include <QFileInfo>
#include <QPixmap>
#include <QSvgGenerator>

#include <qcustomplot.h>

#include "engine/base/files.h"

namespace flextron::ui {

namespace {

constexpr double kScale = 2.0;

QByteArray pngOf(const QPixmap& picture)
{
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    picture.save(&buffer, "PNG");
    return bytes;
}

QByteArray svgOf(QCustomPlot* plot)
{
    QByteArray bytes;
    QBuffer buffer(&bytes);
    QSvgGenerator generator;
    generator.setOutputDevice(&buffer);
    generator.setSize(plot->size());
    generator.setViewBox(QRect(QPoint(0, 0), plot->size()));
    generator.setTitle(plot->accessibleName());
    QCPPainter painter;
    painter.begin(&generator);
    painter.setMode(QCPPainter::pmVectorized);
    painter.fillRect(QRect(QPoint(0, 0), plot->size()), plot->palette().color(QPalette::Base));
    plot->toPainter(&painter, plot->width(), plot->height());
    painter.end();
    return bytes;
}

Result<void> write(const QString& file, const QByteArray& bytes)
{
    return writeFile(file.toStdString(), std::string_view(bytes.constData(), static_cast<std::size_t>(bytes.size())));
}

} // namespace

QList<QCustomPlot*> visiblePlots(const QWidget* window)
{
    QList<QCustomPlot*> plots;
    for (QCustomPlot* plot : window->findChildren<QCustomPlot*>()) {
        if (plot->isVisible() && !plot->accessibleName().isEmpty()) plots << plot;
    }
    std::sort(plots.begin(), plots.end(), [](const QCustomPlot* a, const QCustomPlot* b) {
        return a->accessibleName().localeAwareCompare(b->accessibleName()) < 0;
    });
    return plots;
}

Result<void> writeFigure(QCustomPlot* plot, const QString& file)
{
    const QString ending = QFileInfo(file).suffix().toLower();
    if (ending == QLatin1String("svg")) return write(file, svgOf(plot));
    if (ending == QLatin1String("png"))
        return write(file, pngOf(plot->toPixmap(plot->width(), plot->height(), kScale)));
    return Error{ErrorCode::InvalidArgument, file.toStdString() + ": a figure is written as .svg or .png",
                 "Give the file one of these endings."};
}

Result<void> writePicture(QWidget* widget, const QString& file)
{
    return write(file, pngOf(widget->grab()));
}

} // namespace flextron::ui
