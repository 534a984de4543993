// The response curve: what the dynamic routers at one token of a text would choose at other targets, its hidden states
// held as they were. (Our choice of view; the paper shows no such curve.)
#pragma once

#include <span>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/generate/loaded_model.h"
#include "engine/generate/trace.h"
#include "engine/routing/overrides.h"

namespace flextron {

/// Of all layers and both sub-blocks at once.
struct RouterResponse {
    std::vector<double> budgets; ///< as asked for, B of them
    ChoiceSets choices;
    int layers = 0;
    std::vector<float> head_probabilities; ///< [B][L][head choices]
    std::vector<float> mlp_probabilities;  ///< [B][L][MLP choices]

    /// [choices] of one cell at budgets[budget].
    [[nodiscard]] std::span<const float> probabilities(std::size_t budget, int layer, SubBlock block) const;
    /// The width that the router would choose there: query heads or MLP neurons.
    [[nodiscard]] int width(std::size_t budget, int layer, SubBlock block) const;
};

/// Targets for a smooth curve: the trained stops and `between` more, evenly spaced, from each to the next; descending.
std::vector<double> responseBudgets(const Routers& routers, int between = 3);

/// The routers of `model` at token `token` of a text that was written or scored. The text up to there is read again
/// with the recorded widths, and the token itself once for every budget, its own widths forced: so the hidden state in
/// front of every router is what it was, whatever routing, overrides or change of plan made the record. Costs one
/// reading of the text up to the token and a decode step a budget. Any thread, on any backend.
///
/// A scored text longer than the context was read in windows; the token is then read in the window that its record is
/// from. Errors: InvalidArgument for a model without dynamic routers, a trace of another model, a token that is not in
/// the text or was not read yet, budgets outside (0, 1].
Result<RouterResponse> routerResponse(const LoadedModel& model, const Trace& trace, int token,
                                      std::span<const double> budgets, const CancelToken& cancel = {});

} // namespace flextron
