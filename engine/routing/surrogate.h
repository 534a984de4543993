// The surrogate: what loss a choice of widths leads to, without running the model.
//
// Source: Flextron section 3.2 (a small network predicts the language model's loss from the routers' choices). That it
// predicts the rise over the full model's loss, its size, and that it is kept after joint finetuning, are our choice.
#pragma once

#include <vector>

#include "engine/model/subnetwork.h"
#include "engine/routing/router_network.h"

namespace flextron {

struct Surrogate {
    /// Input: for each layer its head choices, then its MLP choices (as the static router's outputs), each block's
    /// one-hot or, where tokens choose, the mean of their one-hots: each block sums to 1. Output [1]: rise of the
    /// loss over the full model's on the same text, nats a token.
    RouterNetwork network;
    double full_loss = 0; ///< of the full model on the text that the surrogate was fitted on, nats a token
    /// Mean of |predicted - measured| / measured loss over random sub-networks that it was not fitted on.
    double relative_error = 0;

    /// Nats a token over the full model's loss. Precondition: the sizes fit.
    [[nodiscard]] double predictRise(const std::vector<float>& choice_means) const;
    /// full_loss + rise: of the text that the surrogate was fitted on; other texts have another full loss.
    [[nodiscard]] double predictLoss(const std::vector<float>& choice_means) const
    {
        return full_loss + predictRise(choice_means);
    }
};

/// The surrogate's input for a sub-network whose widths are all members of `choices`; InvalidArgument (thrown as
/// Failure) for a width that is not.
std::vector<float> choiceMeans(const SubNetwork& subnet, const ChoiceSets& choices);

} // namespace flextron
