// One position's logits with their normaliser, so that drawing, judging and listing tokens sum over the vocabulary
// once.
#pragma once

#include <span>
#include <vector>

#include "engine/generate/sampler.h"

namespace flextron {

/// What is thrown where logits are not finite numbers.
Failure logitsNotFinite();

/// Does not own the logits. Throws Failure(Corrupt) when they are not finite. The functions of sampler.h are these.
class Distribution {
public:
    explicit Distribution(std::span<const float> logits);

    [[nodiscard]] Sampled sample(std::span<const TokenId> text, int position, const SamplerSettings& settings) const;
    [[nodiscard]] std::vector<TokenProbability> top(int k) const;
    [[nodiscard]] Sampled judge(TokenId id) const;
    [[nodiscard]] std::size_t size() const { return logits_.size(); }
    /// Nats.
    [[nodiscard]] double logprob(std::size_t index) const { return static_cast<double>(logits_[index]) - normaliser_; }
    /// The most probable token; of equals, the smallest id.
    [[nodiscard]] TokenId best() const { return static_cast<TokenId>(best_); }

private:
    std::span<const float> logits_;
    std::size_t best_ = 0;
    double normaliser_ = 0; ///< log sum exp of the logits
};

} // namespace flextron
