// What a pane takes when nothing else writes beside it.
#pragma once

#include <memory>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/generate/generation.h"

namespace flextron {

struct AloneOptions {
    SamplerSettings sampler;
    int tokens = 24; ///< to write
    KvPolicy kv = KvPolicy::All;
};

/// Median milliseconds of a new token after the first, of a short text that goes on from `prompt`. 0 for fewer than two
/// tokens.
Result<double> msAlone(const std::shared_ptr<const LoadedModel>& model, const std::vector<TokenId>& prompt,
                       const PaneSpec& pane, const AloneOptions& options, const CancelToken& cancel = {});

} // namespace flextron
