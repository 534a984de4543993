#include "engine/generate/sampler_p.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/base/numbers.h"
#include "engine/base/random.h"

namespace flextron {

namespace {

/// The random bits of one token at one position.
std::uint64_t noiseBits(std::uint64_t seed, int position, TokenId id)
{
    const std::uint64_t place = mixBits(mixBits(seed) + static_cast<std::uint64_t>(position));
    return mixBits(place + static_cast<std::uint64_t>(id));
}

/// A token that may still be drawn. `logit` is after penalty and temperature.
struct Candidate {
    TokenId id = 0;
    float logit = 0;
};

/// More probable first; of equals, the smaller id.
bool moreProbable(const Candidate& a, const Candidate& b)
{
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// The first of the largest.
std::size_t indexOfLargest(std::span<const float> logits)
{
    return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Divides positive and multiplies negative logits of the tokens in `text`, each once.
void penalise(std::vector<float>& logits, std::span<const TokenId> text, double penalty)
{
    std::vector<TokenId> ids(text.begin(), text.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    for (const TokenId id : ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
        float& logit = logits[static_cast<std::size_t>(id)];
        logit = static_cast<float>(logit > 0.0f ? static_cast<double>(logit) / penalty
                                                : static_cast<double>(logit) * penalty);
    }
}

/// The `k` most probable of `logits`, in order. One pass with a heap of k: most tokens fail its first comparison.
std::vector<Candidate> mostProbable(std::span<const float> logits, std::size_t k)
{
    std::vector<Candidate> heap; // its front is the least probable of those kept
    heap.reserve(std::min(k, logits.size()));
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const Candidate candidate{static_cast<TokenId>(i), logits[i]};
        if (heap.size() < k) {
            heap.push_back(candidate);
            std::push_heap(heap.begin(), heap.end(), moreProbable);
        } else if (k > 0 && moreProbable(candidate, heap.front())) {
            std::pop_heap(heap.begin(), heap.end(), moreProbable);
            heap.back() = candidate;
            std::push_heap(heap.begin(), heap.end(), moreProbable);
        }
    }
    std::sort_heap(heap.begin(), heap.end(), moreProbable);
    return heap;
}

std::vector<Candidate> allOf(std::span<const float> logits)
{
    std::vector<Candidate> candidates(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i) candidates[i] = {static_cast<TokenId>(i), logits[i]};
    return candidates;
}

float largestLogit(const std::vector<Candidate>& candidates)
{
    return std::min_element(candidates.begin(), candidates.end(), moreProbable)->logit;
}

/// The fewest tokens, most probable first, whose probabilities reach `top_p` of the sum of all candidates'.
void keepNucleus(std::vector<Candidate>& candidates, double top_p)
{
    const float largest = largestLogit(candidates);
    const auto weight = [largest](const Candidate& candidate) {
        return std::exp(static_cast<double>(candidate.logit - largest));
    };
    double total = 0.0;
    for (const Candidate& candidate : candidates) total += weight(candidate);
    // Sorted a piece at a time: the nucleus is as a rule a small part of the vocabulary.
    double sum = 0.0;
    std::size_t sorted = 0;
    for (std::size_t kept = 0; kept < candidates.size(); ++kept) {
        if (kept == sorted) {
            sorted = std::min(candidates.size(), std::max<std::size_t>(64, 4 * sorted));
            const auto begin = candidates.begin();
            std::partial_sort(begin + static_cast<std::ptrdiff_t>(kept), begin + static_cast<std::ptrdiff_t>(sorted),
                              candidates.end(), moreProbable);
        }
        sum += weight(candidates[kept]);
        if (sum >= top_p * total) {
            candidates.resize(kept + 1);
            return;
        }
    }
}

/// Tokens with at least `min_p` of the most probable one's probability.
void keepLikely(std::vector<Candidate>& candidates, double min_p)
{
    const double least = static_cast<double>(largestLogit(candidates)) + std::log(min_p);
    const TokenId best = std::min_element(candidates.begin(), candidates.end(), moreProbable)->id;
    std::erase_if(candidates, [&](const Candidate& candidate) {
        return static_cast<double>(candidate.logit) < least && candidate.id != best;
    });
}

/// The largest of logit + noise. The noise of a token that cannot win is never computed: -log(-log u) <= -log(1 - u),
/// so u must be close enough to 1 to make up for the logits' difference.
TokenId drawWithNoise(const std::vector<Candidate>& candidates, std::uint64_t seed, int position)
{
    const auto noisy = [&](const Candidate& candidate) {
        return static_cast<double>(candidate.logit) + gumbelNoise(seed, position, candidate.id);
    };
    const Candidate& likeliest = *std::min_element(candidates.begin(), candidates.end(), moreProbable);
    TokenId winner = likeliest.id;
    double best = noisy(likeliest);
    double slack = std::exp(static_cast<double>(likeliest.logit) - best);
    for (const Candidate& candidate : candidates) {
        // Small enough to be skipped: 1 - u > exp(logit - best), computed in float with room for its error.
        const double reach = static_cast<double>(std::exp(candidate.logit - likeliest.logit)) * slack * 1.0001;
        if (1.0 - openUnit(noiseBits(seed, position, candidate.id)) > reach) continue;
        const double value = noisy(candidate);
        if (value > best || (value == best && candidate.id < winner)) {
            best = value;
            winner = candidate.id;
            slack = std::exp(static_cast<double>(likeliest.logit) - best);
        }
    }
    return winner;
}

/// What may still be drawn after the filters, from logits after penalty and temperature.
std::vector<Candidate> filtered(std::span<const float> logits, const SamplerSettings& settings)
{
    const auto top_k = static_cast<std::size_t>(settings.top_k);
    std::vector<Candidate> candidates = top_k > 0 && top_k < logits.size() ? mostProbable(logits, top_k)
                                                                           : allOf(logits);
    if (settings.top_p < 1.0) keepNucleus(candidates, settings.top_p);
    if (settings.min_p > 0.0) keepLikely(candidates, settings.min_p);
    return candidates;
}

void require(bool holds, const char* name, double found, const char* expected)
{
    if (!holds)
        throw Failure(ErrorCode::InvalidArgument,
                      std::string(name) + " must be " + expected + ", found " + formatNumber(found, 6),
                      std::string("give a ") + name + " that is " + expected);
}

} // namespace

Result<void> validateSampler(const SamplerSettings& settings)
{
    return guarded([&] {
        require(settings.temperature == 0.0 || (settings.temperature >= 0.001 && settings.temperature <= 100.0),
                "temperature", settings.temperature, "0 (greedy) or from 0.001 to 100");
        require(settings.top_k >= 0, "top-k", settings.top_k, "0 (off) or more");
        require(settings.top_p > 0.0 && settings.top_p <= 1.0, "top-p", settings.top_p, "above 0 and at most 1 (off)");
        require(settings.min_p >= 0.0 && settings.min_p <= 1.0, "min-p", settings.min_p, "from 0 (off) to 1");
        require(settings.repeat_penalty > 0.0 && settings.repeat_penalty <= 100.0, "repeat penalty",
                settings.repeat_penalty, "above 0 and at most 100 (1 = off)");
    });
}

double gumbelNoise(std::uint64_t seed, int position, TokenId id)
{
    return -std::log(-std::log(openUnit(noiseBits(seed, position, id))));
}

Failure logitsNotFinite()
{
    return {ErrorCode::Corrupt, "the model's logits are not finite numbers",
            "the weights may be damaged, or too large for the dtype: try float32"};
}

Distribution::Distribution(std::span<const float> logits) : logits_(logits), best_(indexOfLargest(logits))
{
    const float largest = logits[best_];
    double sum = 0.0;
    for (const float logit : logits) sum += static_cast<double>(std::exp(logit - largest));
    normaliser_ = static_cast<double>(largest) + std::log(sum);
    if (!std::isfinite(normaliser_)) throw logitsNotFinite();
}

Sampled Distribution::sample(std::span<const TokenId> text, int position, const SamplerSettings& settings) const
{
    std::vector<float> changed;
    std::span<const float> values = logits_;
    if (settings.repeat_penalty != 1.0) {
        changed.assign(logits_.begin(), logits_.end());
        penalise(changed, text, settings.repeat_penalty);
        values = changed;
    }
    if (settings.temperature == 0.0)
        return judge(static_cast<TokenId>(values.data() == logits_.data() ? best_ : indexOfLargest(values)));
    if (settings.temperature != 1.0) {
        changed.resize(logits_.size());
        std::transform(values.begin(), values.end(), changed.begin(),
                       [scale = static_cast<float>(1.0 / settings.temperature)](float value) { return value * scale; });
        values = changed;
    }
    return judge(drawWithNoise(filtered(values, settings), settings.seed, position));
}

std::vector<TokenProbability> Distribution::top(int k) const
{
    std::vector<TokenProbability> result;
    for (const Candidate& candidate : mostProbable(logits_, static_cast<std::size_t>(std::max(k, 0))))
        result.push_back({candidate.id, static_cast<float>(logprob(static_cast<std::size_t>(candidate.id)))});
    return result;
}

Sampled Distribution::judge(TokenId id) const
{
    const auto index = static_cast<std::size_t>(id);
    const float logit = logits_[index];
    int rank = 0;
    for (std::size_t i = 0; i < logits_.size(); ++i)
        rank += static_cast<int>(logits_[i] > logit || (logits_[i] == logit && i < index));
    return {id, static_cast<float>(logprob(index)), rank};
}

Sampled sample(std::span<const float> logits, std::span<const TokenId> text, int position,
               const SamplerSettings& settings)
{
    return Distribution(logits).sample(text, position, settings);
}

std::vector<TokenProbability> topTokens(std::span<const float> logits, int k)
{
    if (logits.empty()) return {};
    return Distribution(logits).top(k);
}

Sampled judge(std::span<const float> logits, TokenId id)
{
    return Distribution(logits).judge(id);
}

} // namespace flextron
