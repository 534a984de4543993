#include "ui/window/mainwindow.h"

#include <QAction>
#include <QApplication>
#include <QCloseEvent>
#include <QDockWidget>
#include <QDragEnterEvent>
#include <QFileInfo>
#include <QLocale>
#include <QMenu>
#include <QMimeData>
#include <QScreen>
#include <QSettings>
#include <QStatusBar>

#include "engine/base/files.h"
#include "ui/compare/panearea.h"
#include "ui/compare/promptpanel.h"
#include "ui/compare/samplingpanel.h"
#include "ui/inspect/heatmapview.h"
#include "ui/jobs/jobviews.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/format.h"
#include "ui/parts/icons.h"
#include "ui/parts/noticebar.h"
#include "ui/parts/statusline.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/hintbar.h"
#include "ui/window/history.h"
#include "ui/window/keydialog.h"
#include "ui/window/notespanel.h"
#include "ui/window/panesources.h"
#include "ui/window/recovery.h"

namespace flextron::ui {

namespace {

constexpr double kRoughNoise = 0.15; // of a latency table: a stop's time is then no longer told from the next one's
constexpr int kSettingsVersion = 1;  // of the arrangement: docks of another version are not restored

QSettings userSettings()
{
    return QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"),
                     QStringLiteral("explorer"));
}

/// The folder or file that was dropped; empty for anything else.
QString droppedFile(const QMimeData* mime)
{
    for (const QUrl& url : mime->urls()) {
        if (QFileInfo::exists(url.toLocalFile())) return QFileInfo(url.toLocalFile()).absoluteFilePath();
    }
    return {};
}

} // namespace

MainWindow::MainWindow(EngineCalls calls, QWidget* parent)
    : QMainWindow(parent)
    , service_(new EngineService(std::move(calls), this))
    , comparison_(new Comparison(service_, this))
    , selection_(new Selection(this))
    , pace_(new Pace(service_, comparison_, this))
    , history_(new History(comparison_, this))
{
    setObjectName(QStringLiteral("mainWindow"));
    setWindowTitle(tr("Flextron Explorer"));
    setWindowIcon(programIcon());
    setAcceptDrops(true);
    setDockNestingEnabled(true);
    makeActions();
    makeCompareActions();
    makeLayoutActions();
    makeHelpActions();
    makeLessons();
    makeViews();
    makeToolBar();
    files_ = new FileActions(this);
    pane_sources_ = new PaneSources(this);
    for (int i = 0; i < kPaneSlots; ++i) {
        const auto slot = static_cast<PaneSlot>(i);
        pane_sources_->addTo(paneView(slot)->menu(), slot);
    }
    makeMenus();
    makeStatusBar();
    connectService();
    updateIcons();
    prompt_->setPrompt(tr("Once upon a time"));
    applyInputs();
    resetLayout();
    readSettings();
    history_->restart();
    updateActions();
    service_->listModels();
    jobs_->greet();
}

MainWindow::~MainWindow() = default;

void MainWindow::openModel(const QString& model)
{
    service_->load(model);
}

QString MainWindow::statusText() const
{
    return message_->fullText();
}

