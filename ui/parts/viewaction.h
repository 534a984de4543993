// An action that a view makes for itself.
#pragma once

#include <QAction>

namespace flextron::ui {

/// `name` is its own in files, links and tests; `help` is shown in the status bar and at the pointer.
inline QAction* viewAction(QObject* parent, const char* name, const QString& text, const QString& help)
{
    auto* action = new QAction(text, parent);
    action->setObjectName(QLatin1String(name));
    action->setStatusTip(help);
    action->setToolTip(help);
    return action;
}

} // namespace flextron::ui
