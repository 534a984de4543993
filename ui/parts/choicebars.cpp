#include "ui/parts/choicebars.h"

#include <QLocale>
#include <QPainter>

#include "ui/parts/colors.h"

namespace flextron::ui {

ChoiceBars::ChoiceBars(QWidget* parent) : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void ChoiceBars::setChoices(const std::vector<int>& choices, const std::vector<float>& probabilities, int used)
{
    choices_ = choices;
    probabilities_ = probabilities;
    used_ = used;
    QStringList parts;
    for (std::size_t i = 0; i < probabilities_.size() && i < choices_.size(); ++i)
        parts << tr("%1: %2").arg(QLocale().toString(choices_[i]), QLocale().toString(probabilities_[i], 'f', 3));
    setAccessibleDescription(parts.join(QStringLiteral(", ")));
    updateGeometry();
    update();
}

QSize ChoiceBars::sizeHint() const
{
    const int line = fontMetrics().height();
    return {line * 10, static_cast<int>(probabilities_.size()) * line * 5 / 4};
}

void ChoiceBars::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const QLocale locale;
    const double line = fontMetrics().height() * 1.25;
    const double names = fontMetrics().horizontalAdvance(QStringLiteral("00,000 "));
    const double numbers = fontMetrics().horizontalAdvance(QStringLiteral(" 0.000"));
    for (std::size_t i = 0; i < probabilities_.size() && i < choices_.size(); ++i) {
        const double y = static_cast<double>(i) * line;
        const bool used = choices_[i] == used_;
        QFont face = font();
        face.setBold(used);
        painter.setFont(face);
        painter.setPen(palette().color(QPalette::WindowText));
        painter.drawText(QRectF(0, y, names, line), Qt::AlignVCenter | Qt::AlignRight,
                         locale.toString(choices_[i]) + QLatin1Char(' '));
        const QRectF room(names, y + line * 0.15, std::max(1.0, width() - names - numbers), line * 0.7);
        QColor ground = quietColor(palette());
        ground.setAlphaF(0.15F);
        painter.fillRect(room, ground);
        const double share = probabilities_[i];
        painter.fillRect(QRectF(room.left(), room.top(), room.width() * share, room.height()),
                         used ? palette().color(QPalette::Highlight) : quietColor(palette()));
        painter.drawText(QRectF(room.right(), y, numbers, line), Qt::AlignVCenter | Qt::AlignRight,
                         locale.toString(share, 'f', 3));
    }
}

} // namespace flextron::ui