void MainWindow::connectService()
{
    connect(service_, &EngineService::busyChanged, this, &MainWindow::updateActions);
    connect(comparison_, &Comparison::inputsChanged, this, &MainWindow::updateActions);
    connect(comparison_, &Comparison::panesChanged, this, &MainWindow::updateActions);
    connect(pace_, &Pace::shownChanged, this, &MainWindow::updateActions);
    // Queued: the views have taken the model in by then, and with it set a target.
    connect(service_, &EngineService::modelLoaded, history_, &History::restart, Qt::QueuedConnection);
    connect(comparison_, &Comparison::refused, this, &MainWindow::showMessage);
    connect(service_, &EngineService::modelsListed, this, &MainWindow::showModels);
    connect(service_, &EngineService::modelLoaded, this, &MainWindow::showModel);
    connect(service_, &EngineService::modelChanged, this, &MainWindow::showLatencyStatus);
    connect(service_, &EngineService::loadStarted, this, [this](const QString& model) {
        message_->setFullText(model.isEmpty() ? tr("Loading the bundled model") : tr("Loading %1").arg(model));
        load_bar_->setRange(0, 0);
        load_bar_->show();
        load_cancel_->show();
    });
    connect(service_, &EngineService::loadProgress, this, [this](const LoadProgress& progress) {
        message_->setFullText(
            progress.unit == QLatin1String("bytes") && progress.total > 0
                ? tr("%1: %2 of %3").arg(progress.stage, formatBytes(progress.done), formatBytes(progress.total))
                : progress.stage);
        constexpr int kPercent = 100;
        load_bar_->setRange(0, progress.total > 0 ? kPercent : 0);
        if (progress.total > 0) load_bar_->setValue(static_cast<int>(kPercent * progress.done / progress.total));
    });
    connect(service_, &EngineService::loadFailed, this, [this](const QString&, const Error& error) {
        load_bar_->hide();
        load_cancel_->hide();
        message_->setFullText(error.code == ErrorCode::Cancelled ? tr("Loading was cancelled")
                                                                 : QString::fromStdString(error.message));
    });
    connect(service_, &EngineService::retargetFailed, this,
            [this](RunId, const Error& error) { message_->setFullText(formatError(error)); });
    connect(service_, &EngineService::runStarted, this, [this] { message_->setFullText(tr("Running")); });
    connect(service_, &EngineService::runFinished, this, [this](RunId, const RunEnd& end) {
        message_->setFullText(
            end.cancelled ? tr("Stopped")
                          : tr("Done. Keys and values: %1").arg(formatBytes(static_cast<std::uint64_t>(end.kv_bytes))));
    });
    connect(service_, &EngineService::runFailed, this,
            [this](RunId, const Error& error) { message_->setFullText(QString::fromStdString(error.message)); });
    connect(service_, &EngineService::measureStarted, this, &MainWindow::showLatencyStatus);
    connect(service_, &EngineService::measureProgress, this, [this](const LoadProgress& progress) {
        if (progress.total == 0) return;
        latency_->setFullText(tr("Measuring latency: %1 %").arg(100 * progress.done / progress.total));
    });
    connect(service_, &EngineService::measureEnded, this, [this](const std::optional<Error>& error) {
        showLatencyStatus();
        if (error && error->code != ErrorCode::Cancelled) message_->setFullText(formatError(*error));
    });
}

void MainWindow::showModel(const ModelInfoPtr& model)
{
    load_bar_->hide();
    load_cancel_->hide();
    setWindowTitle(tr("%1 – Flextron Explorer").arg(model->name));
    message_->setFullText(tr("Ready. F5 runs; or drag the latency slider."));
    const Device& device = model->device;
    const QString name = QString::fromStdString(device.name);
    device_->setFullText(device.fallback_reason.empty()
                             ? name
                             : tr("%1 (%2)").arg(name, QString::fromStdString(device.fallback_reason)));
    beginFirstStart(*model);
    sampling_->maxTokens()->setMaximum(std::max(1, model->config().max_position_embeddings));
    showLatencyStatus();
    updateActions();
    if (measure_in_background_ && !model->latency) service_->measureWhenIdle();
}

void MainWindow::showLatencyStatus()
{
    const ModelInfoPtr& model = service_->model();
    if (service_->measuring()) latency_->setFullText(tr("Measuring latency…"));
    else if (!model) latency_->setFullText({});
    else latency_->setFullText(tableText(*model));
}

QString MainWindow::tableText(const ModelInfo& model)
{
    if (!model.latency) return tr("Shares are of FLOPs: %1").arg(model.latency_problem);
    if (model.latency->noise <= kRoughNoise) return tr("Latency table of this device");
    return tr("Rough latency table: the machine was busy (± %1 %)")
        .arg(QLocale().toString(100 * model.latency->noise, 'f', 0));
}

void MainWindow::showModels(const std::vector<ModelListEntry>& models)
{
    models_ = models;
    recent_menu_->clear();
    bundled_menu_->clear();
    for (const ModelListEntry& entry : models_) {
        QAction* action = (entry.bundled ? bundled_menu_ : recent_menu_)->addAction(entry.name);
        action->setToolTip(entry.folder);
        action->setStatusTip(entry.folder);
        connect(action, &QAction::triggered, this, [this, folder = entry.folder] { openModel(folder); });
    }
    recent_menu_->setEnabled(!recent_menu_->isEmpty());
    bundled_menu_->setEnabled(!bundled_menu_->isEmpty());
}

void MainWindow::applyInputs()
{
    RunInputs inputs;
    inputs.prompt = prompt_->prompt();
    sampling_->apply(inputs);
    comparison_->setInputs(inputs);
}

void MainWindow::chooseFolder()
{
    askForFile(this, {FileQuestion::Kind::Folder, tr("Open a model folder"), {}, {}, {}},
               [this](const QString& folder) { openModel(folder); });
}

void MainWindow::chooseText()
{
    askForFile(this, {FileQuestion::Kind::Open, tr("Open a text"), tr("Texts (*.txt *.md);;All files (*)"), {}, {}},
               [this](const QString& file) { openText(file); });
}

