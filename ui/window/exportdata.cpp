#include "ui/window/exportdata.h"

#include "engine/base/system.h"
#include "engine/generate/loaded_model.h"
#include "ui/compare/textcoloring.h"
#include "ui/data/panemath.h"
#include "ui/inspect/heatmapview.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"

namespace flextron::ui {

Report reportOf(const Comparison& comparison, const Baseline& baseline, const FileActions& files,
                const ModelInfoPtr& model)
{
    Report report;
    report.made_at = nowInUtc();
    for (const PaneSlot slot : comparison.order()) {
        const PaneData& data = comparison.pane(slot);
        if (!data.hasText() || data.busy()) continue;
        ReportPane pane;
        pane.name = comparison.paneName(slot).toStdString();
        pane.trace = data.trace;
        if (const Baseline::View full = baseline.of(slot); full.trace != nullptr) pane.reference = *full.trace;
        if (data.inputs.mode == RunMode::Write) {
            pane.timing = data.timing;
            pane.alone_measured = data.solo_ms.has_value();
            pane.alone_ms = data.solo_ms;
            if (const LatencyTable* table = tableFor(data.trace, model); table && !data.solo_ms)
                pane.alone_ms = soloMs(data.trace, data.prompt_tokens, *table);
        }
        pane.agreement = data.agreement;
        pane.command = files.commandOf(slot).toStdString();
        report.panes.push_back(std::move(pane));
    }
    return report;
}

void addModel(Report& report, const ModelInfoPtr& model)
{
    if (!model || report.panes.empty()) return;
    if (modelHash(*model->checkpoint) != report.panes.front().trace.model_hash) return;
    report.config = model->config();
    report.vocabulary = model->vocabulary;
}

FigureSource figureSourceOf(const MainWindow& window)
{
    const Comparison& comparison = *window.comparison();
    const SelectionState& selected = window.selection()->state();
    FigureSource source;
    std::vector<PaneSlot> places;
    for (const PaneSlot slot : comparison.order()) {
        if (!comparison.pane(slot).hasText() || comparison.pane(slot).busy()) continue;
        if (slot == selected.pane || (slot == PaneSlot::Live && source.pane == 0)) source.pane = places.size();
        places.push_back(slot);
        source.traces.push_back(comparison.pane(slot).trace);
        source.traces.back().label = comparison.paneName(slot).toStdString();
    }
    if (places.empty()) return source;
    const PaneSlot slot = places[source.pane];
    if (const Baseline::View full = window.inspection()->baseline()->of(slot); full.trace != nullptr)
        source.full = *full.trace;
    if (slot == selected.pane) source.token = selected.primary;
    source.layer = std::max(0, selected.layer);
    source.quantity = window.heatmap()->quantity();
    source.coloring = window.inspection()->coloring()->quantity().value_or(TokenQuantity::Surprisal);
    if (const ModelInfoPtr& model = window.service()->model();
        model && model->config().sizes() == source.trace().sizes()) {
        source.checkpoint = model->checkpoint;
        source.latency = model->latency;
        source.bytes_per_weight = model->bytes_per_weight;
    }
    return source;
}

} // namespace flextron::ui
