// What the window is made of: actions, menus, tool bar, views, status bar.
#include "ui/mainwindow.h"

#include <limits>

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDockWidget>
#include <QLabel>
#include <QMenu>
#include <QMenuBar>
#include <QMessageBox>
#include <QScreen>
#include <QSplitter>
#include <QStatusBar>
#include <QToolBar>
#include <QVBoxLayout>

#include "engine/base/version.h"
#include "ui/heatmapview.h"
#include "ui/icons.h"
#include "ui/modelcard.h"
#include "ui/paneview.h"
#include "ui/promptpanel.h"
#include "ui/statusline.h"
#include "ui/subnetworkpanel.h"

namespace flextron::ui {

void MainWindow::makeActions()
{
    const auto make = [this](const char* name, const QString& text, const QKeySequence& key, const QString& help) {
        auto* action = new QAction(text, this);
        action->setObjectName(QLatin1String(name));
        action->setShortcut(key);
        action->setStatusTip(help);
        action->setToolTip(key.isEmpty() ? help
                                         : QStringLiteral("%1 (%2)").arg(help, key.toString(QKeySequence::NativeText)));
        addAction(action);
        return action;
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
    connect(reset_zoom_action_, &QAction::triggered, this, [this] { heatmap_->resetZoom(); });
    connect(about_action_, &QAction::triggered, this, &MainWindow::showAbout);
}

void MainWindow::makeMenus()
{
    QMenu* file = menuBar()->addMenu(tr("&File"));
    file->addAction(open_action_);
    recent_menu_ = file->addMenu(tr("Open &Recent"));
    file->addSeparator();
    file->addAction(quit_action_);
    QMenu* edit = menuBar()->addMenu(tr("&Edit"));
    edit->addActions({copy_live_action_, clear_selection_action_});
    view_menu_ = menuBar()->addMenu(tr("&View"));
    for (QDockWidget* dock : docks_) view_menu_->addAction(dock->toggleViewAction());
    view_menu_->addSeparator();
    view_menu_->addActions({reset_zoom_action_, reset_layout_action_});
    QMenu* model = menuBar()->addMenu(tr("&Model"));
    bundled_menu_ = model->addMenu(tr("&Bundled"));
    model->addActions({cancel_load_action_, measure_action_, cancel_measure_action_});
    QMenu* run = menuBar()->addMenu(tr("&Run"));
    run->addActions({run_action_, stop_action_, full_action_});
    QMenu* help = menuBar()->addMenu(tr("&Help"));
    help->addAction(about_action_);
    QAction* about_qt = help->addAction(tr("About &Qt"));
    connect(about_qt, &QAction::triggered, qApp, &QApplication::aboutQt);
}

void MainWindow::makeToolBar()
{
    QToolBar* bar = addToolBar(tr("Tools"));
    bar->setObjectName(QStringLiteral("toolBar"));
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    const int icon = fontMetrics().height();
    bar->setIconSize({icon, icon});
    bar->addActions({open_action_, run_action_, stop_action_});
    bar->addSeparator();
    const auto add = [this, bar](const QString& text, QAbstractSpinBox* box, const QString& help) {
        auto* label = new QLabel(text);
        label->setBuddy(box);
        label->setMinimumWidth(label->sizeHint().width() +
                               fontMetrics().averageCharWidth()); // else its last letter is cut
        box->setAccessibleName(QString(text).remove(QLatin1Char('&')));
        box->setToolTip(help);
        box->setKeyboardTracking(false);
        auto* pair = new QWidget;
        auto* layout = new QHBoxLayout(pair);
        const int gap = fontMetrics().averageCharWidth();
        layout->setContentsMargins(gap, 0, gap, 0);
        layout->addWidget(label);
        layout->addWidget(box);
        bar->addWidget(pair);
    };
    max_tokens_ = new QSpinBox;
    max_tokens_->setRange(1, 4096);
    max_tokens_->setValue(64);
    add(tr("&Tokens"), max_tokens_, tr("How many new tokens to write at most"));
    temperature_ = new QDoubleSpinBox;
    temperature_->setRange(0.0, 5.0);
    temperature_->setSingleStep(0.1);
    temperature_->setSpecialValueText(tr("0 (greedy)"));
    add(tr("Temper&ature"), temperature_, tr("0 takes the most probable token each time; higher values vary more"));
    seed_ = new QSpinBox;
    seed_->setRange(0, std::numeric_limits<int>::max());
    seed_->setValue(42);
    add(tr("See&d"), seed_, tr("The same seed gives the same text. Without effect at temperature 0."));
    connect(max_tokens_, &QSpinBox::valueChanged, this, &MainWindow::applyInputs);
    connect(temperature_, &QDoubleSpinBox::valueChanged, this, &MainWindow::applyInputs);
    connect(seed_, &QSpinBox::valueChanged, this, &MainWindow::applyInputs);
}

QDockWidget* MainWindow::addDock(const QString& name, const QString& title, QWidget* view)
{
    auto* dock = new QDockWidget(title, this);
    dock->setObjectName(name);
    dock->setWidget(view);
    docks_.push_back(dock);
    return dock;
}

void MainWindow::makeViews()
{
    prompt_ = new PromptPanel(service_);
    for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) {
        panes_[static_cast<std::size_t>(slot)] = new PaneView(slot, service_, comparison_, selection_, run_action_);
    }
    auto* panes = new QSplitter(Qt::Horizontal);
    for (PaneView* pane : panes_) panes->addWidget(pane);
    panes->setChildrenCollapsible(false);
    auto* central = new QWidget;
    auto* layout = new QVBoxLayout(central);
    layout->addWidget(prompt_);
    layout->addWidget(panes, 1);
    setCentralWidget(central);
    connect(prompt_, &PromptPanel::promptChanged, this, &MainWindow::applyInputs);
    prompt_->editor()->setFocus();

    sub_network_ = new SubNetworkPanel(service_, comparison_, open_action_);
    model_card_ = new ModelCard(service_, open_action_, cancel_load_action_);
    heatmap_ = new HeatmapView(service_, comparison_, selection_, run_action_);
    addDock(QStringLiteral("subNetworkDock"), tr("Sub-network"), sub_network_);
    addDock(QStringLiteral("modelDock"), tr("Model"), model_card_);
    addDock(QStringLiteral("heatmapDock"), tr("Widths by token and layer"), heatmap_);
}

void MainWindow::resetLayout()
{
    setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    constexpr std::array areas{Qt::LeftDockWidgetArea, Qt::LeftDockWidgetArea, Qt::BottomDockWidgetArea};
    for (std::size_t i = 0; i < docks_.size(); ++i) {
        docks_[i]->setFloating(false);
        addDockWidget(areas[i], docks_[i]);
        docks_[i]->show();
    }
    const QSize room = screen()->availableSize();
    resize(std::min(room.width(), fontMetrics().averageCharWidth() * 190),
           std::min(room.height(), fontMetrics().height() * 52));
    resizeDocks({docks_[0]}, {fontMetrics().averageCharWidth() * 44}, Qt::Horizontal);
    resizeDocks({docks_[2]}, {fontMetrics().height() * 17}, Qt::Vertical);
    resizeDocks({docks_[0], docks_[1]}, {fontMetrics().height() * 19, fontMetrics().height() * 19}, Qt::Vertical);
}

void MainWindow::makeStatusBar()
{
    message_ = new ElidedLabel;
    device_ = new ElidedLabel;
    latency_ = new ElidedLabel;
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

void MainWindow::showAbout()
{
    QMessageBox::about(this, tr("About Flextron Explorer"),
                       tr("<h3>Flextron Explorer %1</h3><p>Elastic language models: nested sub-networks inside one set "
                          "of weights, chosen while they "
                          "run. After Cai et al., “Flextron: Many-in-One Flexible Large Language Model”, ICML 2024.</p>"
                          "<p>Free software under the GNU General Public License, version 3 or later.</p>")
                           .arg(QLatin1String(version)));
}

} // namespace flextron::ui
