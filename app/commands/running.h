// Runs a generation to its end, or until it is cancelled.
#pragma once

#include <functional>

#include "app/commands/console.h"
#include "engine/generate/generation.h"

namespace flextron::cli {

/// True when it ended by itself, false when it was cancelled: its traces are then as after the last whole step.
bool runToEnd(Generation& generation, Console& console, int max_tokens,
              const std::function<void(const PaneEvent&)>& seen = {});

/// All panes' traces; those that had not finished say "cancelled".
std::vector<Trace> tracesOf(const Generation& generation);

} // namespace flextron::cli
