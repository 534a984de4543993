#include "ui/inspect/anatomysketch.h"

#include <algorithm>
#include <cmath>

#include <QPainterPath>

#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {

/// Opaque, as painted one over the other.
QColor faint(const QColor& ink, const QColor& ground)
{
    constexpr float kShare = 0.25F;
    const auto mix = [](float over, float under) { return kShare * over + (1 - kShare) * under; };
    return QColor::fromRgbF(mix(ink.redF(), ground.redF()), mix(ink.greenF(), ground.greenF()),
                            mix(ink.blueF(), ground.blueF()));
}

} // namespace

double AnatomySketch::curveHeight() const
{
    return std::min(size_.height() * 0.25, line_ * 3.0);
}

QRectF AnatomySketch::attentionRect() const
{
    const auto attention = static_cast<double>(layer_.full_bytes.key_value + layer_.full_bytes.attention);
    const double room = size_.width() - line_ - 1;
    const double share = layer_.full_bytes.sum() > 0 ? attention / static_cast<double>(layer_.full_bytes.sum()) : 0;
    const double top = curveHeight() + line_ * 1.6;
    return {0.5, top, room * share, size_.height() - top - 1};
}

QRectF AnatomySketch::mlpRect() const
{
    const QRectF attention = attentionRect();
    const double left = attention.right() + line_;
    return {left, attention.top(), size_.width() - left - 1, attention.height()};
}

// Used units in the map's colours by importance, one colour without a record; unused ones grey. Neurons are thinner
// than a pixel: columns of pixels are painted, each for the unit in its middle, and each to the end of the area, so
// that the next one covers it and no ground shines through between them, whoever draws the edges.
void AnatomySketch::paintUnits(QPainter& painter, const Inks& inks, const QRectF& area, int used,
                               const std::vector<double>& importance, int units) const
{
    if (units <= 0) return;
    const QColor grey = faint(inks.quiet, inks.ground);
    const double each = area.width() / units;
    const double step = std::max(each, pixel_);
    for (double x = 0; x < area.width() - 1e-6; x += step) {
        const int unit = std::min(units - 1, static_cast<int>((x + step / 2) / each));
        const double value = importance.empty() ? 0.5 : importance[static_cast<std::size_t>(unit)];
        const bool apart = each > 6;
        const double width = apart ? std::min(step, area.width() - x) - 1 : area.width() - x;
        painter.fillRect(QRectF(area.left() + x, area.top(), width, area.height()),
                         unit < used ? sequentialColor(0.25 + 0.75 * std::sqrt(value)) : grey);
    }
}

void AnatomySketch::paintCut(QPainter& painter, const Inks& inks, const QRectF& area, double share) const
{
    const double x = area.left() + area.width() * share;
    painter.setPen(QPen(inks.ground, 4));
    painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom()));
    painter.setPen(QPen(inks.text, 2));
    painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom()));
}

void AnatomySketch::paintCurve(QPainter& painter, const Inks& inks, const QRectF& area,
                               const std::vector<double>& importance) const
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
    painter.setPen(QPen(inks.accent, 1.5));
    painter.setBrush(Qt::NoBrush);
    painter.drawPath(path);
}

void AnatomySketch::paintAttention(QPainter& painter, const Inks& inks) const
{
    const QRectF area = attentionRect();
    const auto whole = static_cast<double>(layer_.full_bytes.key_value + layer_.full_bytes.attention);
    if (layer_.full_heads == 0 || whole <= 0) return;
    const double kv = area.height() * static_cast<double>(layer_.full_bytes.key_value) / whole;
    const int groups = layer_.full_heads / layer_.heads_per_group;
    const auto& importance = layer_.group_importance;
    paintUnits(painter, inks, {area.left(), area.top(), area.width(), kv}, groups, importance, groups);
    paintUnits(painter, inks, {area.left(), area.top() + kv, area.width(), area.height() - kv},
               layer_.heads / layer_.heads_per_group, importance, groups);
    painter.setPen(QPen(inks.ground, 2));
    painter.drawLine(QPointF(area.left(), area.top() + kv), QPointF(area.right(), area.top() + kv));
    paintCurve(painter, inks, area, importance);
    paintCut(painter, inks, area, static_cast<double>(layer_.heads) / layer_.full_heads);
}

void AnatomySketch::paintMlp(QPainter& painter, const Inks& inks) const
{
    const QRectF area = mlpRect();
    if (layer_.full_mlp == 0) return;
    paintUnits(painter, inks, area, layer_.mlp, layer_.neuron_importance, layer_.full_mlp);
    paintCurve(painter, inks, area, layer_.neuron_importance);
    paintCut(painter, inks, area, static_cast<double>(layer_.mlp) / layer_.full_mlp);
}

void AnatomySketch::paint(QPainter& painter, const Inks& inks) const
{
    painter.setRenderHint(QPainter::Antialiasing);
    paintAttention(painter, inks);
    paintMlp(painter, inks);
}

} // namespace flextron::ui
