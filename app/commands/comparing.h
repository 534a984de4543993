// One prompt and seed through several sub-networks at once: what `compare` prints and `report` draws.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands/options.h"
#include "engine/evaluate/scoring.h"

namespace flextron::cli {

struct ComparingOptions {
    RunOptions run;
    TargetOptions target; // routing, context, routers, overrides and kv; the targets stand in the panes
    PromptOptions prompt;
    GenerateOptions generate;
    std::string panes = "full,0.8,0.6";
    std::string panes_option = "--panes"; ///< its name
    std::string trace;

    void declare(CLI::App& command);
};

struct Compared {
    std::shared_ptr<const LoadedModel> model;
    std::vector<TokenId> prompt;
    std::vector<PaneSpec> panes;
    std::vector<ResolvedTarget> targets;
    GenerationSettings settings;
    std::unique_ptr<Generation> generation;
    std::vector<Trace> traces;
    std::size_t baseline = 0;                         ///< the first full pane, else the first one
    std::vector<std::optional<Agreement>> agreements; ///< none where it was cancelled or nothing was written
    bool whole = false;                               ///< nothing was cancelled
};

/// Writes all panes, and the trace file where one was asked for; then the agreement with the full model on the
/// baseline's new tokens.
Compared comparePanes(Console& console, const ComparingOptions& options);

/// What `--json` prints: an entry a pane.
Json compareDocument(const Compared& compared);

} // namespace flextron::cli
