// The parts of JSON documents that several commands print.
#pragma once

#include "app/commands/console.h"
#include "engine/evaluate/scoring.h"
#include "engine/generate/generation.h"
#include "engine/generate/loaded_model.h"
#include "engine/routing/target.h"

namespace flextron::cli {

Json configDocument(const ModelConfig& config);
Json choiceSetsDocument(const ChoiceSets& choices);
/// File names and sizes.
Json filesDocument(const Checkpoint& checkpoint);
/// "tokens": the widths are those with which the token was read.
Json tokenDocument(const TokenRecord& record, const Tokenizer* tokenizer);
Json topDocument(const std::vector<TokenProbability>& top, const Tokenizer* tokenizer);
Json targetDocument(const ResolvedTarget& resolved);
Json runDocument(const LoadedModel& model);
/// What `generate` prints, and `compare` for every pane.
Json paneDocument(const LoadedModel& model, const ResolvedTarget& resolved, const Trace& trace, const std::string& text,
                  const PaneTiming& timing);

/// What shares of cost are shares of, and why: "latency (table of this machine, 2024-07-21)", "FLOPs (no latency table
/// for this set-up yet: flextron profile)"; "FLOPs" alone where they were asked for.
std::string costBasis(const LoadedModel& model);
/// "61.2 % of the full model's latency (table of this machine, 2024-07-21), 0.26 ms, widths by token". Where costBasis
/// is said once for several: `with_source` false, and only its first word is here.
std::string resolvedText(const LoadedModel& model, const ResolvedTarget& resolved, bool with_source = true);
/// What a sub-network costs on this backend, with the options that say so.
Cost costOn(const LoadedModel& model, const SubNetwork& subnet, int context, KvRule kv);

} // namespace flextron::cli
