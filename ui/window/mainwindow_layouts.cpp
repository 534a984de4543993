// The three arrangements of the window, each kept as it was left.
#include "ui/window/mainwindow.h"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QDockWidget>
#include <QMenu>
#include <QMenuBar>
#include <QScreen>
#include <QSettings>
#include <QTimer>

#include "ui/compare/panearea.h"
#include "ui/compare/promptpanel.h"
#include "ui/inspect/heatmapview.h"
#include "ui/window/hintbar.h"
#include "ui/window/session.h"

namespace flextron::ui {

namespace {

constexpr double kTeachPoints = 18; // read from the last row of a class

QString layoutName(MainWindow::Layout layout)
{
    switch (layout) {
    case MainWindow::Layout::Teach: return QStringLiteral("teach");
    case MainWindow::Layout::Explore: return QStringLiteral("explore");
    case MainWindow::Layout::Debug: return QStringLiteral("debug");
    }
    return {};
}

} // namespace

void MainWindow::makeLayoutActions()
{
    auto* group = new QActionGroup(this);
    const auto add = [&](const char* name, const QString& text, int key, Layout layout, const QString& help) {
        QAction* action = makeAction(name, text, QKeySequence(Qt::CTRL | Qt::ALT | static_cast<Qt::Key>(key)), help);
        action->setCheckable(true);
        action->setChecked(layout == layout_);
        group->addAction(action);
        connect(action, &QAction::triggered, this, [this, layout] { arrange(layout); });
        layout_actions_[static_cast<std::size_t>(layout)] = action;
    };
    add("layoutTeach", tr("Layout: &Teach"), Qt::Key_1, Layout::Teach,
        tr("Large letters, full screen, the sliders and one view: for a class"));
    add("layoutExplore", tr("Layout: &Explore"), Qt::Key_2, Layout::Explore,
        tr("The arrangement of a first start: for trying things"));
    add("layoutDebug", tr("Layout: De&bug"), Qt::Key_3, Layout::Debug, tr("Every panel: for looking into a router"));
}

void MainWindow::arrange(Layout layout)
{
    if (layout == layout_) return;
    kept_layouts_[static_cast<std::size_t>(layout_)] = saveState(Session::kFormatVersion);
    const bool left_teach = layout_ == Layout::Teach;
    layout_ = layout;
    layout_actions_[static_cast<std::size_t>(layout)]->setChecked(true);
    QFont letters = QApplication::font();
    // Before the letters: as a normal window it would grow with them, and come back like that. (A maximised window
    // stays one behind the full screen.)
    if (layout == Layout::Teach) {
        setWindowState(windowState() | Qt::WindowFullScreen);
        // First what is not shown, then the letters: a window that has grown for a moment does not shrink again.
        for (QDockWidget* dock : docks_) dock->setVisible(dock->isVisible() && dock->property("taught").toBool());
        letters.setPointSizeF(kTeachPoints);
    }
    setFont(letters);
    // Menus are windows: they do not take the letters over.
    const QFont entries = layout == Layout::Teach ? letters : QApplication::font("QMenu");
    for (QMenu* menu : findChildren<QMenu*>()) menu->setFont(entries);
    menuBar()->setFont(layout == Layout::Teach ? letters : QApplication::font("QMenuBar"));
    QCoreApplication::sendPostedEvents(nullptr, QEvent::LayoutRequest); // likewise before panels come back
    heatmap()->plot()->setPrinted(layout == Layout::Teach);
    // Large letters leave no room for what a class does not need.
    quietHints();
    prompt_->setHintShown(layout != Layout::Teach);
    pane_area_->setCompact(layout == Layout::Teach);
    const QByteArray& kept = kept_layouts_[static_cast<std::size_t>(layout)];
    if (kept.isEmpty() || !restoreState(kept, Session::kFormatVersion)) arrangeAnew();
    if (left_teach) setWindowState(windowState() & ~Qt::WindowFullScreen);
    // What it grew by all the same, while letters and panels changed.
    QTimer::singleShot(0, this, [this] {
        if (isFullScreen()) resize(size().boundedTo(screen()->size()));
        else if (isMaximized()) resize(size().boundedTo(screen()->availableSize()));
    });
}

// What a layout is before anybody moved something.
void MainWindow::arrangeAnew()
{
    resetLayout();
    for (QDockWidget* dock : docks_) {
        if (layout_ == Layout::Debug) dock->show();
    }
}

void MainWindow::readLayouts(const QSettings& settings)
{
    for (const Layout layout : {Layout::Teach, Layout::Explore, Layout::Debug}) {
        kept_layouts_[static_cast<std::size_t>(layout)] =
            settings.value(QStringLiteral("layouts/") + layoutName(layout)).toByteArray();
    }
}

void MainWindow::writeLayouts(QSettings& settings) const
{
    for (const Layout layout : {Layout::Teach, Layout::Explore, Layout::Debug}) {
        const QByteArray state = layout == layout_ ? saveState(Session::kFormatVersion)
                                                   : kept_layouts_[static_cast<std::size_t>(layout)];
        if (!state.isEmpty()) settings.setValue(QStringLiteral("layouts/") + layoutName(layout), state);
    }
}

} // namespace flextron::ui
