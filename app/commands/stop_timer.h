// How long a stop takes to be obeyed.
#pragma once

#include <memory>

#include "app/commands/console.h"
#include "engine/generate/generation.h"

namespace flextron::cli {

struct StopTimes {
    double median_ms = 0;
    double max_ms = 0;
    int stops = 0; ///< those that were asked for while work was under way
};

/// Reads a prompt of `tokens` in chunks, as a run does, and stops it from another thread at a random moment; `repeats`
/// times. Counted: from the asking until the engine has come back.
StopTimes timeStops(const std::shared_ptr<const LoadedModel>& model, int tokens, int repeats, std::uint64_t seed,
                    Console& console);

} // namespace flextron::cli
