#include <algorithm>
#include <cmath>

#include <QHelpEvent>
#include <QLocale>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

#include "ui/anatomyview.h"
#include "ui/colors.h"

namespace flextron::ui {

AnatomyDrawing::AnatomyDrawing(QWidget* parent) : QWidget(parent)
{
    setMinimumHeight(fontMetrics().height() * 6);
    setAccessibleName(tr("Drawing of a layer"));
}

void AnatomyDrawing::setLayer(Layer layer)
{
    layer_ = std::move(layer);
    update();
}

QSize AnatomyDrawing::sizeHint() const
{
    return {fontMetrics().height() * 40, fontMetrics().height() * 12};
}

double AnatomyDrawing::curveHeight() const
{
    return std::min(height() * 0.25, fontMetrics().height() * 3.0);
}

QRectF AnatomyDrawing::attentionRect() const
{
    const auto attention = static_cast<double>(layer_.full_bytes.key_value + layer_.full_bytes.attention);
    const double gap = fontMetrics().height();
    const double room = width() - gap - 1;
    const double share = layer_.full_bytes.sum() > 0 ? attention / static_cast<double>(layer_.full_bytes.sum()) : 0;
    const double top = curveHeight() + fontMetrics().height() * 1.6;
    return {0.5, top, room * share, height() - top - 1};
}

QRectF AnatomyDrawing::mlpRect() const
{
    const QRectF attention = attentionRect();
    const double left = attention.right() + fontMetrics().height();
    return {left, attention.top(), width() - left - 1, attention.height()};
}

// Used units in the map's colours by importance, one colour without a record; unused ones grey. Neurons are thinner
// than a pixel: columns of pixels are painted, each for the unit in its middle.
void AnatomyDrawing::paintUnits(QPainter& painter, const QRectF& area, int used, int units,
                                const std::vector<double>& importance) const
{
    QColor grey = quietColor(palette());
    grey.setAlphaF(0.25F);
    if (units <= 0) return;
    const double each = area.width() / units;
    const double step = std::max(each, 1.0 / devicePixelRatioF());
    for (double x = 0; x < area.width() - 1e-6; x += step) {
        const int unit = std::min(units - 1, static_cast<int>((x + step / 2) / each));
        const double value = importance.empty() ? 0.5 : importance[static_cast<std::size_t>(unit)];
        const double gap = each > 6 ? 1 : 0;
        painter.fillRect(QRectF(area.left() + x, area.top(), std::min(step, area.width() - x) - gap, area.height()),
                         unit < used ? sequentialColor(0.25 + 0.75 * std::sqrt(value)) : grey);
    }
}

void AnatomyDrawing::paintCut(QPainter& painter, const QRectF& area, double share) const
{
    const double x = area.left() + area.width() * share;
    painter.setPen(QPen(palette().color(QPalette::Base), 4));
    painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom()));
    painter.setPen(QPen(palette().color(QPalette::Text), 2));
    painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom()));
}

void AnatomyDrawing::paintCurve(QPainter& painter, const QRectF& area, const std::vector<double>& importance) const
{
    if (importance.empty()) return;
    const double high = curveHeight();
    const double floor = area.top() - 4;
    QPainterPath path(QPointF(area.left(), floor - high * importance.front()));
    for (std::size_t i = 0; i < importance.size(); ++i) {
        const double x = area.left() +
                         area.width() * (static_cast<double>(i) + 0.5) / static_cast<double>(importance.size());
        path.lineTo(x, floor - high * importance[i]);
    }
    painter.setPen(QPen(palette().color(QPalette::Highlight), 1.5));
    painter.setBrush(Qt::NoBrush);
    painter.drawPath(path);
}

void AnatomyDrawing::paintAttention(QPainter& painter) const
{
    const QRectF area = attentionRect();
    const auto whole = static_cast<double>(layer_.full_bytes.key_value + layer_.full_bytes.attention);
    if (layer_.full_heads == 0 || whole <= 0) return;
    const double kv = area.height() * static_cast<double>(layer_.full_bytes.key_value) / whole;
    const int groups = layer_.full_heads / layer_.heads_per_group;
    paintUnits(painter, {area.left(), area.top(), area.width(), kv}, groups, groups, layer_.group_importance);
    paintUnits(painter, {area.left(), area.top() + kv, area.width(), area.height() - kv},
               layer_.heads / layer_.heads_per_group, groups, layer_.group_importance);
    painter.setPen(QPen(palette().color(QPalette::Base), 2));
    painter.drawLine(QPointF(area.left(), area.top() + kv), QPointF(area.right(), area.top() + kv));
    paintCurve(painter, area, layer_.group_importance);
    paintCut(painter, area, static_cast<double>(layer_.heads) / layer_.full_heads);
}

void AnatomyDrawing::paintMlp(QPainter& painter) const
{
    const QRectF area = mlpRect();
    if (layer_.full_mlp == 0) return;
    paintUnits(painter, area, layer_.mlp, layer_.full_mlp, layer_.neuron_importance);
    paintCurve(painter, area, layer_.neuron_importance);
    paintCut(painter, area, static_cast<double>(layer_.mlp) / layer_.full_mlp);
}

void AnatomyDrawing::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    paintAttention(painter);
    paintMlp(painter);
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
