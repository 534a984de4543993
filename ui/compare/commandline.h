// What a pane wrote, as a command for the terminal that writes it again.
#pragma once

#include <QString>

#include "ui/data/comparison.h"

namespace flextron::ui {

/// "flextron generate ..." (or "score" for a text that was read) for a POSIX shell: device, weights' type, threads,
/// widths, sampling and seed are all in it, so the ids are the same. Widths are written out, not asked for, because
/// what a budget becomes depends on a latency table. Empty without a model or a text.
QString paneCommand(const PaneData& pane, const ModelInfo& model);

/// "'it'\''s'": quoted for a POSIX shell.
QString shellQuoted(const QString& text);

} // namespace flextron::ui
