#include "ui/plots.h"

#include <qcustomplot.h>

#include "ui/colors.h"

namespace flextron::ui {

void stylePlot(QCustomPlot* plot, const QPalette& palette, const QFont& font)
{
    const QColor text = palette.color(QPalette::Text);
    const QColor quiet = quietColor(palette);
    QColor faint = quiet;
    faint.setAlphaF(0.3F);
    plot->setBackground(palette.color(QPalette::Base));
    for (QCPAxisRect* rect : plot->axisRects()) {
        for (QCPAxis* axis : rect->axes()) {
            axis->setBasePen(QPen(quiet));
            axis->setTickPen(QPen(quiet));
            axis->setSubTickPen(QPen(faint));
            axis->setTickLabelColor(text);
            axis->setLabelColor(text);
            axis->setTickLabelFont(font);
            axis->setLabelFont(font);
            axis->grid()->setPen(QPen(faint, 0, Qt::DotLine));
            axis->grid()->setZeroLinePen(QPen(faint));
        }
    }
    plot->legend->setFont(font);
    plot->legend->setTextColor(text);
    plot->legend->setBrush(palette.color(QPalette::Base));
    plot->legend->setBorderPen(QPen(faint));
}

} // namespace flextron::ui
