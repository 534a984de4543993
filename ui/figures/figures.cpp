#include "ui/figures/figures.h"

#include <algorithm>

#include <QBuffer>
#include <QDockWidget>
#include <QPicture>
#include <QPixmap>

#include <qcustomplot.h>

#include "engine/base/files.h"
#include "ui/figures/figurepen.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {

/// Light colours and the figures' type for as long as it lives. The views colour their plots anew when their palette
/// changes, at once.
class Printed {
public:
    explicit Printed(QCustomPlot* plot) : view_(plot)
    {
        while (view_->parentWidget() != nullptr && qobject_cast<QDockWidget*>(view_->parentWidget()) == nullptr)
            view_ = view_->parentWidget();
        view_->setPalette(lightPalette());
        view_->setFont(figureFont());
    }
    Printed(const Printed&) = delete;
    Printed& operator=(const Printed&) = delete;
    ~Printed()
    {
        view_->setPalette({});
        view_->setFont({});
    }

private:
    QWidget* view_;
};

template <class Plottable> void addPoints(FigureData& data, const Plottable* plottable, int index)
{
    const QString name = plottable->name().isEmpty() ? QString::number(index) : plottable->name();
    for (int i = 0; i < plottable->dataCount(); ++i)
        data.rows.push_back({name, figureNumber(plottable->dataMainKey(i)), figureNumber(plottable->dataMainValue(i))});
}

FigureData dataOf(QCustomPlot* plot)
{
    FigureData data{{QStringLiteral("series"), QStringLiteral("x"), QStringLiteral("y")}, {}};
    for (int i = 0; i < plot->plottableCount(); ++i) {
        const QCPAbstractPlottable* plottable = plot->plottable(i);
        if (!plottable->visible()) continue;
        if (const auto* graph = qobject_cast<const QCPGraph*>(plottable)) addPoints(data, graph, i);
        else if (const auto* curve = qobject_cast<const QCPCurve*>(plottable)) addPoints(data, curve, i);
        else if (const auto* bars = qobject_cast<const QCPBars*>(plottable)) addPoints(data, bars, i);
    }
    return data;
}

} // namespace

QList<QCustomPlot*> visiblePlots(const QWidget* window)
{
    QList<QCustomPlot*> plots;
    for (QCustomPlot* plot : window->findChildren<QCustomPlot*>()) {
        const bool has_figure = plot->objectName() == QLatin1String("heatmapPlot") ||
                                plot->objectName() == QLatin1String("ledgerPlot");
        if (plot->isVisible() && !plot->accessibleName().isEmpty() && !has_figure) plots << plot;
    }
    std::sort(plots.begin(), plots.end(), [](const QCustomPlot* a, const QCustomPlot* b) {
        return a->accessibleName().localeAwareCompare(b->accessibleName()) < 0;
    });
    return plots;
}

Figure plotFigure(QCustomPlot* plot, double width_mm)
{
    // Drawn once, here: the figure itself may be painted on any thread.
    const Printed printed(plot);
    const int width = qRound(width_mm * kUnitsPerMm);
    const int height = qRound(width * 0.62);
    QPicture picture;
    {
        QCPPainter painter;
        painter.begin(&picture);
        painter.setMode(QCPPainter::pmVectorized);
        plot->toPainter(&painter, width, height);
        painter.end();
    }
    Figure figure;
    figure.view = plot->objectName();
    figure.title = plot->accessibleName();
    figure.data = dataOf(plot);
    figure.height = [height](double) { return height; };
    figure.paint = [picture](QPainter& painter, QSizeF) { painter.drawPicture(0, 0, picture); };
    return figure;
}

Result<void> writePicture(QWidget* widget, const QString& file)
{
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    widget->grab().save(&buffer, "PNG");
    return writeFile(file.toStdString(), std::string_view(bytes.constData(), static_cast<std::size_t>(bytes.size())));
}

} // namespace flextron::ui
