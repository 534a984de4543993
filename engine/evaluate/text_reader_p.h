// Reading a given text through one or several plans at once, window by window.
#pragma once

#include <functional>
#include <span>

#include "engine/base/cancellation.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"

namespace flextron {

/// What one step brought. Row t of the outputs is token first + t of the text.
struct TextChunk {
    int first = 0;
    int tokens = 0;
    int predicts = 0; ///< rows [0, predicts) foretell the token after them; a window's last row does not
    std::span<const StepOutput> outputs; ///< one a plan, logits [tokens][vocab_size]
};

/// Windows overlap by one token, which is read in both. Overrides keep to positions in the text. `visit` is called in
/// order. Throws. Precondition: 2 <= window <= max_position_embeddings, at least two ids.
void readText(const Backend& backend, std::span<const TokenId> ids, std::span<const WidthPlan> plans, int window,
              const std::function<void(const TextChunk&)>& visit, const ProgressFn& progress,
              const CancelToken& cancel);

} // namespace flextron
