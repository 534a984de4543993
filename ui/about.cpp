#include "ui/about.h"

#include "engine/base/version.h"

namespace flextron::ui {

QString programTitle()
{
    return QStringLiteral("Flextron Explorer %1").arg(QLatin1String(version));
}

} // namespace flextron::ui
