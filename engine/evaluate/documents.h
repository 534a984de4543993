// The loss on a set of documents, with its spread between them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/evaluate/scoring.h"
#include "engine/generate/loaded_model.h"
#include "engine/routing/width_plan.h"

namespace flextron {

using Documents = std::vector<std::vector<TokenId>>;

/// One document's sums.
struct DocumentLoss {
    double nll_sum = 0;
    std::int64_t tokens = 0; ///< predicted
    std::int64_t bytes = 0;  ///< of those; 0 without a tokenizer
};

struct TextLoss {
    std::vector<DocumentLoss> documents;
    double nll_sum = 0;
    std::int64_t tokens = 0;
    std::int64_t bytes = 0;

    void add(const DocumentLoss& document);
    /// Nats a token over all documents: long ones count for more, as in training.
    [[nodiscard]] double mean() const { return tokens > 0 ? nll_sum / static_cast<double>(tokens) : 0; }
    /// Of mean(), documents being what was sampled (a ratio's standard error); 0 for fewer than two.
    [[nodiscard]] double standardError() const;
    [[nodiscard]] double perplexity() const;
    [[nodiscard]] double bitsPerByte() const; ///< NaN without a tokenizer
};

/// Reads every document from its beginning (scoreText, windows of the whole context). `plan_of` gives each document's
/// plan; `seen`, when given, each document's score with its records. InvalidArgument when there is none, or one has
/// fewer than two tokens.
using PlanOfDocument = std::function<WidthPlan(std::size_t document)>;
using DocumentSeen = std::function<void(std::size_t document, const Score& score)>;
Result<TextLoss> scoreDocuments(const LoadedModel& model, const Documents& documents, const PlanOfDocument& plan_of,
                                const DocumentSeen& seen = {}, const ProgressFn& progress = {},
                                const CancelToken& cancel = {});
Result<TextLoss> scoreDocuments(const LoadedModel& model, const Documents& documents, const WidthPlan& plan,
                                const ProgressFn& progress = {}, const CancelToken& cancel = {});

/// Is the mean loss of `a` above that of `b`, both over the same documents?
struct PairedComparison {
    double difference = 0; ///< mean of a less mean of b, nats a token
    double low = 0;        ///< 2.5 % and 97.5 % of the bootstrapped differences
    double high = 0;
    double p_value = 1; ///< one-sided: share of resamples in which a is not above b, at least 1 / (resamples + 1)
    int documents = 0;
    int resamples = 0;
};
/// Paired bootstrap: documents drawn with replacement, both losses of each. Deterministic for a seed. Precondition: the
/// same documents in both.
PairedComparison comparePaired(const TextLoss& a, const TextLoss& b, int resamples = 10'000, std::uint64_t seed = 1);

} // namespace flextron
