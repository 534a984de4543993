#include "ui/parts/icons.h"

#include <functional>

#include <QPainter>
#include <QPainterPath>

#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {

/// In a unit square.
QPainterPath glyphPath(Glyph glyph)
{
    QPainterPath path;
    switch (glyph) {
    case Glyph::Open:
        path.addPolygon(
            QPolygonF({{0.08, 0.22}, {0.40, 0.22}, {0.50, 0.34}, {0.92, 0.34}, {0.92, 0.82}, {0.08, 0.82}}));
        break;
    case Glyph::Run: path.addPolygon(QPolygonF({{0.22, 0.12}, {0.88, 0.50}, {0.22, 0.88}})); break;
    case Glyph::Stop: path.addRoundedRect(QRectF(0.18, 0.18, 0.64, 0.64), 0.06, 0.06); break;
    }
    path.closeSubpath();
    return path;
}

QIcon drawn(const std::function<void(QPainter&, QIcon::Mode)>& draw)
{
    QIcon icon;
    for (const auto mode : {QIcon::Normal, QIcon::Disabled}) {
        for (const int size : {16, 24, 32, 48, 64, 128}) {
            QPixmap pixmap(size, size);
            pixmap.fill(Qt::transparent);
            QPainter painter(&pixmap);
            painter.setRenderHint(QPainter::Antialiasing);
            painter.scale(size, size);
            draw(painter, mode);
            icon.addPixmap(pixmap, mode);
        }
    }
    return icon;
}

} // namespace

QIcon glyphIcon(Glyph glyph, const QPalette& palette)
{
    return drawn([&](QPainter& painter, QIcon::Mode mode) {
        const auto group = mode == QIcon::Disabled ? QPalette::Disabled : QPalette::Active;
        painter.fillPath(glyphPath(glyph), palette.color(group, QPalette::ButtonText));
    });
}

QIcon programIcon()
{
    return drawn([](QPainter& painter, QIcon::Mode) {
        for (int i = 0; i < 4; ++i) {
            const double width = 0.88 - 0.19 * i;
            QPainterPath bar;
            bar.addRoundedRect(QRectF(0.06, 0.74 - 0.22 * i, width, 0.17), 0.03, 0.03);
            painter.fillPath(bar, sequentialColor(0.2 + 0.25 * i));
        }
    });
}

} // namespace flextron::ui
