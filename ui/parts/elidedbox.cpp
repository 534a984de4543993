#include "ui/parts/elidedbox.h"

#include <QStyleOptionComboBox>
#include <QStylePainter>

namespace flextron::ui {

// (QComboBox keeps the one that it once told, whatever letters come later.)
QSize ElidedBox::minimumSizeHint() const
{
    constexpr int kLetters = 12;
    return {fontMetrics().averageCharWidth() * kLetters, sizeHint().height()};
}

void ElidedBox::paintEvent(QPaintEvent*)
{
    QStylePainter painter(this);
    QStyleOptionComboBox option;
    initStyleOption(&option);
    const QRect room = style()->subControlRect(QStyle::CC_ComboBox, &option, QStyle::SC_ComboBoxEditField, this);
    const int margin = style()->pixelMetric(QStyle::PM_FocusFrameHMargin, &option, this);
    option.currentText = option.fontMetrics.elidedText(option.currentText, Qt::ElideRight, room.width() - margin);
    painter.drawComplexControl(QStyle::CC_ComboBox, option);
    painter.drawControl(QStyle::CE_ComboBoxLabel, option);
}

} // namespace flextron::ui