void MainWindow::openText(const QString& file)
{
    constexpr std::uint64_t kMostBytes = 4u << 20;
    const auto text = readFile(file.toStdString(), kMostBytes);
    if (!text.ok()) {
        message_->setFullText(formatError(text.error()));
        return;
    }
    prompt_->setPrompt(QString::fromUtf8(text->data(), static_cast<qsizetype>(text->size())));
    message_->setFullText(tr("%1: Shift+F5 reads it").arg(QFileInfo(file).fileName()));
}

PaneView* MainWindow::paneView(PaneSlot slot) const
{
    return pane_area_->view(slot);
}

void MainWindow::readSettings()
{
    QSettings settings = userSettings();
    readKeys(this, settings);
    if (settings.value(QStringLiteral("version")).toInt() != kSettingsVersion) return;
    first_start_ = false;
    hints_->setNext(settings.value(QStringLiteral("hints")).toInt());
    readLayouts(settings);
    restoreGeometry(settings.value(QStringLiteral("geometry")).toByteArray());
    restoreState(settings.value(QStringLiteral("windowState")).toByteArray(), kSettingsVersion);
    ComparisonState state = comparison_->state();
    SamplerSettings& sampler = state.inputs.sampler;
    sampler.seed = settings.value(QStringLiteral("seed"), 42).toULongLong();
    sampler.temperature = settings.value(QStringLiteral("temperature"), 0.0).toDouble();
    sampler.top_k = settings.value(QStringLiteral("topK"), 0).toInt();
    sampler.top_p = settings.value(QStringLiteral("topP"), 1.0).toDouble();
    sampler.min_p = settings.value(QStringLiteral("minP"), 0.0).toDouble();
    sampler.repeat_penalty = settings.value(QStringLiteral("repeatPenalty"), 1.0).toDouble();
    state.inputs.max_tokens = settings.value(QStringLiteral("maxTokens"), state.inputs.max_tokens).toInt();
    state.inputs.stop_text = settings.value(QStringLiteral("stopText")).toString();
    if (validateSampler(sampler).ok() && state.inputs.max_tokens > 0) comparison_->restore(state);
}

void MainWindow::writeSettings() const
{
    QSettings settings = userSettings();
    settings.setValue(QStringLiteral("version"), kSettingsVersion);
    writeKeys(this, settings);
    writeLayouts(settings);
    settings.setValue(QStringLiteral("hints"), hints_->next());
    if (layout_ != Layout::Teach) { // full screen with large letters is no way to start
        settings.setValue(QStringLiteral("geometry"), saveGeometry());
        settings.setValue(QStringLiteral("windowState"), saveState(kSettingsVersion));
    }
    const RunInputs& inputs = comparison_->inputs();
    settings.setValue(QStringLiteral("seed"), static_cast<qulonglong>(inputs.sampler.seed));
    settings.setValue(QStringLiteral("temperature"), inputs.sampler.temperature);
    settings.setValue(QStringLiteral("topK"), inputs.sampler.top_k);
    settings.setValue(QStringLiteral("topP"), inputs.sampler.top_p);
    settings.setValue(QStringLiteral("minP"), inputs.sampler.min_p);
    settings.setValue(QStringLiteral("repeatPenalty"), inputs.sampler.repeat_penalty);
    settings.setValue(QStringLiteral("maxTokens"), inputs.max_tokens);
    settings.setValue(QStringLiteral("stopText"), inputs.stop_text);
}

void MainWindow::closeEvent(QCloseEvent* event)
{
    writeSettings();
    if (recovery_ != nullptr) recovery_->close();
    comparison_->stop();
    service_->cancelLoad();
    service_->cancelMeasure();
    QMainWindow::closeEvent(event);
}

void MainWindow::changeEvent(QEvent* event)
{
    QMainWindow::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && run_action_ != nullptr) updateIcons();
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event)
{
    if (!droppedFile(event->mimeData()).isEmpty()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event)
{
    const QString file = droppedFile(event->mimeData());
    if (file.isEmpty()) return;
    event->acceptProposedAction();
    files_->openFile(file);
}

void MainWindow::keepRecovery()
{
    recovery_ = new Recovery([this] { return files_->current(); }, this);
    if (!recovery_->found()) return;
    notice_->ask(tr("The program was not closed properly the last time. What stood in the window then was kept."),
                 tr("Restore"), [this] { files_->apply(*recovery_->found()); });
}

void MainWindow::showMessage(const QString& text)
{
    message_->setFullText(text);
}

} // namespace flextron::ui
