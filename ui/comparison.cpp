#include "ui/comparison.h"

#include <algorithm>
#include <utility>

namespace flextron::ui {

namespace {
constexpr int kPreviewIntervalMs = 60; // long enough for a first token to show on a small model
constexpr int kRetargetIntervalMs = 30;
constexpr std::array kAllSlots{PaneSlot::Full, PaneSlot::Live};
} // namespace

Comparison::Comparison(EngineService* service, QObject* parent)
    : QObject(parent)
    , service_(service)
    , preview_throttle_(kPreviewIntervalMs, [this] { startPreview(); })
    , retarget_throttle_(kRetargetIntervalMs, [this] { service_->retarget(target_); })
{
    target_.routing = Routing::Uniform;
    connect(service_, &EngineService::modelLoaded, this, &Comparison::resetForModel);
    connect(service_, &EngineService::runStarted, this, [this](RunId, const RunStart& start) { onStarted(start); });
    connect(service_, &EngineService::runEvents, this, [this](RunId, const RunBatch& batch) { onEvents(batch); });
    connect(service_, &EngineService::runRetargeted, this, [this](RunId, const PlanInfo& plan) {
        retarget_unanswered_ = false;
        slotData(PaneSlot::Live).plan = plan;
        emit paneChanged(PaneSlot::Live);
    });
    connect(service_, &EngineService::retargetFailed, this, [this] { retarget_unanswered_ = false; });
    connect(service_, &EngineService::runFinished, this,
            [this](RunId, const RunEnd& end) { onEnded(end.cancelled ? PaneState::Stopped : PaneState::Done, {}); });
    connect(service_, &EngineService::runFailed, this,
            [this](RunId, const Error& error) { onEnded(PaneState::Failed, error); });
}

bool Comparison::stale(PaneSlot slot) const
{
    const PaneData& data = pane(slot);
    if (!data.hasText() || data.busy() || data.state == PaneState::Failed) return false;
    return !(data.inputs == inputs_);
}

std::optional<int> Comparison::divergence() const
{
    return divergence_;
}

bool Comparison::canRun() const
{
    return service_->model() && !service_->loading() && !inputs_.prompt.trimmed().isEmpty();
}

void Comparison::setInputs(const RunInputs& inputs)
{
    if (inputs == inputs_) return;
    inputs_ = inputs;
    emit inputsChanged();
    for (const PaneSlot slot : kAllSlots) emit paneChanged(slot);
}

void Comparison::run()
{
    startRun({PaneSlot::Full, PaneSlot::Live}, false);
}

void Comparison::setTarget(const Target& target)
{
    target_ = target;
    emit targetChanged();
}

void Comparison::dragTarget(const Target& target)
{
    setTarget(target);
    if (service_->running() && !running_preview_) retarget_throttle_.trigger();
    else preview_throttle_.trigger();
}

void Comparison::commitTarget(const Target& target)
{
    setTarget(target);
    preview_throttle_.cancel();
    retarget_throttle_.cancel();
    if (service_->running() && !running_preview_) {
        service_->retarget(target_); // the text goes on from here at the new width
        retarget_unanswered_ = true;
        return;
    }
    const PaneData& full = pane(PaneSlot::Full);
    // The full model's text does not depend on the target: written once, it stays.
    if (full.complete() && full.inputs == inputs_) startRun({PaneSlot::Live}, false);
    else startRun({PaneSlot::Full, PaneSlot::Live}, false);
}

void Comparison::stop()
{
    preview_throttle_.cancel();
    retarget_throttle_.cancel();
    service_->stop();
}

void Comparison::startPreview()
{
    startRun({PaneSlot::Live}, true);
}

void Comparison::startRun(std::vector<PaneSlot> which, bool preview)
{
    if (!canRun()) return;
    // Panes of a run that this one replaces and does not write itself stay as they are, unfinished.
    if (service_->running()) onEnded(PaneState::Stopped, {});
    pending_start_.reset();
    retarget_unanswered_ = false;
    running_ = std::move(which);
    running_inputs_ = inputs_;
    running_preview_ = preview;
    RunRequest request{inputs_, running_, target_};
    if (preview) request.inputs.max_tokens = std::min(kPreviewTokens, inputs_.max_tokens);
    service_->run(request);
    for (const PaneSlot slot : running_) {
        slotData(slot).state = PaneState::Waiting;
        emit paneChanged(slot);
    }
}

void Comparison::resetForModel()
{
    running_.clear();
    pending_start_.reset();
    for (const PaneSlot slot : kAllSlots) {
        slotData(slot) = {};
        emit paneReset(slot);
    }
    updateDivergence();
}

void Comparison::onStarted(const RunStart& start)
{
    if (running_preview_) pending_start_ = start;
    else showStart(start);
}

void Comparison::showStart(const RunStart& start)
{
    for (const PaneStart& pane_start : start.panes) {
        PaneData data;
        data.state = PaneState::Reading;
        data.trace = pane_start.trace;
        data.pieces = start.prompt_pieces;
        data.prompt_tokens = static_cast<int>(start.prompt_pieces.size());
        data.plan = pane_start.plan;
        data.inputs = running_inputs_;
        data.preview = running_preview_;
        slotData(pane_start.slot) = std::move(data);
        emit paneReset(pane_start.slot);
    }
    updateDivergence();
}

void Comparison::onEvents(const RunBatch& batch)
{
    if (pending_start_) showStart(*std::exchange(pending_start_, std::nullopt));
    for (const PaneBatch& pane_batch : batch.panes) {
        PaneData& data = slotData(pane_batch.slot);
        auto& records = data.trace.records;
        const auto first = static_cast<std::size_t>(pane_batch.first_record);
        if (first > records.size()) continue; // cannot be: batches of a run come in order
        records.resize(first);
        records.insert(records.end(), pane_batch.records.begin(), pane_batch.records.end());
        data.pieces.resize(records.size());
        for (const TokenText& text : pane_batch.texts) data.pieces[static_cast<std::size_t>(text.record)] += text.text;
        data.timing = pane_batch.timing;
        data.trace.stop_reason = pane_batch.stop_reason;
        if (pane_batch.finished) data.state = PaneState::Done;
        else if (static_cast<int>(records.size()) > data.prompt_tokens) data.state = PaneState::Writing;
        emit paneGrew(pane_batch.slot, pane_batch);
    }
    updateDivergence();
    for (const PaneBatch& pane_batch : batch.panes) emit paneChanged(pane_batch.slot);
}

void Comparison::onEnded(PaneState state, const Error& error)
{
    const std::vector<PaneSlot> ended = std::exchange(running_, {});
    for (const PaneSlot slot : ended) {
        PaneData& data = slotData(slot);
        if (data.state == PaneState::Done) continue; // before the others
        data.state = state;
        data.error = error;
        emit paneChanged(slot);
    }
    if (state == PaneState::Done && std::exchange(retarget_unanswered_, false)) startRun({PaneSlot::Live}, false);
}

void Comparison::updateDivergence()
{
    const PaneData& full = pane(PaneSlot::Full);
    const PaneData& live = pane(PaneSlot::Live);
    std::optional<int> next;
    const auto same_text = [](const RunInputs& a, const RunInputs& b) {
        return a.prompt == b.prompt && a.sampler == b.sampler;
    };
    if (full.hasText() && live.hasText() && same_text(full.inputs, live.inputs)) {
        const int index = firstDivergence(full.trace, live.trace);
        if (index >= 0) next = index;
    }
    if (next == divergence_) return;
    divergence_ = next;
    emit divergenceChanged();
}

} // namespace flextron::ui
