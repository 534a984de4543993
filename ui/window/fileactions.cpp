#include "ui/window/fileactions.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QFileInfo>
#include <QMenu>
#include <QPointer>

#include "engine/base/files.h"
#include "ui/compare/commandline.h"
#include "ui/compare/promptpanel.h"
#include "ui/figures/figuredialog.h"
#include "ui/figures/figures.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/jobs/corpusview.h"
#include "ui/jobs/jobviews.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/elsewhere.h"
#include "ui/parts/noticebar.h"
#include "ui/window/exportdata.h"
#include "ui/window/history.h"
#include "ui/window/mainwindow.h"
#include "ui/window/notespanel.h"
#include "ui/window/panesources.h"

namespace flextron::ui {

namespace {

constexpr std::array kPaces{std::pair(Pace::Mode::Off, "off"), std::pair(Pace::Mode::Real, "real"),
                            std::pair(Pace::Mode::Slow10, "slow10"), std::pair(Pace::Mode::Slow50, "slow50"),
                            std::pair(Pace::Mode::Step, "step")};

} // namespace

FileActions::FileActions(MainWindow* window) : QObject(window), window_(window)
{
    makeActions();
    EngineService* service = window_->service();
    // Queued: the views have taken the model in by then.
    connect(service, &EngineService::modelLoaded, this, &FileActions::applyPending, Qt::QueuedConnection);
    connect(service, &EngineService::loadFailed, this, [this](const QString&, const Error& error) {
        if (!std::exchange(pending_, std::nullopt) || error.code == ErrorCode::Cancelled) return;
        failed(tr("The session's model could not be opened; its prompt and notes are here."), error);
    });
}

void FileActions::makeActions()
{
    const QString session_filter = tr("Sessions (*.flextron)");
    const QString trace_filter = tr("Traces (*.safetensors)");
    open_session_ = window_->makeAction("openSession", tr("Open &Session…"), Qt::CTRL | Qt::ALT | Qt::Key_O,
                                        tr("Put everything where it was when a session was saved"));
    save_session_ = window_->makeAction("saveSession", tr("&Save Session"), QKeySequence::Save,
                                        tr("Keep prompt, targets, panes, settings, layout and notes in a file"));
    save_session_as_ = window_->makeAction("saveSessionAs", tr("Save Session &As…"), QKeySequence::SaveAs,
                                           tr("Keep the session in another file"));
    open_trace_ = window_->makeAction("openTrace", tr("Open Tra&ce…"), {},
                                      tr("Look at what a run recorded; no model is needed"));
    save_trace_ = window_->makeAction("saveTrace", tr("Save &Trace…"), {},
                                      tr("Keep every token's record of all panes in a file"));
    export_texts_ = window_->makeAction("exportTexts", tr("Export Te&xts…"), {},
                                        tr("Keep what all panes wrote as text"));
    export_report_ = window_->makeAction("exportReport", tr("Export &Report…"), {},
                                         tr("Keep all panes as an interactive page that any browser opens, without "
                                            "the program, the model or a network"));
    export_figure_ = window_->makeAction("exportFigure", tr("Export &Figure…"), Qt::CTRL | Qt::ALT | Qt::Key_F,
                                         tr("A view for print: SVG, PDF or PNG, with the numbers behind it"));
    export_window_ = window_->makeAction("exportWindow", tr("Export &Window as Picture…"), {},
                                         tr("Keep the window as it is as a PNG"));
    copy_command_ = window_->makeAction("copyCommand", tr("Copy as Command &Line"), Qt::CTRL | Qt::ALT | Qt::Key_C,
                                        tr("A command for the terminal that writes the selected pane's text again"));
    connect(open_session_, &QAction::triggered, this, [=, this] {
        choose(open_session_->text(), session_filter, {}, false, [this](const QString& file) { openSession(file); });
    });
    connect(save_session_as_, &QAction::triggered, this, [=, this] {
        choose(save_session_as_->text(), session_filter, QStringLiteral("flextron"), true,
               [this](const QString& file) { saveSession(file); });
    });
    connect(save_session_, &QAction::triggered, this, [this] {
        if (session_file_.isEmpty()) save_session_as_->trigger();
        else saveSession(session_file_);
    });
    connect(open_trace_, &QAction::triggered, this, [=, this] {
        choose(open_trace_->text(), trace_filter, {}, false, [this](const QString& file) { openTraces(file); });
    });
    connect(save_trace_, &QAction::triggered, this, [=, this] {
        choose(save_trace_->text(), trace_filter, QStringLiteral("safetensors"), true,
               [this](const QString& file) { saveTraces(file); });
    });
    connect(export_texts_, &QAction::triggered, this, [this] {
        choose(export_texts_->text(), tr("Texts (*.txt *.md)"), QStringLiteral("txt"), true,
               [this](const QString& file) { exportTexts(file); });
    });
    connect(export_report_, &QAction::triggered, this, [this] {
        choose(export_report_->text(), tr("Pages (*.html)"), QStringLiteral("html"), true,
               [this](const QString& file) { exportReport(file); });
    });
    connect(export_figure_, &QAction::triggered, this, &FileActions::showFigures);
    connect(export_window_, &QAction::triggered, this, [this] {
        choose(export_window_->text(), tr("Pictures (*.png)"), QStringLiteral("png"), true,
               [this](const QString& file) {
                   finish(tr("The picture could not be written."), tr("Written: %1").arg(file),
                          writePicture(window_, file));
               });
    });
    connect(copy_command_, &QAction::triggered, this, &FileActions::copyCommand);
}

void FileActions::addTo(QMenu* file, QMenu* edit)
{
    file->addActions({open_session_, save_session_, save_session_as_});
    file->addSeparator();
    file->addActions({open_trace_, save_trace_});
    file->addSeparator();
    file->addActions({export_report_, export_figure_, export_texts_, export_window_});
    edit->addAction(copy_command_);
}

void FileActions::update()
{
    const bool texts = window_->comparison()->pane(PaneSlot::Live).hasText() ||
                       window_->comparison()->pane(PaneSlot::Full).hasText();
    const bool still = texts && !window_->service()->running();
    for (QAction* action : {save_trace_, export_texts_, export_report_, copy_command_}) action->setEnabled(still);
}

void FileActions::choose(const QString& title, const QString& filter, const QString& ending, bool save,
                         const std::function<void(const QString&)>& chosen)
{
    const auto kind = save ? FileQuestion::Kind::Save : FileQuestion::Kind::Open;
    askForFile(window_, {kind, title, filter, {}, ending}, chosen);
}

void FileActions::failed(const QString& title, const Error& error)
{
    window_->noticeBar()->showError(title, error);
    emit done(false);
}

void FileActions::finish(const QString& title, const QString& success, const Result<void>& result)
{
    if (!result.ok()) {
        failed(title, result.error());
        return;
    }
    window_->showMessage(success);
    emit done(true);
}

Session FileActions::current() const
{
    const Comparison* comparison = window_->comparison();
    Session session;
    if (const ModelInfoPtr& model = window_->service()->model()) {
        session.model_name = model->name;
        session.model_folder = QString::fromStdString(model->checkpoint->folder().string());
    }
    session.prompt = window_->promptPanel()->prompt();
    session.settings = comparison->inputs();
    session.ran = comparison->pane(PaneSlot::Live).complete() && !comparison->pane(PaneSlot::Live).kept;
    session.live = saveChoice(comparison->choice(PaneSlot::Live));
    for (const Pin& pin : comparison->pins())
        session.pins.push_back({pin.slot, pin.name, saveChoice(pin.choice), pin.branch});
    session.selection = window_->selection()->state();
    for (const auto& [mode, name] : kPaces) {
        if (mode == window_->pace()->mode()) session.pace = QLatin1String(name);
    }
    session.notes = window_->notes()->notes();
    session.corpus_report = window_->jobs()->corpus()->kept();
    session.geometry = window_->saveGeometry();
    session.layout = window_->saveState(Session::kFormatVersion);
    for (const QComboBox* box : window_->findChildren<QComboBox*>()) {
        if (!box->objectName().isEmpty()) session.boxes[box->objectName()] = box->currentIndex();
    }
    return session;
}

void FileActions::apply(const Session& session)
{
    window_->promptPanel()->setPrompt(session.prompt);
    window_->notes()->setNotes(session.notes);
    window_->jobs()->corpus()->restore(session.corpus_report);
    pending_ = session;
    EngineService* service = window_->service();
    // A session that names no folder means the bundled model of that name, wherever it lies.
    const bool open = service->model() && !service->loading() &&
                      (session.model_folder.isEmpty()
                           ? service->model()->name == session.model_name
                           : QString::fromStdString(service->model()->checkpoint->folder().string()) ==
                                 session.model_folder);
    if (open) applyPending();
    else
        service->load(!session.model_folder.isEmpty() && QFileInfo(session.model_folder).isDir() ? session.model_folder
                                                                                                 : session.model_name);
}

void FileActions::applyPending()
{
    if (!pending_ || !window_->service()->model()) return;
    const Session session = *std::exchange(pending_, std::nullopt);
    Comparison* comparison = window_->comparison();
    const ModelConfig& config = window_->service()->model()->config();
    std::vector<std::pair<Pin, QString>> others; // that run something else than the open model
    const auto state = guarded([&] {
        ComparisonState value{session.settings, openChoice(session.live, config).orThrow(), {}};
        for (const SavedPin& pin : session.pins) {
            Pin opened{pin.slot, pin.name, openChoice(pin.choice, config).orThrow(), pin.branch};
            if (pin.choice.source.isEmpty()) value.pins.push_back(std::move(opened));
            else others.emplace_back(std::move(opened), pin.choice.source);
        }
        return value;
    });
    if (!state.ok()) {
        failed(tr("The session does not fit its model, which may have changed; its prompt and notes are here."),
               state.error());
        return;
    }
    comparison->stop();
    comparison->clear(); // what stands there is not the session's, and must not start with its targets
    comparison->setMode(session.settings.mode);
    comparison->restore(*state);
    if (!session.geometry.isEmpty()) window_->restoreGeometry(session.geometry);
    if (!session.layout.isEmpty()) window_->restoreState(session.layout, Session::kFormatVersion);
    else if (!session.notes.isEmpty()) window_->showNotes();
    for (QComboBox* box : window_->findChildren<QComboBox*>()) {
        const auto saved = session.boxes.find(box->objectName());
        if (!box->objectName().isEmpty() && saved != session.boxes.end() && saved->second < box->count())
            box->setCurrentIndex(saved->second);
    }
    for (const auto& [mode, name] : kPaces) {
        if (session.pace == QLatin1String(name)) window_->pace()->setMode(mode);
    }
    window_->history()->restart();
    if (session.ran && session.settings.mode == RunMode::Read) comparison->read();
    else if (session.ran) comparison->run();
    for (const auto& [pin, source] : others) window_->paneSources()->reopen(pin, source);
    const SelectionState& selected = session.selection;
    if (selected.primary >= 0) window_->selection()->selectToken(selected.pane, selected.primary, selected.layer);
    else window_->selection()->clear();
    window_->showMessage(tr("The session is open"));
    emit done(true);
}

void FileActions::openSession(const QString& file)
{
    const auto session = readSession(file);
    if (!session.ok()) {
        failed(tr("The session could not be opened; nothing has changed."), session.error());
        return;
    }
    session_file_ = file;
    apply(*session);
}

void FileActions::openLesson(const QString& file)
{
    openSession(file);
    if (session_file_ == file) session_file_.clear();
}

void FileActions::saveSession(const QString& file)
{
    elsewhere(
        this, [file, session = current()] { return writeSession(file, session); },
        [this, file](const Result<void>& result) {
            if (result.ok()) session_file_ = file;
            finish(tr("The session could not be saved."), tr("Saved: %1").arg(file), result);
        });
}

void FileActions::openTraces(const QString& file)
{
    elsewhere(
        this, [file] { return readTraces(file.toStdString()); },
        [this, file](const Result<std::vector<Trace>>& traces) {
            if (!traces.ok()) {
                failed(tr("The trace could not be opened; nothing has changed."), traces.error());
                return;
            }
            window_->comparison()->showTraces(*traces);
            window_->showMessage(tr("%1: records of a run that is over").arg(QFileInfo(file).fileName()));
            emit done(true);
        });
}

void FileActions::saveTraces(const QString& file)
{
    elsewhere(
        this, [file, traces = window_->comparison()->traces()] { return writeTraces(file.toStdString(), traces); },
        [this, file](const Result<void>& result) {
            finish(tr("The trace could not be saved."), tr("Saved: %1").arg(file), result);
        });
}

void FileActions::exportTexts(const QString& file)
{
    QString text;
    for (const PaneSlot slot : window_->comparison()->order()) {
        const PaneData& pane = window_->comparison()->pane(slot);
        if (!pane.hasText()) continue;
        text += QStringLiteral("## %1\n\n").arg(window_->comparison()->paneName(slot));
        for (const QString& piece : pane.pieces) text += piece;
        text += QStringLiteral("\n\n");
    }
    elsewhere(
        this, [file, text] { return writeFile(file.toStdString(), text.toStdString()); },
        [this, file](const Result<void>& result) {
            finish(tr("The texts could not be written."), tr("Written: %1").arg(file), result);
        });
}

void FileActions::exportReport(const QString& file)
{
    const ModelInfoPtr model = window_->service()->model();
    elsewhere(
        this,
        [file, model,
         report = reportOf(*window_->comparison(), *window_->inspection()->baseline(), *this, model)]() mutable {
            addModel(report, model);
            return writeReport(file.toStdString(), report);
        },
        [this, file](const Result<void>& result) {
            finish(tr("The report could not be written."), tr("Written: %1").arg(file), result);
        });
}

void FileActions::openFile(const QString& file)
{
    const QFileInfo info(file);
    if (info.isDir()) window_->openModel(file);
    else if (info.suffix() == QLatin1String("flextron")) openSession(file);
    else if (info.suffix() == QLatin1String("txt") || info.suffix() == QLatin1String("md")) window_->openText(file);
    else if (info.suffix() == QLatin1String("safetensors") && !QFileInfo::exists(info.absolutePath() + "/config.json"))
        openTraces(file);
    else if (QFileInfo::exists(info.absolutePath() + "/config.json")) window_->openModel(info.absolutePath());
    else
        failed(tr("%1 could not be opened; nothing has changed.").arg(info.fileName()),
               {ErrorCode::Unsupported, file.toStdString() + ": no session, trace, text or file of a model",
                tr("Open a model's folder, a session (.flextron), a trace (.safetensors) or a text (.txt, .md).")
                    .toStdString()});
}

QString FileActions::commandOf(PaneSlot slot) const
{
    const PaneData& pane = window_->comparison()->pane(slot);
    const ModelInfoPtr& model = window_->service()->model();
    return model && !pane.kept && !pane.retargeted ? paneCommand(pane, *model) : QString();
}

void FileActions::copyCommand()
{
    const PaneSlot slot = window_->selection()->state().primary >= 0 ? window_->selection()->state().pane
                                                                     : PaneSlot::Live;
    const QString command = commandOf(slot);
    if (command.isEmpty()) {
        window_->showMessage(tr("This text cannot be written again by one command: its target was changed while it was "
                                "written, or it comes from a file. Run it again first."));
        return;
    }
    QApplication::clipboard()->setText(command);
    window_->showMessage(tr("Copied: %1").arg(command));
}

void FileActions::showFigures()
{
    FigureSource source = figureSourceOf(*window_);
    const QList<QCustomPlot*> plots = visiblePlots(window_);
    if (source.traces.empty() && plots.isEmpty()) {
        window_->showMessage(tr("There is nothing to draw yet. Run first (F5)."));
        return;
    }
    QJsonObject origin;
    if (!source.traces.empty()) {
        const PaneSlot slot = window_->comparison()->pane(window_->selection()->state().pane).hasText()
                                  ? window_->selection()->state().pane
                                  : PaneSlot::Live;
        origin = figureOrigin(source, commandOf(slot));
    }
    auto* dialog = new FigureDialog(std::move(source), plots, origin, window_);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] {
        if (!dialog->figure()) return;
        choose(tr("Export a figure"), tr("Figures (*.%1)").arg(dialog->ending()), dialog->ending(), true,
               [this, figure = *dialog->figure(), width = dialog->widthMm(), data = dialog->withData(),
                origin = dialog->origin()](const QString& file) {
                   exportFigure(figure, {file, width, data}, origin);
               });
    });
    dialog->open();
}

void FileActions::exportFigure(const Figure& figure, const FigureFile& file, const QJsonObject& origin)
{
    elsewhere(
        this, [figure, file, origin] { return writeFigureFiles(figure, file, origin); },
        [this](const Result<QStringList>& files) {
            if (!files.ok()) failed(tr("The figure could not be written."), files.error());
            else finish({}, tr("Written: %1").arg(files->join(QStringLiteral(", "))), {});
        });
}

} // namespace flextron::ui
