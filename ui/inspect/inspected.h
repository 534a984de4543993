// What the selection points at, and what views of one token show where there is nothing.
#pragma once

#include <functional>

#include <QString>

#include "ui/data/comparison.h"
#include "ui/data/selection.h"
#include "ui/parts/statepage.h"

class QAction;

namespace flextron::ui {

/// A token of a pane and a layer; `token` is -1 when nothing that exists is selected.
struct Inspected {
    PaneSlot slot = PaneSlot::Live;
    const PaneData* pane = nullptr; ///< never null
    int token = -1;
    int layer = 0; ///< the selected one, else the first

    [[nodiscard]] const Trace& trace() const { return pane->trace; }
    [[nodiscard]] const TokenRecord& record() const { return pane->trace.records[static_cast<std::size_t>(token)]; }
};
Inspected inspectedToken(const Comparison& comparison, const Selection& selection);

/// Calls `refresh` whenever that may be another one, or its pane has more to say: a few times a second while tokens
/// come, at once when a run begins or ends. `view` ends it.
void followInspected(const Comparison* comparison, const Selection* selection, QObject* view,
                     const std::function<void()>& refresh);

/// Puts the state of the selected token's pane on the page. True when there is a token to show. `empty` says what the
/// panel would tell of a token.
bool showTokenState(StatePage* page, EngineService* service, const Comparison& comparison, const Inspected& inspected,
                    const QString& empty, QAction* run_action);

} // namespace flextron::ui
