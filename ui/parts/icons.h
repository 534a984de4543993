// The few icons, drawn in the palette's colours: sharp at any scale, and right in dark and light.
#pragma once

#include <QIcon>
#include <QPalette>

namespace flextron::ui {

enum class Glyph { Open, Run, Stop };

QIcon glyphIcon(Glyph glyph, const QPalette& palette);

/// The program's own: nested bars, narrower towards the top.
QIcon programIcon();

} // namespace flextron::ui
