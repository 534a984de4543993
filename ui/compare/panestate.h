// What every view of a run says while there is nothing to draw, and above what it draws.
#pragma once

#include <QString>

#include "ui/data/comparison.h"
#include "ui/parts/statepage.h"

class QAction;

namespace flextron::ui {

struct PaneWords {
    QString no_model; ///< what to do without one
    QString title;    ///< before the first run: "Nothing read yet"
    QString empty;    ///< what a run brings here
};

/// Puts the state of the pane's run on the page. True where there is a text to show: the page shows its content, under
/// a banner when it is out of date or its run failed half-way.
bool showPaneState(StatePage* page, EngineService* service, const Comparison& comparison, PaneSlot slot,
                   const PaneWords& words, QAction* run_action);

} // namespace flextron::ui
