#include "ui/compare/panestate.h"

#include <QCoreApplication>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {
struct Text {
    Q_DECLARE_TR_FUNCTIONS(PaneState)
};
} // namespace

bool showPaneState(StatePage* page, EngineService* service, const Comparison& comparison, PaneSlot slot,
                   const PaneWords& words, QAction* run_action)
{
    const PaneData& pane = comparison.pane(slot);
    if (pane.hasText()) {
        if (pane.state == PaneState::Failed)
            page->showStale(Text::tr("The run failed: %1").arg(formatError(pane.error)), run_action);
        else if (comparison.stale(slot))
            page->showStale(Text::tr("Out of date: prompt or settings have changed."), run_action);
        else page->showContent();
        return true;
    }
    if (pane.state == PaneState::Failed) page->showError(Text::tr("The run failed"), pane.error, run_action);
    else if (pane.busy()) page->showStarting(service);
    else if (!service->model()) page->showNoModel(service, words.no_model);
    else page->showEmpty(words.title, words.empty, run_action);
    return false;
}

} // namespace flextron::ui
