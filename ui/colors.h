// Colours that follow the palette, and the one sequential map.
#pragma once

#include <array>
#include <span>

#include <QColor>
#include <QPalette>

namespace flextron::ui {

/// Qt 6.4 has no colour scheme to ask for: a palette is dark when its text is lighter than its ground.
bool isDark(const QPalette& palette);

/// For what the user should be careful with. As text it has a contrast of at least 4.5:1 on the palette's base and
/// window colours.
QColor cautionColor(const QPalette& palette);

/// For text that matters less (a prompt beside what was written); contrast at least 4.5:1 on the palette's base.
QColor quietColor(const QPalette& palette);

/// Relative contrast of two opaque colours, 1 to 21. Source: WCAG 2.1.
double contrast(const QColor& a, const QColor& b);

/// Dark violet over teal to yellow: lightness rises all the way, so it reads in grey and with any colour vision. Our
/// own stops.
inline constexpr std::array<QRgb, 5> kSequentialStops{0xff2b1a56, 0xff2f5d8c, 0xff2a9187, 0xff76c162, 0xfff6e34b};

/// Blue over near-white to orange, for differences: the middle is "no difference", lightness falls alike to both sides,
/// and blue and orange are told apart with any colour vision. Our own stops.
inline constexpr std::array<QRgb, 5> kDivergingStops{0xff1c4a86, 0xff78a9d1, 0xfff1efe9, 0xffdf9a5b, 0xff823a07};

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
