// What the routers said, from the trace alone. Pure functions, no window; how sure they were is the engine's
// routerMargin and routerEntropy of these probabilities.
#pragma once

#include <span>
#include <vector>

#include "engine/generate/trace.h"
#include "engine/routing/overrides.h"

namespace flextron::ui {

/// Probabilities over the sub-block's choices; empty where no dynamic router was asked, or outside the trace.
std::span<const float> routerProbabilities(const Trace& trace, int token, int layer, SubBlock block);
/// The choices that the probabilities are over.
const std::vector<int>& choicesOf(const Trace& trace, SubBlock block);
/// With which the token was read; -1 where it was not.
int usedWidth(const Trace& trace, int token, int layer, SubBlock block);

/// Index of the largest, the first of equals: what the router chose. -1 for none.
int chosenIndex(std::span<const float> probabilities);
/// Mean width under the probabilities. NaN for none.
double expectedWidth(std::span<const float> probabilities, const std::vector<int>& choices);

/// The smallest margin over a token's layers and sub-blocks: its most doubtful choice. NaN without routers.
double smallestMargin(const Trace& trace, int token);

/// The width was forced by hand: there are routers, and it is not the one they chose.
bool forced(const Trace& trace, int token, int layer, SubBlock block);

} // namespace flextron::ui
