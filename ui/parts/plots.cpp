#include "ui/parts/plots.h"

#include <algorithm>
#include <array>

#include <qcustomplot.h>

#include "ui/parts/colors.h"

namespace flextron::ui {

QColor seriesColor(int index, const QPalette& palette)
{
    // After Okabe and Ito, darker on a light ground and lighter on a dark one.
    constexpr std::array<QRgb, 6> kOnLight{0xff00588f, 0xffa84300, 0xff007453, 0xff8a4b74, 0xff8a6a00, 0xff303030};
    constexpr std::array<QRgb, 6> kOnDark{0xff56b4e9, 0xffe69f00, 0xff3fc9a0, 0xffe0a0c8, 0xfff0e442, 0xffd8d8d8};
    const auto at = static_cast<std::size_t>(index) % kOnLight.size();
    return QColor(isDark(palette) ? kOnDark[at] : kOnLight[at]);
}

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

QSharedPointer<QCPAxisTicker> wholeNumbers()
{
    auto ticker = QSharedPointer<QCPAxisTickerFixed>::create();
    ticker->setTickStep(1.0);
    ticker->setScaleStrategy(QCPAxisTickerFixed::ssMultiples);
    return ticker;
}

void putLegendAbove(QCustomPlot* plot)
{
    constexpr double kLeast = 0.001; // a row as low as what stands in it
    plot->legend->setVisible(true);
    plot->legend->setFillOrder(QCPLegend::foColumnsFirst);
    plot->legend->setMargins({});
    plot->plotLayout()->insertRow(0);
    plot->plotLayout()->addElement(0, 0, plot->legend);
    plot->plotLayout()->setRowStretchFactor(0, kLeast);
}

void keepNumbersApart(QCustomPlot* plot)
{
    QObject::connect(plot, &QCustomPlot::beforeReplot, plot, [plot] {
        constexpr int kMost = 5, kRowsBelow = 3, kRowsEach = 2;
        const int rows = plot->height() / std::max(1, QFontMetrics(plot->yAxis->tickLabelFont()).height());
        plot->yAxis->ticker()->setTickCount(std::clamp((rows - kRowsBelow) / kRowsEach, 1, kMost));
    });
}

} // namespace flextron::ui
