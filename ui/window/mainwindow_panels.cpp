// To every panel by keyboard: shown, in front of the others of its place, and with the keyboard in it.
#include "ui/window/mainwindow.h"

#include <memory>

#include <QAction>
#include <QDockWidget>
#include <QMenu>

#include "ui/compare/promptpanel.h"

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
    QMenu* panels = view->addMenu(tr("&Go to Panel"));
    for (QDockWidget* dock : docks_) {
        const QByteArray name = "goTo_" + dock->objectName().toLatin1();
        QAction* action = makeAction(name.constData(), tr("Go to %1").arg(dock->windowTitle()), {},
                                     tr("Show this panel and give it the keyboard"));
        connect(action, &QAction::triggered, this, [this, dock] { goTo(dock); });
        panels->addAction(action);
    }
}

// Tab also goes into a panel that stands behind another; the keyboard must not be where nobody sees it. Qt asks for the
// next control as well when the one with the keyboard is hidden or disabled: then no other panel may come to the front.
bool MainWindow::focusNextPrevChild(bool next)
{
    const QWidget* from = focusWidget();
    const bool by_key = from != nullptr && from->isVisibleTo(this) && from->isEnabled();
    if (!QMainWindow::focusNextPrevChild(next)) return false;
    for (QDockWidget* dock : docks_) {
        if (!dock->isAncestorOf(focusWidget()) || !dock->visibleRegion().isEmpty()) continue;
        if (by_key) dock->raise();
        else prompt_->editor()->setFocus(Qt::OtherFocusReason);
    }
    return true;
}

// Who asks for a panel that stands behind another wants to see it. (Qt would close it: to Qt it is there already.)
void MainWindow::raiseRatherThanClose(QDockWidget* dock)
{
    auto behind = std::make_shared<bool>(false);
    connect(dock, &QDockWidget::visibilityChanged, this, [dock, behind](bool visible) {
        if (visible || !dock->isHidden()) *behind = !visible;
    });
    connect(dock->toggleViewAction(), &QAction::triggered, this, [dock, behind](bool open) {
        if (!open && !*behind) return;
        dock->show();
        dock->raise();
    });
}

void MainWindow::goTo(QDockWidget* dock)
{
    dock->show();
    dock->raise();
    if (dock->isFloating()) dock->activateWindow();
    if (QWidget* control = firstControl(dock->widget())) control->setFocus(Qt::ShortcutFocusReason);
}

} // namespace flextron::ui
