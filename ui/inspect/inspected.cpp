#include "ui/inspect/inspected.h"

#include <algorithm>

#include <QCoreApplication>

namespace flextron::ui {

namespace {
struct Text {
    Q_DECLARE_TR_FUNCTIONS(Inspected)
};
} // namespace

Inspected inspectedToken(const Comparison& comparison, const Selection& selection)
{
    const SelectionState& state = selection.state();
    Inspected inspected;
    inspected.slot = state.pane;
    inspected.pane = &comparison.pane(state.pane);
    const Trace& trace = inspected.pane->trace;
    if (state.primary >= 0 && state.primary < static_cast<int>(trace.records.size())) inspected.token = state.primary;
    inspected.layer = std::clamp(state.layer, 0, std::max(0, trace.layers - 1));
    return inspected;
}

bool showTokenState(StatePage* page, const EngineService& service, const Comparison& comparison,
                    const Inspected& inspected, const QString& empty, QAction* run_action)
{
    const PaneData& pane = *inspected.pane;
    if (!pane.hasText()) {
        if (pane.state == PaneState::Failed) page->showError(Text::tr("The run failed"), pane.error, run_action);
        else if (pane.busy()) page->showLoading(Text::tr("Starting"), {Text::tr("reading the prompt"), 0, 0, {}});
        else if (!service.model()) page->showEmpty(Text::tr("No model"), Text::tr("Open a model. ") + empty);
        else page->showEmpty(Text::tr("Nothing read yet"), empty, run_action);
        return false;
    }
    if (inspected.token < 0) {
        page->showEmpty(Text::tr("No token selected"),
                        Text::tr("Click a word in a pane or a cell of the heatmap. ") + empty);
        return false;
    }
    if (comparison.stale(inspected.slot))
        page->showStale(Text::tr("Out of date: prompt or settings have changed."), run_action);
    else page->showContent();
    return true;
}

} // namespace flextron::ui
