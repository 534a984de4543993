#include "ui/parts/colors.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QStyleFactory>

namespace flextron::ui {

namespace {

double luminance(const QColor& color)
{
    const auto linear = [](double channel) {
        return channel <= 0.03928 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF());
}

QPalette themePalette(bool dark)
{
    const QColor window(dark ? 0xff2b2d31 : 0xfff3f3f1);
    const QColor base(dark ? 0xff1f2125 : 0xffffffff);
    const QColor text(dark ? 0xffe6e6e3 : 0xff1d1f23);
    const QColor button(dark ? 0xff3a3d43 : 0xffe7e7e4);
    const QColor highlight(dark ? 0xff3875a8 : 0xff2b6ca3);
    QPalette palette(text, button, button.lighter(dark ? 140 : 110), button.darker(160), button.darker(120), text,
                     QColor(Qt::white), base, window);
    palette.setColor(QPalette::AlternateBase, dark ? QColor(0xff26282d) : QColor(0xfff7f7f5));
    palette.setColor(QPalette::Highlight, highlight);
    palette.setColor(QPalette::HighlightedText, Qt::white);
    palette.setColor(QPalette::ToolTipBase, dark ? QColor(0xff3a3d43) : QColor(0xfffffbe8));
    palette.setColor(QPalette::ToolTipText, text);
    palette.setColor(QPalette::Link, dark ? QColor(0xff7db8ea) : highlight);
    palette.setColor(QPalette::PlaceholderText, dark ? QColor(0xffa3a7ad) : QColor(0xff666a70));
    const QColor disabled(dark ? 0xff868a91 : 0xff8c8f94);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
        palette.setColor(QPalette::Disabled, role, disabled);
    }
    return palette;
}

} // namespace

QPalette lightPalette()
{
    return themePalette(false);
}

bool isDark(const QPalette& palette)
{
    return luminance(palette.color(QPalette::WindowText)) > luminance(palette.color(QPalette::Window));
}

QColor cautionColor(const QPalette& palette)
{
    return isDark(palette) ? QColor(0xfff2b04c) : QColor(0xff8a5200);
}

QColor quietColor(const QPalette& palette)
{
    return isDark(palette) ? QColor(0xffa3a7ad) : QColor(0xff5f6368);
}

double contrast(const QColor& a, const QColor& b)
{
    const double la = luminance(a);
    const double lb = luminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

std::span<const QRgb> colorStops(ColorMap map)
{
    return map == ColorMap::Diverging ? std::span<const QRgb>(kDivergingStops)
                                      : std::span<const QRgb>(kSequentialStops);
}

QColor sequentialColor(double position)
{
    return mapColor(ColorMap::Sequential, position);
}

QColor textColorOn(const QColor& ground)
{
    return contrast(ground, Qt::black) >= contrast(ground, Qt::white) ? QColor(Qt::black) : QColor(Qt::white);
}

QColor mapColor(ColorMap map, double position)
{
    const std::span<const QRgb> stops = colorStops(map);
    const auto last = static_cast<double>(stops.size() - 1);
    const double scaled = std::clamp(position, 0.0, 1.0) * last;
    const auto lower = static_cast<std::size_t>(std::min(std::floor(scaled), last - 1));
    const double t = scaled - static_cast<double>(lower);
    const QColor a(stops[lower]);
    const QColor b(stops[lower + 1]);
    const auto mix = [t](int x, int y) { return static_cast<int>(std::lround(x + t * (y - x))); };
    return QColor(mix(a.red(), b.red()), mix(a.green(), b.green()), mix(a.blue(), b.blue()));
}

void applyTheme(Theme theme)
{
    if (theme == Theme::System) return;
    QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
    QApplication::setPalette(themePalette(theme == Theme::Dark));
}

} // namespace flextron::ui
