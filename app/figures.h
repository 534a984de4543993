// The explorer without a window: `flextron render` draws figures with it.
#pragma once

#include <QStringList>

#include "engine/base/error.h"

namespace flextron::app {

/// What follows the program's name, "--render" included: draws one view of a trace into a file. Needs a QGuiApplication
/// on any platform, "offscreen" for one. Gives the files written.
Result<QStringList> renderFigure(const QStringList& arguments);

} // namespace flextron::app
