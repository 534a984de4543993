// Panels that scroll, and controls in them that the wheel would change.
#pragma once

class QWidget;

namespace flextron::ui {

/// The wheel scrolls the panel; a box's value it changes only where the keyboard is. For the boxes that are in it now.
void guardFromWheel(QWidget* panel);

} // namespace flextron::ui
