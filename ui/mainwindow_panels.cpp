// To every panel by keyboard: shown, in front of the others of its place, and with the keyboard in it.
#include "ui/mainwindow.h"

#include <QAction>
#include <QApplication>
#include <QDockWidget>
#include <QMenu>

namespace flextron::ui {

namespace {

/// The panel's first control that Tab reaches; null for one that only shows.
QWidget* firstControl(QWidget* panel)
{
    for (QWidget* next = panel->nextInFocusChain(); next != panel; next = next->nextInFocusChain()) {
        const bool here = panel->isAncestorOf(next) && next->isVisibleTo(panel) && next->isEnabled();
        if (here && (next->focusPolicy() & Qt::TabFocus) == Qt::TabFocus) return next;
    }
    return nullptr;
}

} // namespace

void MainWindow::makePanelMenu(QMenu* view)
{
    // Tab also goes into a panel that stands behind another: the keyboard must not be where nobody sees it.
    connect(qApp, &QApplication::focusChanged, this, [this](QWidget*, QWidget* now) {
        for (QDockWidget* dock : docks_) {
            if (now != nullptr && dock->isAncestorOf(now) && dock->visibleRegion().isEmpty()) dock->raise();
        }
    });
    QMenu* panels = view->addMenu(tr("&Go to Panel"));
    for (QDockWidget* dock : docks_) {
        const QByteArray name = "goTo_" + dock->objectName().toLatin1();
        QAction* action = makeAction(name.constData(), tr("Go to %1").arg(dock->windowTitle()), {},
                                     tr("Show this panel and give it the keyboard"));
        connect(action, &QAction::triggered, this, [this, dock] { goTo(dock); });
        panels->addAction(action);
    }
}

void MainWindow::goTo(QDockWidget* dock)
{
    dock->show();
    dock->raise();
    if (dock->isFloating()) dock->activateWindow();
    if (QWidget* control = firstControl(dock->widget())) control->setFocus(Qt::ShortcutFocusReason);
}

} // namespace flextron::ui
