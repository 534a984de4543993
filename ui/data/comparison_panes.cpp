// Panes that come and go, and what is asked of the engine once they are written.
#include "ui/data/comparison.h"

#include <algorithm>

#include "ui/data/panemath.h"
#include "ui/service/enginetask.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

std::optional<PaneSlot> Comparison::insertPin(PaneChoice choice, std::vector<TokenId> branch)
{
    for (const PaneSlot slot : kPinSlots) {
        if (pin(slot) != nullptr) continue;
        const auto letter = static_cast<char16_t>(u'A' + static_cast<int>(slot) - static_cast<int>(PaneSlot::PinA));
        Pin added{slot, tr("Pin %1").arg(QChar(letter)), std::move(choice), std::move(branch)};
        const auto after = std::find_if(pins_.begin(), pins_.end(), [slot](const Pin& pin) { return pin.slot > slot; });
        pins_.insert(after, std::move(added));
        slotData(slot) = {};
        return slot;
    }
    emit refused(tr("All places for panes are taken: remove one first."));
    return std::nullopt;
}

std::optional<PaneSlot> Comparison::addPane(std::shared_ptr<const PaneSource> source)
{
    PaneChoice wanted = choice(PaneSlot::Live);
    if (source) wanted = choiceWith(std::move(wanted), std::move(source));
    const auto slot = insertPin(std::move(wanted), {});
    if (!slot) return slot;
    const PaneData& live = pane(PaneSlot::Live);
    // What the live pane wrote is what the pin would write.
    const bool same = live.complete() && !live.retargeted && !live.kept && sameChoice(live.choice, choice(*slot));
    if (same) {
        slotData(*slot) = live;
        slotData(*slot).serial = ++serial_;
        slotData(*slot).trace.label = paneName(*slot).toStdString();
    }
    emit panesChanged();
    emit paneReset(*slot);
    updateDivergence();
    if (!same && pane(PaneSlot::Full).hasText() && !service_->running()) startRun({*slot}, false);
    emit changed(tr("pin"), {});
    return slot;
}

void Comparison::putPin(Pin pin)
{
    const PaneSlot slot = pin.slot;
    std::erase_if(pins_, [slot](const Pin& other) { return other.slot == slot; });
    const auto after = std::find_if(pins_.begin(), pins_.end(), [slot](const Pin& other) { return other.slot > slot; });
    pins_.insert(after, std::move(pin));
    slotData(slot) = {};
    emit panesChanged();
    emit paneReset(slot);
    if (pane(PaneSlot::Full).hasText()) startRun(unfinished(), false);
    emit changed(tr("pin"), {});
}

std::optional<PaneSlot> Comparison::continueFrom(PaneSlot from, int record, TokenId alternative)
{
    const Trace& trace = pane(from).trace;
    if (record < 1 || record >= static_cast<int>(trace.records.size())) return std::nullopt;
    std::vector<TokenId> branch = trace.ids();
    branch.resize(static_cast<std::size_t>(record));
    branch.push_back(alternative);
    const auto slot = insertPin(pane(from).choice, std::move(branch));
    if (!slot) return slot;
    emit panesChanged();
    emit paneReset(*slot);
    inputs_.mode = RunMode::Write;
    startRun({*slot}, false);
    emit changed(tr("continue from another token"), {});
    return slot;
}

void Comparison::removePin(PaneSlot slot)
{
    if (pin(slot) == nullptr) return;
    std::erase_if(pins_, [slot](const Pin& pin) { return pin.slot == slot; });
    std::erase(running_, slot);
    slotData(slot) = {};
    emit panesChanged();
    emit paneReset(slot);
    updateDivergence();
    emit changed(tr("remove a pin"), {});
}

void Comparison::renamePin(PaneSlot slot, const QString& name)
{
    for (Pin& pin : pins_) {
        if (pin.slot != slot || name.isEmpty() || pin.name == name) continue;
        pin.name = name;
        slotData(slot).trace.label = name.toStdString();
        emit panesChanged();
        emit changed(tr("rename a pin"), {});
    }
}

void Comparison::setOverrides(std::shared_ptr<const Overrides> overrides)
{
    overrides_ = std::move(overrides);
    emit overridesChanged();
    emit changed(tr("forced choices"), {});
}

