// A comparison from records that were kept in a file: no model is needed to look at them.
#include <algorithm>

#include "ui/data/comparison.h"
#include "ui/data/panemath.h"

namespace flextron::ui {

namespace {

std::vector<QString> piecesOf(const Trace& trace)
{
    std::vector<QString> pieces;
    for (const std::string& text : tokenTexts(trace)) pieces.push_back(QString::fromStdString(text));
    return pieces;
}

PaneTiming timingOf(const Trace& trace, int given)
{
    constexpr double kMsPerNs = 1e-6;
    constexpr double kMsPerSecond = 1000;
    PaneTiming timing;
    std::vector<double> times;
    for (std::size_t i = 0; i < trace.records.size(); ++i) {
        const double ms = trace.records[i].ns * kMsPerNs;
        if (static_cast<int>(i) < given) timing.ttft_ms += ms;
        else if (i + 1 < trace.records.size()) times.push_back(ms); // reading this token made the next one
    }
    timing.new_tokens = static_cast<int>(trace.records.size()) - given;
    if (times.empty()) return timing;
    timing.p50_ms = quantile(times, 0.5);
    timing.p95_ms = quantile(times, 0.95);
    double sum = 0;
    for (const double ms : times) sum += ms;
    if (sum > 0) timing.tokens_per_second = kMsPerSecond * static_cast<double>(times.size()) / sum;
    return timing;
}

PaneData paneOf(const Trace& trace)
{
    PaneData data;
    data.state = PaneState::Done;
    data.trace = trace;
    data.pieces = piecesOf(trace);
    data.kept = true;
    data.prompt_tokens = givenTokens(trace);
    const bool all_given = data.prompt_tokens == static_cast<int>(trace.records.size());
    data.inputs.mode = all_given ? RunMode::Read : RunMode::Write;
    for (int i = 0; i < data.prompt_tokens; ++i) data.inputs.prompt += data.pieces[static_cast<std::size_t>(i)];
    data.inputs.sampler = trace.sampler;
    data.inputs.max_tokens = std::max(1, static_cast<int>(trace.records.size()) - data.prompt_tokens);
    data.timing = timingOf(trace, data.prompt_tokens);
    if (const auto routing = parseRouting(trace.routing); routing.ok()) data.plan.routing = *routing;
    data.plan.budget = trace.budget;
    data.plan.share = trace.budget;
    const bool by_table = !trace.latency_table.empty() && data.plan.routing != Routing::Dynamic;
    data.plan.cost_basis = by_table ? QStringLiteral("latency table") : QStringLiteral("FLOPs");
    if (!trace.records.empty() && trace.records.back().read) {
        const TokenRecord& last = trace.records.back();
        data.plan.subnet.mlp.assign(last.mlp.begin(), last.mlp.end());
        data.plan.subnet.heads.assign(last.heads.begin(), last.heads.end());
    }
    return data;
}

} // namespace

std::vector<Trace> Comparison::traces() const
{
    std::vector<Trace> kept;
    for (const PaneSlot slot : order()) {
        if (pane(slot).hasText() && !pane(slot).busy()) kept.push_back(pane(slot).trace);
    }
    return kept;
}

// What was opened from a file cannot be written anew: only its records are known, not what was asked for.
void Comparison::dropKept()
{
    const std::vector<Pin> pins = pins_;
    for (const Pin& pin : pins) {
        if (!pane(pin.slot).kept) continue;
        std::erase_if(pins_, [&pin](const Pin& other) { return other.slot == pin.slot; });
        slotData(pin.slot) = {};
        emit panesChanged();
        emit paneReset(pin.slot);
    }
}

void Comparison::showTraces(const std::vector<Trace>& traces)
{
    stop();
    if (service_->running()) onEnded(PaneState::Stopped, {});
    pins_.clear();
    for (PaneData& data : panes_) data = {};
    // The first one called "full" is the baseline, the last of the others the live pane.
    std::vector<const Trace*> others;
    for (const Trace& trace : traces) {
        if (trace.label == "full" && !pane(PaneSlot::Full).hasText()) slotData(PaneSlot::Full) = paneOf(trace);
        else others.push_back(&trace);
    }
    if (!others.empty()) {
        slotData(PaneSlot::Live) = paneOf(*others.back());
        others.pop_back();
    }
    for (const Trace* trace : others) {
        const auto slot = insertPin({}, {});
        if (!slot) break; // more than there are places for
        for (Pin& pin : pins_) {
            if (pin.slot == *slot && !trace->label.empty()) pin.name = QString::fromStdString(trace->label);
        }
        slotData(*slot) = paneOf(*trace);
    }
    for (PaneData& data : panes_) data.serial = ++serial_;
    emit panesChanged();
    for (int i = 0; i < kPaneSlots; ++i) emit paneReset(static_cast<PaneSlot>(i));
    updateDivergence();
}

} // namespace flextron::ui
