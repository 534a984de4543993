#include <algorithm>

#include <QHelpEvent>
#include <QLocale>
#include <QPainter>
#include <QToolTip>

#include "ui/inspect/anatomyview.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

AnatomyDrawing::AnatomyDrawing(QWidget* parent) : QWidget(parent)
{
    setMinimumHeight(fontMetrics().height() * 6);
    setAccessibleName(tr("Drawing of a layer"));
}

void AnatomyDrawing::setLayer(AnatomyLayer layer)
{
    layer_ = std::move(layer);
    update();
}

QSize AnatomyDrawing::sizeHint() const
{
    return {fontMetrics().height() * 40, fontMetrics().height() * 12};
}

AnatomySketch AnatomyDrawing::sketch() const
{
    return {layer_, QSizeF(size()), static_cast<double>(fontMetrics().height()), 1.0 / devicePixelRatioF()};
}

void AnatomyDrawing::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    sketch().paint(painter, {palette().color(QPalette::Base), palette().color(QPalette::Text), quietColor(palette()),
                             palette().color(QPalette::Highlight)});
    painter.setPen(palette().color(QPalette::WindowText));
    const QLocale locale;
    const auto title = [&](const QRectF& area, const QString& text) {
        const double line = fontMetrics().height();
        painter.drawText(QRectF(area.left(), 0, area.width(), line * 1.2), Qt::AlignLeft | Qt::AlignTop,
                         fontMetrics().elidedText(text, Qt::ElideRight, static_cast<int>(area.width())));
    };
    title(attentionRect(),
          tr("Attention: %1 of %2 heads").arg(locale.toString(layer_.heads), locale.toString(layer_.full_heads)));
    title(mlpRect(), tr("MLP: %1 of %2 neurons").arg(locale.toString(layer_.mlp), locale.toString(layer_.full_mlp)));
}

QString AnatomyDrawing::hint(QPointF point) const
{
    const QLocale locale;
    const auto unit_at = [point](const QRectF& area, int units) {
        return std::clamp(static_cast<int>((point.x() - area.left()) / area.width() * units), 0, units - 1);
    };
    const auto worth = [&locale](const std::vector<double>& importance, int unit) {
        return importance.empty() ? tr("importance not measured")
                                  : tr("importance %1 % of the largest")
                                        .arg(locale.toString(100 * importance[static_cast<std::size_t>(unit)], 'f', 1));
    };
    const auto state = [](bool used) { return used ? tr("read") : tr("not read"); };
    if (const QRectF area = mlpRect(); layer_.full_mlp > 0 && point.x() >= area.left()) {
        const int unit = unit_at(area, layer_.full_mlp);
        return tr("Neuron %1: %2, %3")
            .arg(locale.toString(unit), state(unit < layer_.mlp), worth(layer_.neuron_importance, unit));
    }
    const QRectF area = attentionRect();
    if (layer_.full_heads == 0 || point.x() > area.right()) return {};
    const int group = unit_at(area, layer_.full_heads / layer_.heads_per_group);
    const bool used = group < layer_.heads / layer_.heads_per_group;
    return tr("Group %1 (%2 heads): Q and O %3, K and V always read, %4")
        .arg(locale.toString(group), locale.toString(layer_.heads_per_group), state(used),
             worth(layer_.group_importance, group));
}

bool AnatomyDrawing::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    auto* help = static_cast<QHelpEvent*>(event);
    QToolTip::showText(help->globalPos(), hint(help->pos()), this);
    return true;
}

} // namespace flextron::ui
