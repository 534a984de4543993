// Colours that follow the palette, and the one sequential map.
#pragma once

#include <span>

#include <QColor>
#include <QPalette>

#include "engine/base/color_stops.h"

namespace flextron::ui {

/// Qt 6.4 has no colour scheme to ask for: a palette is dark when its text is lighter than its ground.
bool isDark(const QPalette& palette);

/// Dark on light, whatever the theme is: for print.
QPalette lightPalette();

/// For what the user should be careful with. As text it has a contrast of at least 4.5:1 on the palette's base and
/// window colours.
QColor cautionColor(const QPalette& palette);

/// For text that matters less (a prompt beside what was written); contrast at least 4.5:1 on the palette's base.
QColor quietColor(const QPalette& palette);

/// Relative contrast of two opaque colours, 1 to 21. Source: WCAG 2.1.
double contrast(const QColor& a, const QColor& b);

enum class ColorMap { Sequential, Diverging };
std::span<const QRgb> colorStops(ColorMap map);
/// The map at 0..1.
QColor mapColor(ColorMap map, double position);
QColor sequentialColor(double position);
/// Black or white, whichever reads better on `ground`: always at least 4.5:1.
QColor textColorOn(const QColor& ground);

enum class Theme { System, Light, Dark };
/// Light and dark are Fusion with a palette of ours; System leaves everything as it is.
void applyTheme(Theme theme);

} // namespace flextron::ui
