#include "ui/window/panesources.h"

#include <QAction>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>

#include "ui/parts/format.h"
#include "ui/parts/noticebar.h"
#include "ui/window/mainwindow.h"

namespace flextron::ui {

PaneSources::PaneSources(MainWindow* window)
    : QObject(window)
    , window_(window)
    , routers_action_(window->makeAction("paneRouters", tr("Pane with Other &Routers…"), {},
                                         tr("A pane over the same weights with the routers of another run")))
    , checkpoint_action_(window->makeAction("paneCheckpoint", tr("Pane with Another &Checkpoint…"), {},
                                            tr("A pane with other weights of the same shape: before a conversion and "
                                               "after it, for example")))
    , estimate_(window->service(), QStringLiteral("pane memory"), this,
                [this](const Result<SourceEstimate>& estimate) {
                    if (!estimate.ok()) failed(estimate.error());
                    else askForMemory(estimated_, *estimate);
                })
    , source_(
          window->service(), QStringLiteral("pane source"), this,
          [this](const Result<std::shared_ptr<const PaneSource>>& source) { opened(source); },
          [this](const LoadProgress& progress) { window_->showMessage(progress.stage); })
{
    connect(routers_action_, &QAction::triggered, this, [this] { choose(false); });
    connect(checkpoint_action_, &QAction::triggered, this, [this] { choose(true); });
    connect(window->service(), &EngineService::modelLoaded, this, [this] { wanted_.clear(); });
    update();
}

void PaneSources::addTo(QMenu* compare)
{
    compare->addActions({routers_action_, checkpoint_action_});
}

void PaneSources::update()
{
    const bool room = window_->service()->model() && window_->comparison()->canAddPin();
    for (QAction* action : {routers_action_, checkpoint_action_}) action->setEnabled(room);
}

void PaneSources::choose(bool folder)
{
    auto* dialog = new QFileDialog(window_, folder ? tr("A checkpoint for a pane") : tr("Routers for a pane"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(folder ? QFileDialog::Directory : QFileDialog::ExistingFile);
    if (!folder) dialog->setNameFilter(tr("Routers (*.safetensors)"));
    connect(dialog, &QFileDialog::fileSelected, this, &PaneSources::open);
    dialog->open();
}

void PaneSources::open(const QString& file)
{
    if (!QFileInfo(file).isDir()) {
        wanted_.push_back({file, std::nullopt});
        if (wanted_.size() == 1) next();
        return;
    }
    estimated_ = file;
    estimate_.ask(
        [file](const auto& model, const ProgressFn&, const CancelToken&) { return estimateSource(*model, file); });
}

void PaneSources::askForMemory(const QString& folder, const SourceEstimate& estimate)
{
    const QString name = QFileInfo(folder).fileName();
    const QString text = estimate.bytes > estimate.available
                             ? tr("%1 takes %2 of memory beside the open model, and only %3 are free.")
                             : tr("%1 takes %2 of memory beside the open model; %3 are free.");
    window_->noticeBar()->ask(text.arg(name, formatBytes(estimate.bytes), formatBytes(estimate.available)),
                              tr("Open as Pane"), [this, folder] {
                                  wanted_.push_back({folder, std::nullopt});
                                  if (wanted_.size() == 1) next();
                              });
}

void PaneSources::reopen(const Pin& pin, const QString& file)
{
    wanted_.push_back({file, pin});
    if (wanted_.size() == 1) next();
}

void PaneSources::next()
{
    if (wanted_.empty()) {
        emit settled(true);
        return;
    }
    source_.ask(
        [file = wanted_.front().file](const auto& model, const ProgressFn& progress, const CancelToken& cancel) {
            return openSource(model, file, progress, cancel);
        });
}

void PaneSources::opened(const Result<std::shared_ptr<const PaneSource>>& source)
{
    if (wanted_.empty()) return;
    const Wanted wanted = wanted_.front();
    wanted_.pop_front();
    if (!source.ok()) {
        failed(source.error());
    } else if (wanted.pin) {
        Pin pin = *wanted.pin;
        pin.choice.source = *source;
        window_->comparison()->putPin(std::move(pin));
    } else {
        const auto slot = window_->comparison()->addPane(*source);
        const QFileInfo file(wanted.file);
        // A routers file is called the same everywhere: its folder tells the run.
        if (slot)
            window_->comparison()->renamePin(*slot, (*source)->shares_weights ? file.dir().dirName() : file.fileName());
    }
    next();
}

void PaneSources::failed(const Error& error)
{
    window_->noticeBar()->showError(tr("The pane could not be opened; nothing has changed."), error);
    emit settled(false);
}

} // namespace flextron::ui
