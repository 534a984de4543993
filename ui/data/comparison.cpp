#include "ui/data/comparison.h"

#include <algorithm>
#include <utility>

#include "ui/data/panemath.h"

namespace flextron::ui {

namespace {
constexpr int kPreviewIntervalMs = 60; // long enough for a first token to show on a small model
constexpr int kRetargetIntervalMs = 30;

/// Texts from the same prompt and the same noise: fit to be compared token by token.
bool sameBeginning(const RunInputs& a, const RunInputs& b)
{
    return a.prompt == b.prompt && a.sampler == b.sampler && a.mode == b.mode;
}
} // namespace

bool operator==(const ComparisonState& a, const ComparisonState& b)
{
    return a.inputs == b.inputs && sameChoice(a.live, b.live) &&
           std::equal(a.pins.begin(), a.pins.end(), b.pins.begin(), b.pins.end(), [](const Pin& x, const Pin& y) {
               return x.slot == y.slot && x.name == y.name && x.branch == y.branch && sameChoice(x.choice, y.choice);
           });
}

Comparison::Comparison(EngineService* service, QObject* parent)
    : QObject(parent)
    , service_(service)
    , preview_throttle_(kPreviewIntervalMs, [this] { startPreview(); })
    , retarget_throttle_(kRetargetIntervalMs, [this] { service_->retarget(choice(PaneSlot::Live)); })
{
    target_.routing = Routing::Uniform;
    makeInquiries();
    connect(service_, &EngineService::modelLoaded, this, &Comparison::clear);
    connect(service_, &EngineService::runStarted, this, [this](RunId, const RunStart& start) { onStarted(start); });
    connect(service_, &EngineService::runEvents, this, [this](RunId, const RunBatch& batch) { onEvents(batch); });
    connect(service_, &EngineService::runRetargeted, this, [this](RunId, const PlanInfo& plan) {
        retarget_unanswered_ = false;
        slotData(PaneSlot::Live).plan = plan;
        slotData(PaneSlot::Live).choice = choice(PaneSlot::Live);
        slotData(PaneSlot::Live).retargeted = true;
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
    if (!data.hasText() || data.busy() || data.kept || data.state == PaneState::Failed) return false;
    return !(data.inputs == inputs_);
}

const Pin* Comparison::pin(PaneSlot slot) const
{
    const auto found = std::find_if(pins_.begin(), pins_.end(), [slot](const Pin& pin) { return pin.slot == slot; });
    return found == pins_.end() ? nullptr : &*found;
}

std::vector<PaneSlot> Comparison::order() const
{
    std::vector<PaneSlot> order{PaneSlot::Full};
    for (const Pin& pin : pins_) order.push_back(pin.slot);
    order.push_back(PaneSlot::Live);
    return order;
}

bool Comparison::present(PaneSlot slot) const
{
    return slot == PaneSlot::Full || slot == PaneSlot::Live || pin(slot) != nullptr;
}

QString Comparison::paneName(PaneSlot slot) const
{
    if (slot == PaneSlot::Full) return tr("Full model");
    if (slot == PaneSlot::Live) return tr("Live");
    const Pin* found = pin(slot);
    return found != nullptr ? found->name : QString();
}

PaneChoice Comparison::choice(PaneSlot slot) const
{
    if (slot == PaneSlot::Live) return {target_, overrides_};
    const Pin* found = pin(slot);
    if (found != nullptr) return found->choice;
    PaneChoice full;
    full.target.routing = Routing::Uniform;
    return full;
}

std::optional<int> Comparison::splitRecord(PaneSlot slot) const
{
    return splits_[static_cast<std::size_t>(slot)];
}

std::optional<int> Comparison::divergence(PaneSlot slot) const
{
    const auto record = splitRecord(slot);
    return record ? std::optional(*record - pane(PaneSlot::Full).prompt_tokens) : std::nullopt;
}

bool Comparison::canRun() const
{
    return service_->model() && !service_->loading() && !inputs_.prompt.trimmed().isEmpty();
}

void Comparison::setInputs(const RunInputs& inputs)
{
    RunInputs next = inputs;
    next.mode = inputs_.mode;
    if (next == inputs_) return;
    const bool settings = next.prompt == inputs_.prompt;
    inputs_ = std::move(next);
    emit inputsChanged();
    for (const PaneSlot slot : order()) emit paneChanged(slot);
    if (settings) emit changed(tr("sampling settings"), QStringLiteral("settings"));
}

void Comparison::run()
{
    dropKept();
    inputs_.mode = RunMode::Write;
    startRun(order(), false);
}

void Comparison::read()
{
    dropKept();
    inputs_.mode = RunMode::Read;
    startRun(order(), false);
}

void Comparison::setTarget(const Target& target)
{
    target_ = target;
    emit targetChanged();
}

void Comparison::dragTarget(const Target& target)
{
    setTarget(target);
    const bool writing = service_->running() && !running_preview_ && running_inputs_.mode == RunMode::Write;
    if (writing) retarget_throttle_.trigger();
    else preview_throttle_.trigger();
}

void Comparison::commitTarget(const Target& target)
{
    setTarget(target);
    preview_throttle_.cancel();
    retarget_throttle_.cancel();
    const bool writing = service_->running() && !running_preview_ && running_inputs_.mode == RunMode::Write;
    if (writing && std::find(running_.begin(), running_.end(), PaneSlot::Live) != running_.end()) {
        service_->retarget(choice(PaneSlot::Live)); // the text goes on from here at the new width
        retarget_unanswered_ = true;
    } else {
        // Texts that do not depend on the target, once written, stay.
        startRun(unfinished(), false);
    }
    emit changed(tr("target"), {});
}

std::vector<PaneSlot> Comparison::unfinished() const
{
    std::vector<PaneSlot> open;
    for (const PaneSlot slot : order()) {
        const PaneData& data = pane(slot);
        const bool stands = slot != PaneSlot::Live && data.complete() && data.inputs == inputs_ &&
                            sameChoice(data.choice, choice(slot));
        if (!stands) open.push_back(slot);
    }
    return open;
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

PaneRequest Comparison::request(PaneSlot slot) const
{
    const Pin* pinned = pin(slot);
    const QString label = slot == PaneSlot::Full   ? QStringLiteral("full")
                          : slot == PaneSlot::Live ? QStringLiteral("live")
                                                   : paneName(slot);
    return {slot, choice(slot), label, pinned != nullptr ? pinned->branch : std::vector<TokenId>{}};
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
    RunRequest wanted;
    wanted.inputs = inputs_;
    for (const PaneSlot slot : running_) wanted.panes.push_back(request(slot));
    if (preview) wanted.limit = inputs_.mode == RunMode::Read ? kPreviewRead : kPreviewTokens;
    service_->run(wanted);
    for (const PaneSlot slot : running_) {
        slotData(slot).state = PaneState::Waiting;
        emit paneChanged(slot);
    }
}

void Comparison::clear()
{
    running_.clear();
    pending_start_.reset();
    overrides_.reset();
    inputs_.mode = RunMode::Write;
    panes_ = {};
    emit overridesChanged();
    // Those that stay are emptied before the pins leave them their room, for which their texts would be laid out anew.
    for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) emit paneReset(slot);
    pins_.clear(); // their targets are of the other model
    emit panesChanged();
    for (const PaneSlot slot : kPinSlots) emit paneReset(slot);
    updateDivergence();
}

void Comparison::onStarted(const RunStart& start)
{
    if (running_.empty()) return; // too late: the panes were cleared
    if (running_preview_) pending_start_ = start;
    else showStart(start);
}

void Comparison::showStart(const RunStart& start)
{
    for (const PaneStart& pane_start : start.panes) {
        if (!present(pane_start.slot)) continue; // a pin that was removed meanwhile
        PaneData data;
        data.state = PaneState::Reading;
        data.trace = pane_start.trace;
        data.pieces = pane_start.pieces;
        data.prompt_tokens = static_cast<int>(pane_start.pieces.size());
        data.plan = pane_start.plan;
        data.inputs = running_inputs_;
        data.choice = choice(pane_start.slot);
        data.branch = pin(pane_start.slot) != nullptr && !pin(pane_start.slot)->branch.empty();
        data.preview = running_preview_;
        data.serial = ++serial_;
        slotData(pane_start.slot) = std::move(data);
        emit paneReset(pane_start.slot);
    }
    updateDivergence();
}

void Comparison::onEvents(const RunBatch& batch)
{
    if (running_.empty()) return;
    if (pending_start_) showStart(*std::exchange(pending_start_, std::nullopt));
    for (const PaneBatch& pane_batch : batch.panes) {
        if (!present(pane_batch.slot)) continue;
        PaneData& data = slotData(pane_batch.slot);
        auto& records = data.trace.records;
        const auto first = static_cast<std::size_t>(pane_batch.first_record);
        if (first > records.size()) continue; // cannot be: batches of a run come in order
        records.resize(std::max(records.size(), first + pane_batch.records.size()));
        std::copy(pane_batch.records.begin(), pane_batch.records.end(),
                  records.begin() + static_cast<std::ptrdiff_t>(first));
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
    shared_ = batch.shared;
    emit sharedStepChanged();
}

void Comparison::onEnded(PaneState state, const Error& error)
{
    const std::vector<PaneSlot> ended = std::exchange(running_, {});
    for (const PaneSlot slot : ended) {
        PaneData& data = slotData(slot);
        const bool alone = ended.size() == 1 && data.state == PaneState::Done && data.timing.new_tokens > 1;
        if (alone) data.solo_ms = data.timing.p50_ms;
        if (data.state == PaneState::Done) continue; // before the others
        data.state = state;
        data.error = error;
        emit paneChanged(slot);
    }
    if (state == PaneState::Done && std::exchange(retarget_unanswered_, false)) startRun({PaneSlot::Live}, false);
    else if (state == PaneState::Done && !running_preview_) askForAgreement();
}

void Comparison::updateDivergence()
{
    const PaneData& full = pane(PaneSlot::Full);
    std::array<std::optional<int>, kPaneSlots> next;
    for (const PaneSlot slot : order()) {
        const PaneData& data = pane(slot);
        if (slot == PaneSlot::Full || !full.hasText() || !data.hasText() || !sameBeginning(full.inputs, data.inputs))
            continue;
        next[static_cast<std::size_t>(slot)] = firstDifference(full.trace, data.trace, full.prompt_tokens);
    }
    if (next == splits_) return;
    splits_ = next;
    emit divergenceChanged();
}

} // namespace flextron::ui