void Comparison::restore(const ComparisonState& wanted)
{
    const ComparisonState before = state();
    inputs_.sampler = wanted.inputs.sampler;
    inputs_.max_tokens = wanted.inputs.max_tokens;
    inputs_.stop_text = wanted.inputs.stop_text;
    target_ = wanted.live.target;
    overrides_ = wanted.live.overrides;
    for (const PaneSlot slot : kPinSlots) {
        const auto now = std::find_if(wanted.pins.begin(), wanted.pins.end(),
                                      [slot](const Pin& pin) { return pin.slot == slot; });
        const Pin* old = pin(slot);
        const bool kept = old != nullptr && now != wanted.pins.end() && sameChoice(old->choice, now->choice) &&
                          old->branch == now->branch;
        if (!kept) slotData(slot) = {};
    }
    pins_ = wanted.pins;
    emit inputsChanged();
    emit targetChanged();
    emit overridesChanged();
    emit panesChanged();
    for (const PaneSlot slot : kPinSlots) emit paneReset(slot);
    updateDivergence();
    const bool other_targets = !sameChoice(before.live, wanted.live) || before.pins.size() < wanted.pins.size();
    if (other_targets && pane(PaneSlot::Full).hasText()) startRun(unfinished(), false);
}

void Comparison::makeInquiries()
{
    for (int i = 0; i < kPaneSlots; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const auto slot = static_cast<PaneSlot>(i);
        // An answer to the text before is no answer to this one.
        agreements_[at] = std::make_unique<Inquiry<Agreement>>(
            service_, QStringLiteral("agreement %1").arg(i), this, [this, at, slot](const Result<Agreement>& answer) {
                if (!answer.ok() || asked_[at].agreement_of != panes_[at].serial) return;
                panes_[at].agreement = *answer;
                emit paneChanged(slot);
            });
        solos_[at] = std::make_unique<Inquiry<double>>(service_, QStringLiteral("alone %1").arg(i), this,
                                                       [this, at, slot](const Result<double>& answer) {
                                                           if (!answer.ok() || asked_[at].solo_of != panes_[at].serial)
                                                               return;
                                                           panes_[at].solo_ms = *answer;
                                                           emit paneChanged(slot);
                                                       });
    }
}

void Comparison::askForAgreement()
{
    const PaneData& full = pane(PaneSlot::Full);
    if (!full.complete() || full.trace.records.size() < 2) return;
    const bool read = full.inputs.mode == RunMode::Read;
    const int from = read ? 1 : full.prompt_tokens;
    if (from >= static_cast<int>(full.trace.records.size())) return;
    for (const PaneSlot slot : order()) {
        const PaneData& data = pane(slot);
        if (slot == PaneSlot::Full || !data.complete() || data.agreement || !(data.inputs == full.inputs)) continue;
        PaneRequest wanted = request(slot);
        wanted.choice = data.choice;
        asked_[static_cast<std::size_t>(slot)].agreement_of = data.serial;
        agreements_[static_cast<std::size_t>(slot)]->ask(
            [ids = full.trace.ids(), from, wanted](const auto& model, const auto&, const auto& cancel) {
                return guarded([&] {
                    WidthPlan whole;
                    whole.subnet = fullSubNetwork(model->config());
                    const auto own = modelOf(wanted.choice, model);
                    const auto plan = resolveChoice(wanted, *own).plan;
                    if (own->backend != model->backend)
                        return compareModelsOnText(*model, whole, *own, plan, ids, from, cancel).orThrow();
                    return compareOnText(*model, ids, from, whole, plan, cancel).orThrow();
                });
            });
    }
}

void Comparison::measureAlone()
{
    if (service_->running()) return;
    for (const PaneSlot slot : order()) {
        const PaneData& data = pane(slot);
        if (!data.complete() || data.inputs.mode == RunMode::Read || data.prompt_tokens < 1) continue;
        std::vector<TokenId> given = data.trace.ids();
        given.resize(static_cast<std::size_t>(data.prompt_tokens));
        PaneRequest wanted = request(slot);
        wanted.choice = data.choice;
        wanted.branch = std::move(given);
        asked_[static_cast<std::size_t>(slot)].solo_of = data.serial;
        solos_[static_cast<std::size_t>(slot)]->ask(
            [wanted, inputs = data.inputs](const auto& model, const auto&, const auto& cancel) {
                return guarded([&] { return measureSoloMs(model, wanted, inputs, cancel); });
            });
    }
}

} // namespace flextron::ui
