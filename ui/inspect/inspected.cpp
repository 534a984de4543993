#include "ui/inspect/inspected.h"

#include <algorithm>

#include <QCoreApplication>
#include <QElapsedTimer>

#include "ui/compare/panestate.h"

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

void followInspected(const Comparison* comparison, const Selection* selection, QObject* view,
                     const std::function<void()>& refresh)
{
    constexpr qint64 kIntervalMs = 150;
    QObject::connect(selection, &Selection::changed, view, refresh);
    QObject::connect(comparison, &Comparison::paneReset, view, [=](PaneSlot slot) {
        if (slot == selection->state().pane) refresh();
    });
    QObject::connect(comparison, &Comparison::paneChanged, view, [=, since = QElapsedTimer()](PaneSlot slot) mutable {
        if (slot != selection->state().pane) return;
        if (comparison->pane(slot).busy() && since.isValid() && since.elapsed() < kIntervalMs) return;
        since.start();
        refresh();
    });
}

bool showTokenState(StatePage* page, EngineService* service, const Comparison& comparison, const Inspected& inspected,
                    const QString& empty, QAction* run_action)
{
    // At once: a page that turns to its content and back, batch by batch, lays the whole window out anew each time.
    if (inspected.pane->hasText() && inspected.token < 0) {
        page->showEmpty(Text::tr("No token selected"),
                        Text::tr("Click a word in a pane or a cell of the heatmap. ") + empty);
        return false;
    }
    return showPaneState(page, service, comparison, inspected.slot,
                         {Text::tr("Open a model. ") + empty, Text::tr("Nothing read yet"), empty}, run_action);
}

} // namespace flextron::ui
