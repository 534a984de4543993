#include "ui/parts/celltexts.h"

#include <algorithm>
#include <cmath>

namespace flextron::ui {

CellTexts::CellTexts(QCPColorMap* map) : QCPAbstractItem(map->parentPlot()), map_(map)
{
    setSelectable(false);
    setClipAxisRect(map->keyAxis()->axisRect());
    setClipToAxisRect(true);
}

QFont CellTexts::cellFont() const
{
    // Of the axes' letters: less where rows are low, but not below what can be read.
    constexpr double kPart = 0.8;
    constexpr double kLeast = 0.6;
    constexpr double kLeastPoints = 7;
    QFont font = map_->keyAxis()->tickLabelFont();
    const double whole = font.pointSizeF();
    const double row = std::abs(map_->valueAxis()->coordToPixel(1) - map_->valueAxis()->coordToPixel(0));
    constexpr double kInRow = 0.95;
    const double least = std::min(kPart, std::max(kLeast, kLeastPoints / whole));
    font.setPointSizeF(whole * std::clamp(kInRow * row / QFontMetricsF(font).height(), least, kPart));
    return font;
}

QSizeF CellTexts::needed() const
{
    if (!text_) return {};
    const QFontMetricsF metrics(cellFont());
    const QCPRange range = map_->dataRange();
    const double width = std::max(metrics.horizontalAdvance(text_(range.lower)),
                                  metrics.horizontalAdvance(text_(range.upper)));
    return {width + 0.8 * metrics.averageCharWidth(), metrics.height()};
}

bool CellTexts::fits() const
{
    const double width = std::abs(map_->keyAxis()->coordToPixel(1) - map_->keyAxis()->coordToPixel(0));
    const double height = std::abs(map_->valueAxis()->coordToPixel(1) - map_->valueAxis()->coordToPixel(0));
    return text_ && width >= needed().width() && height >= needed().height();
}

void CellTexts::draw(QCPPainter* painter)
{
    if (!fits()) return;
    QCPColorMapData* cells = map_->data();
    const QCPRange keys = map_->keyAxis()->range();
    const QCPRange values = map_->valueAxis()->range();
    const auto bounded = [](double at, int size) { return std::clamp(static_cast<int>(std::lround(at)), 0, size - 1); };
    const double span = std::max(map_->dataRange().size(), 1e-12);
    painter->setFont(cellFont());
    for (int key = bounded(keys.lower, cells->keySize()); key <= bounded(keys.upper, cells->keySize()); ++key) {
        for (int value = bounded(values.lower, cells->valueSize()); value <= bounded(values.upper, cells->valueSize());
             ++value) {
            const double number = cells->cell(key, value);
            if (std::isnan(number)) continue;
            painter->setPen(textColorOn(mapColor(colors_, (number - map_->dataRange().lower) / span)));
            const QPointF middle(map_->keyAxis()->coordToPixel(key), map_->valueAxis()->coordToPixel(value));
            const QSizeF size(needed().width() * 2, needed().height() * 2);
            painter->drawText(QRectF(middle - QPointF(size.width() / 2, size.height() / 2), size), Qt::AlignCenter,
                              text_(number));
        }
    }
}

} // namespace flextron::ui
