// From logits to a token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/error.h"
#include "engine/text/tokenizer.h"

namespace flextron {

struct SamplerSettings {
    double temperature = 0.0; ///< 0 = greedy; else 0.001 to 100
    int top_k = 0;            ///< 0 = off
    double top_p = 1.0;       ///< 1 = off
    double min_p = 0.0;       ///< keeps tokens with at least this share of the most probable one's probability; 0 = off
    double repeat_penalty = 1.0; ///< divides positive and multiplies negative logits of tokens already in the text
                                 ///< (Keskar et al., 2019); 1 = off
    std::uint64_t seed = 42;
    bool operator==(const SamplerSettings&) const = default;
};
Result<void> validateSampler(const SamplerSettings& settings);

struct TokenProbability {
    TokenId id = 0;
    float logprob = 0; ///< nats, under the plain softmax of the logits
};

struct Sampled {
    TokenId id = 0;
    float logprob = 0; ///< nats, under the plain softmax: before temperature, penalty and filters
    int rank = 0;      ///< 0 = the most probable
};

/// Gumbel noise as a pure function of (seed, position, token): the same for every pane, so panes differ by the model
/// and never by luck. Our choice.
double gumbelNoise(std::uint64_t seed, int position, TokenId id);

/// The token for `position` (its index in the text) given the text so far. Order: penalty, temperature, top-k, top-p,
/// min-p; then the largest of logit + noise. Equal values: the smaller id. Precondition: logits finite, not empty.
Sampled sample(std::span<const float> logits, std::span<const TokenId> text, int position,
               const SamplerSettings& settings);

/// The `k` most probable tokens, most probable first.
std::vector<TokenProbability> topTokens(std::span<const float> logits, int k);
/// Log-probability and rank of `id`.
Sampled judge(std::span<const float> logits, TokenId id);

} // namespace flextron
