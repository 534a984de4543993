#include "ui/window/panesources.h"

#include <algorithm>

#include <QAction>
#include <QDir>
#include <QFileInfo>
#include <QMenu>

#include "ui/parts/askforfile.h"
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
                    else askForMemory(*estimate);
                })
    , source_(
          window->service(), QStringLiteral("pane source"), this,
          [this](const Result<std::shared_ptr<const PaneSource>>& source) { opened(source); },
          [this](const LoadProgress& progress) { window_->showMessage(progress.stage); })
{
    connect(routers_action_, &QAction::triggered, this, [this] { choose(false, PaneSlot::Live); });
    connect(checkpoint_action_, &QAction::triggered, this, [this] { choose(true, PaneSlot::Live); });
    connect(window->service(), &EngineService::modelLoaded, this, [this] { wanted_.clear(); });
    update();
}

void PaneSources::addTo(QMenu* compare)
{
    compare->addActions({routers_action_, checkpoint_action_});
}

void PaneSources::addTo(QMenu* pane, PaneSlot slot)
{
    const auto add = [&](const QAction* listed, const QString& text, bool folder) {
        QAction* action = pane->addAction(text);
        action->setToolTip(listed->toolTip());
        connect(action, &QAction::triggered, this, [this, folder, slot] { choose(folder, slot); });
        pane_actions_ << action;
    };
    // (At full width there is nothing for routers to choose.)
    if (slot != PaneSlot::Full) add(routers_action_, tr("The Same with Other R&outers…"), false);
    add(checkpoint_action_, tr("The Same with Another &Checkpoint…"), true);
    update();
}

void PaneSources::update()
{
    const bool room = window_->service()->model() && window_->comparison()->canAddPin();
    for (QAction* action : {routers_action_, checkpoint_action_}) action->setEnabled(room);
    for (QAction* action : pane_actions_) action->setEnabled(room);
}

void PaneSources::choose(bool folder, PaneSlot like)
{
    FileQuestion question;
    question.kind = folder ? FileQuestion::Kind::Folder : FileQuestion::Kind::Open;
    question.title = folder ? tr("A checkpoint for a pane") : tr("Routers for a pane");
    if (!folder) question.filter = tr("Routers (*.safetensors)");
    askForFile(window_, question, [this, like](const QString& file) { open(file, like); });
}

void PaneSources::open(const QString& file, PaneSlot like)
{
    const Wanted wanted{file, like, std::nullopt};
    if (!QFileInfo(file).isDir()) {
        want(wanted);
        return;
    }
    estimated_ = wanted;
    estimate_.ask(
        [file](const auto& model, const ProgressFn&, const CancelToken&) { return estimateSource(*model, file); });
}

void PaneSources::askForMemory(const SourceEstimate& estimate)
{
    const QString name = QFileInfo(estimated_.file).fileName();
    const QString text = estimate.bytes > estimate.available
                             ? tr("%1 takes %2 of memory beside the open model, and only %3 are free.")
                             : tr("%1 takes %2 of memory beside the open model; %3 are free.");
    window_->noticeBar()->ask(text.arg(name, formatBytes(estimate.bytes), formatBytes(estimate.available)),
                              tr("Open as Pane"), [this, wanted = estimated_] { want(wanted); });
}

void PaneSources::reopen(const Pin& pin, const QString& file)
{
    want({file, pin.slot, pin});
}

void PaneSources::want(const Wanted& wanted)
{
    wanted_.push_back(wanted);
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
    if (!source.ok()) failed(source.error());
    else add(wanted, *source);
    next();
}

void PaneSources::add(const Wanted& wanted, const std::shared_ptr<const PaneSource>& source)
{
    Comparison* comparison = window_->comparison();
    if (wanted.pin) {
        Pin pin = *wanted.pin;
        pin.choice.source = source;
        comparison->putPin(std::move(pin));
        return;
    }
    const QFileInfo file(wanted.file);
    // A routers file is called the same everywhere: its folder tells the run.
    const QString name = source->shares_weights ? file.dir().dirName() : file.fileName();
    // (A pin whose menu was used may be gone by now.)
    if (wanted.like == PaneSlot::Live || !comparison->present(wanted.like)) {
        if (const auto slot = comparison->addPane(source)) comparison->renamePin(*slot, name);
        return;
    }
    const auto& pins = comparison->pins();
    const auto pinAt = [&pins](PaneSlot slot) {
        return std::find_if(pins.begin(), pins.end(), [slot](const Pin& pin) { return pin.slot == slot; });
    };
    const auto free = std::find_if(kPinSlots.begin(), kPinSlots.end(),
                                   [&](PaneSlot slot) { return pinAt(slot) == pins.end(); });
    if (free == kPinSlots.end()) {
        window_->showMessage(tr("All places for panes are taken: remove one first."));
        return;
    }
    const auto like = pinAt(wanted.like);
    comparison->putPin({*free, name, choiceWith(comparison->choice(wanted.like), source),
                        like == pins.end() ? std::vector<TokenId>{} : like->branch});
}

void PaneSources::failed(const Error& error)
{
    window_->noticeBar()->showError(tr("The pane could not be opened; nothing has changed."), error);
    emit settled(false);
}

} // namespace flextron::ui
