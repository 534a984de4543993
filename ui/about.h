#pragma once

#include <QString>

namespace flextron::ui {

/// "Flextron Explorer 0.1.0"
[[nodiscard]] QString programTitle();

} // namespace flextron::ui
