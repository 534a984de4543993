// What the window is made of: actions, menus, tool bar, views, status bar.
#include "ui/window/mainwindow.h"

#include <limits>
#include <map>

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDockWidget>
#include <QLabel>
#include <QMenu>
#include <QMenuBar>
#include <QScreen>
#include <QStatusBar>
#include <QToolBar>
#include <QVBoxLayout>

#include "ui/compare/panearea.h"
#include "ui/compare/promptpanel.h"
#include "ui/compare/samplingpanel.h"
#include "ui/inspect/heatmapview.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/jobs/jobviews.h"
#include "ui/parts/fittingarea.h"
#include "ui/parts/icons.h"
#include "ui/parts/noticebar.h"
#include "ui/parts/statusline.h"
#include "ui/target/modelcard.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/hintbar.h"
#include "ui/window/history.h"
#include "ui/window/notespanel.h"
#include "ui/window/panesources.h"

namespace flextron::ui {

QAction* MainWindow::makeAction(const char* name, const QString& text, const QKeySequence& key, const QString& help)
{
    auto* action = new QAction(text, this);
    action->setObjectName(QLatin1String(name));
    action->setShortcut(key);
    action->setStatusTip(help);
    action->setWhatsThis(help);
    action->setToolTip(key.isEmpty() ? help
                                     : QStringLiteral("%1 (%2)").arg(help, key.toString(QKeySequence::NativeText)));
    addAction(action);
    return action;
}

void MainWindow::makeActions()
{
    const auto make = [this](const char* name, const QString& text, const QKeySequence& key, const QString& help) {
        return makeAction(name, text, key, help);
    };
    open_action_ = make("open", tr("&Open Model…"), QKeySequence::Open, tr("Open a folder with a Hugging Face model"));
    quit_action_ = make("quit", tr("&Quit"), QKeySequence::Quit, tr("Close the program"));
    run_action_ = make("run", tr("&Run"), Qt::Key_F5,
                       tr("Write on from the prompt with the full model and the live sub-network"));
    stop_action_ = make("stop", tr("&Stop"), Qt::Key_Escape, tr("Stop what runs"));
    full_action_ = make("full", tr("Back to the &Full Width"), Qt::CTRL | Qt::Key_0,
                        tr("Set the live pane to the full model"));
    cancel_load_action_ = make("cancelLoad", tr("&Cancel Loading"), {},
                               tr("Stop loading; the model that is open stays"));
    measure_action_ = make("measure", tr("&Measure Latency Here"), {},
                           tr("Measure what each width costs on this device (a few seconds)"));
    cancel_measure_action_ = make("cancelMeasure", tr("Cancel &Measuring"), {}, tr("Stop measuring latency"));
    copy_live_action_ = make("copyLive", tr("&Copy Live Text"), Qt::CTRL | Qt::SHIFT | Qt::Key_C,
                             tr("Copy what the live pane wrote"));
    clear_selection_action_ = make("clearSelection", tr("Clear &Selection"), Qt::CTRL | Qt::SHIFT | Qt::Key_A,
                                   tr("Select no token"));
    reset_layout_action_ = make("resetLayout", tr("&Reset Layout"), {}, tr("Put all panels where they were at first"));
    reset_zoom_action_ = make("resetZoom", tr("Show &Whole Heatmap"), {}, tr("Undo zooming in the heatmap"));
    about_action_ = make("about", tr("&About Flextron Explorer"), {}, tr("Version and licence"));

    connect(open_action_, &QAction::triggered, this, &MainWindow::chooseFolder);
    connect(quit_action_, &QAction::triggered, this, &QWidget::close);
    connect(run_action_, &QAction::triggered, comparison_, &Comparison::run);
    connect(stop_action_, &QAction::triggered, this, [this] {
        comparison_->stop();
        service_->cancelLoad();
    });
    connect(full_action_, &QAction::triggered, this, [this] { sub_network_->setBudget(1.0); });
    connect(cancel_load_action_, &QAction::triggered, service_, &EngineService::cancelLoad);
    connect(measure_action_, &QAction::triggered, service_, &EngineService::measureWhenIdle);
    connect(cancel_measure_action_, &QAction::triggered, service_, &EngineService::cancelMeasure);
    connect(copy_live_action_, &QAction::triggered, this,
            [this] { QApplication::clipboard()->setText(paneView(PaneSlot::Live)->text()->toPlainText()); });
    connect(clear_selection_action_, &QAction::triggered, selection_, &Selection::clear);
    connect(reset_layout_action_, &QAction::triggered, this, &MainWindow::resetLayout);
    connect(reset_zoom_action_, &QAction::triggered, this, [this] { heatmap()->resetZoom(); });
    connect(about_action_, &QAction::triggered, this, &MainWindow::showAbout);
}

void MainWindow::makeCompareActions()
{
    open_text_action_ = makeAction("openText", tr("Open &Text…"), Qt::CTRL | Qt::SHIFT | Qt::Key_O,
                                   tr("Put a text file into the prompt, to be read or gone on from"));
    read_action_ = makeAction("read", tr("R&ead"), Qt::SHIFT | Qt::Key_F5,
                              tr("Read the prompt's text through all panes and record every token; write nothing"));
    pin_action_ = makeAction("pin", tr("&Pin This Target"), Qt::CTRL | Qt::Key_D,
                             tr("Add a pane that keeps the slider's target"));
    unpin_action_ = makeAction("unpin", tr("&Remove All Pins"), {}, tr("Leave only the full model and the live pane"));
    connect(unpin_action_, &QAction::triggered, this, [this] {
        for (const PaneSlot slot : comparison_->order()) comparison_->removePin(slot);
    });
    measure_alone_action_ = makeAction("measureAlone", tr("&Measure Each Pane Alone"), {},
                                       tr("Let each pane write a few tokens by itself, and show its own speed"));
    replay_action_ = makeAction("replay", tr("Re&play"), Qt::Key_F6,
                                tr("Show again how the texts came, each pane at its own speed"));
    step_action_ = makeAction("step", tr("One &Token"), Qt::Key_F10, tr("Show one more token of every pane"));
    undo_action_ = makeAction("undo", tr("&Undo"), QKeySequence::Undo,
                              tr("Undo the last change of target, panes, forced choices or sampling"));
    redo_action_ = makeAction("redo", tr("&Redo"), QKeySequence::Redo, tr("Do again what was undone"));
    QUndoStack* stack = history_->stack();
    connect(undo_action_, &QAction::triggered, stack, &QUndoStack::undo);
    connect(redo_action_, &QAction::triggered, stack, &QUndoStack::redo);
    undo_action_->setEnabled(false);
    redo_action_->setEnabled(false);
    connect(stack, &QUndoStack::canUndoChanged, undo_action_, &QAction::setEnabled);
    connect(stack, &QUndoStack::canRedoChanged, redo_action_, &QAction::setEnabled);
    connect(stack, &QUndoStack::undoTextChanged, this, [this](const QString& what) {
        undo_action_->setText(what.isEmpty() ? tr("&Undo") : tr("&Undo: %1").arg(what));
    });
    connect(stack, &QUndoStack::redoTextChanged, this, [this](const QString& what) {
        redo_action_->setText(what.isEmpty() ? tr("&Redo") : tr("&Redo: %1").arg(what));
    });
    connect(open_text_action_, &QAction::triggered, this, &MainWindow::chooseText);
    connect(read_action_, &QAction::triggered, comparison_, &Comparison::read);
    connect(pin_action_, &QAction::triggered, comparison_, &Comparison::addPin);
    connect(measure_alone_action_, &QAction::triggered, comparison_, &Comparison::measureAlone);
    connect(replay_action_, &QAction::triggered, this, [this] {
        if (pace_->mode() == Pace::Mode::Off) pace_->setMode(Pace::Mode::Real);
        else pace_->restart();
    });
    connect(step_action_, &QAction::triggered, this, [this] {
        pace_->setMode(Pace::Mode::Step);
        pace_->step();
    });
}

void MainWindow::makeMenus()
{
    QMenu* file = menuBar()->addMenu(tr("&File"));
    file->addActions({open_action_, open_text_action_});
    recent_menu_ = file->addMenu(tr("Open &Recent"));
    file->addSeparator();
    QMenu* edit = menuBar()->addMenu(tr("&Edit"));
    files_->addTo(file, edit);
    file->addSeparator();
    file->addAction(quit_action_);
    edit->addActions({undo_action_, redo_action_});
    edit->addSeparator();
    edit->addActions({copy_live_action_, clear_selection_action_});
    view_menu_ = menuBar()->addMenu(tr("&View"));
    for (QDockWidget* dock : docks_) {
        view_menu_->addAction(dock->toggleViewAction());
        raiseRatherThanClose(dock);
    }
    makePanelMenu(view_menu_);
    view_menu_->addSeparator();
    for (QAction* action : layout_actions_) view_menu_->addAction(action);
    view_menu_->addActions({reset_zoom_action_, reset_layout_action_});
    QMenu* model = menuBar()->addMenu(tr("&Model"));
    bundled_menu_ = model->addMenu(tr("&Bundled"));
    model->addActions({cancel_load_action_, measure_action_, cancel_measure_action_});
    QMenu* run = menuBar()->addMenu(tr("&Run"));
    run->addActions({run_action_, read_action_, stop_action_, step_action_, replay_action_, full_action_});
    QMenu* compare = menuBar()->addMenu(tr("&Compare"));
    compare->addActions({pin_action_, unpin_action_});
    pane_sources_->addTo(compare);
    compare->addAction(measure_alone_action_);
    QMenu* analyze = menuBar()->addMenu(tr("Anal&yze"));
    analyze->addActions(inspection_->actions());
    makeJobMenu(model, analyze);
    QMenu* help = menuBar()->addMenu(tr("&Help"));
    makeHelpMenu(help);
}

void MainWindow::makeToolBar()
{
    QToolBar* bar = addToolBar(tr("Tools"));
    bar->setObjectName(QStringLiteral("toolBar"));
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    // Qt's own button for what a narrow window has no room for; it has a name of ours only.
    if (auto* more = bar->findChild<QToolButton*>(QStringLiteral("qt_toolbar_ext_button")))
        more->setAccessibleName(tr("More tools"));
    const int icon = fontMetrics().height();
    bar->setIconSize({icon, icon});
    bar->addActions({open_action_, run_action_, read_action_, stop_action_, step_action_});
    bar->addSeparator();
    const auto add = [this, bar](const QString& text, QWidget* box) {
        auto* label = new QLabel(text);
        label->setBuddy(box);
        label->setSizePolicy(QSizePolicy::Minimum, QSizePolicy::Preferred); // else its last letters are cut
        label->setContentsMargins(0, 0, fontMetrics().averageCharWidth(), 0);
        auto* pair = new QWidget;
        auto* layout = new QHBoxLayout(pair);
        const int gap = fontMetrics().averageCharWidth();
        layout->setContentsMargins(gap, 0, gap, 0);
        layout->addWidget(label);
        layout->addWidget(box);
        bar->addWidget(pair);
    };
    pace_box_ = new QComboBox;
    pace_box_->setObjectName(QStringLiteral("pace"));
    constexpr int kLetters = 14; // the longest is elided: there is room for the seed in large letters, too
    pace_box_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    pace_box_->setMinimumContentsLength(kLetters);
    pace_box_->setAccessibleName(tr("Pace"));
    pace_box_->setToolTip(
        tr("How the texts are shown: as they come, or replayed at the speed that each pane would have "
           "alone, so that a difference can be seen"));
    pace_box_->addItem(tr("as it comes"), static_cast<int>(Pace::Mode::Off));
    pace_box_->addItem(tr("real: each pane's own speed"), static_cast<int>(Pace::Mode::Real));
    pace_box_->addItem(tr("10 times slower"), static_cast<int>(Pace::Mode::Slow10));
    pace_box_->addItem(tr("50 times slower"), static_cast<int>(Pace::Mode::Slow50));
    pace_box_->addItem(tr("step by step"), static_cast<int>(Pace::Mode::Step));
    pace_box_->setAccessibleDescription(tr("Pace"));
    add(tr("Pace"), pace_box_);
    add(tr("See&d"), sampling_->seed());
    connect(pace_box_, &QComboBox::activated, this,
            [this] { pace_->setMode(static_cast<Pace::Mode>(pace_box_->currentData().toInt())); });
    connect(pace_, &Pace::modeChanged, this,
            [this] { pace_box_->setCurrentIndex(pace_box_->findData(static_cast<int>(pace_->mode()))); });
}

QDockWidget* MainWindow::addDock(const QString& name, const QString& title, QWidget* view)
{
    auto* dock = new QDockWidget(title, this);
    dock->setObjectName(name);
    dock->setWidget(view);
    const QString help = panelHelp(name);
    dock->setWhatsThis(help.isEmpty() ? title : help);
    // What a class is shown.
    dock->setProperty("taught", name == QLatin1String("subNetworkDock") || name == QLatin1String("heatmapDock"));
    docks_.push_back(dock);
    return dock;
}

void MainWindow::makeViews()
{
    notice_ = new NoticeBar;
    notes_ = new NotesPanel;
    hints_ = makeHints();
    connect(notes_, &NotesPanel::linkFollowed, this, [this](const QString& link) {
        if (!followLink(link)) showMessage(tr("This link can do nothing now: %1").arg(link));
    });
    prompt_ = new PromptPanel(service_);
    pane_area_ = new PaneArea(service_, comparison_, selection_, pace_, run_action_, pin_action_);
    auto* central = new QWidget;
    auto* layout = new QVBoxLayout(central);
    layout->addWidget(notice_);
    layout->addWidget(hints_);
    quietHints();
    layout->addWidget(prompt_);
    layout->addWidget(pane_area_, 1);
    setCentralWidget(new FittingArea(central));
    connect(prompt_, &PromptPanel::promptChanged, this, &MainWindow::applyInputs);
    prompt_->editor()->setFocus();

    sub_network_ = new SubNetworkPanel(service_, comparison_, open_action_);
    sampling_ = new SamplingPanel(comparison_);
    connect(sampling_, &SamplingPanel::edited, this, &MainWindow::applyInputs);
    model_card_ = new ModelCard(service_, open_action_, cancel_load_action_);
    inspection_ = new InspectionViews(service_, comparison_, selection_,
                                      {run_action_, measure_action_, cancel_measure_action_}, this);
    connect(inspection_, &InspectionViews::failed, notice_, &NoticeBar::showError);
    connect(inspection_, &InspectionViews::said, this, &MainWindow::showMessage);
    addDock(QStringLiteral("subNetworkDock"), tr("Sub-network"), new FittingArea(sub_network_));
    // No panel may ask for more room than a small screen has; the map shows less in little room, and never scrolls.
    const auto little = [](QWidget* view) { return new FittingArea(view, FittingArea::Least::Little); };
    addDock(QStringLiteral("modelDock"), tr("Model"), model_card_);
    addDock(QStringLiteral("samplingDock"), tr("Sampling"), little(sampling_));
    for (const InspectionViews::Dock& dock : inspection_->docks())
        addDock(dock.name, dock.title, dock.view == heatmap() ? dock.view : little(dock.view));
    makeJobs();
    addDock(QStringLiteral("notesDock"), tr("Notes"), notes_);
    addActions(inspection_->actions());
    for (int i = 0; i < kPaneSlots; ++i) {
        const auto slot = static_cast<PaneSlot>(i);
        inspection_->attach(slot, paneView(slot));
    }
    // On Linux a box's accessible name is the entry it shows; what it is for must stand elsewhere.
    for (QComboBox* box : findChildren<QComboBox*>()) {
        if (box->accessibleDescription().isEmpty()) box->setAccessibleDescription(box->accessibleName());
    }
}

HeatmapView* MainWindow::heatmap() const
{
    return inspection_->heatmap();
}

void MainWindow::resetLayout()
{
    setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    std::vector<Qt::DockWidgetArea> areas(3, Qt::LeftDockWidgetArea);
    for (const InspectionViews::Dock& dock : inspection_->docks()) areas.push_back(dock.area);
    areas.push_back(Qt::BottomDockWidgetArea); // the corpus report
    areas.push_back(Qt::RightDockWidgetArea);  // the notes
    std::map<Qt::DockWidgetArea, QDockWidget*> first_of;
    for (std::size_t i = 0; i < docks_.size(); ++i) {
        docks_[i]->setFloating(false);
        addDockWidget(areas[i], docks_[i]);
        docks_[i]->setVisible(layout_ != Layout::Teach || docks_[i]->property("taught").toBool());
        // Panels of an inspection share their place as tabs.
        const auto [first, only] = first_of.try_emplace(areas[i], docks_[i]);
        if (!only && areas[i] != Qt::LeftDockWidgetArea) tabifyDockWidget(first->second, docks_[i]);
    }
    docks_.back()->hide(); // the notes, until somebody writes
    tabifyDockWidget(docks_[1], docks_[2]);
    docks_[1]->raise();
    for (const auto& [area, dock] : first_of) dock->raise();
    if (!isVisible()) { // else it has the size that somebody gave it
        const QSize room = screen()->availableSize();
        resize(std::min(room.width(), fontMetrics().averageCharWidth() * 190),
               std::min(room.height(), fontMetrics().height() * 52));
    }
    const int side = std::min(fontMetrics().averageCharWidth() * 47, width() * 3 / 10);
    resizeDocks({docks_[0], first_of[Qt::RightDockWidgetArea]}, {side, side}, Qt::Horizontal);
    resizeDocks({first_of[Qt::BottomDockWidgetArea]}, {fontMetrics().height() * 17}, Qt::Vertical);
    // The sliders in full where there is room, the model's card takes what is left.
    resizeDocks({docks_[0], docks_[1]}, {fontMetrics().height() * 27, fontMetrics().height() * 13}, Qt::Vertical);
}

void MainWindow::makeStatusBar()
{
    message_ = new ElidedLabel;
    device_ = new ElidedLabel;
    latency_ = new ElidedLabel;
    latency_->setObjectName(QStringLiteral("latencyStatus"));
    load_bar_ = new QProgressBar;
    load_bar_->setAccessibleName(tr("Loading progress"));
    load_bar_->setMaximumWidth(fontMetrics().averageCharWidth() * 20);
    load_bar_->hide();
    load_cancel_ = new QToolButton;
    load_cancel_->setDefaultAction(cancel_load_action_);
    load_cancel_->setAccessibleName(tr("Cancel loading"));
    load_cancel_->hide();
    statusBar()->addWidget(message_, 1);
    statusBar()->addWidget(load_bar_);
    statusBar()->addWidget(load_cancel_);
    statusBar()->addPermanentWidget(new JobStatus(jobs_->jobs(), jobs_->actions()));
    statusBar()->addPermanentWidget(device_, 1);
    statusBar()->addPermanentWidget(latency_);
    message_->setFullText(tr("No model is open"));
}

void MainWindow::updateActions()
{
    const bool model = service_->model() != nullptr;
    run_action_->setEnabled(comparison_->canRun());
    stop_action_->setEnabled(service_->running() || service_->loading());
    full_action_->setEnabled(model);
    read_action_->setEnabled(comparison_->canRun());
    pin_action_->setEnabled(model && comparison_->canAddPin());
    unpin_action_->setEnabled(!comparison_->pins().empty());
    const bool written = comparison_->pane(PaneSlot::Full).complete();
    measure_alone_action_->setEnabled(written && !service_->running());
    files_->update();
    pane_sources_->update();
    replay_action_->setEnabled(written && !service_->running());
    step_action_->setEnabled(written && !service_->running());
    cancel_load_action_->setEnabled(service_->loading());
    measure_action_->setEnabled(model && !service_->measureWanted());
    cancel_measure_action_->setEnabled(service_->measureWanted());
}

void MainWindow::updateIcons()
{
    open_action_->setIcon(glyphIcon(Glyph::Open, palette()));
    run_action_->setIcon(glyphIcon(Glyph::Run, palette()));
    stop_action_->setIcon(glyphIcon(Glyph::Stop, palette()));
}

} // namespace flextron::ui
