// Reading a given text: teacher-forced, routed like generation, the same records.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/generate/agreement.h"
#include "engine/generate/loaded_model.h"
#include "engine/generate/trace.h"
#include "engine/routing/width_plan.h"

namespace flextron {

struct ScoreOptions {
    int window = 0;                     ///< tokens the model sees at once; 0 = its whole context
    int top_tokens = 0;                 ///< kept in every record
    bool keep_records = true;           ///< without: sums only, for long texts
    Routing routing = Routing::Uniform; ///< for the trace
};

struct Score {
    Trace trace;            ///< when records are kept
    std::vector<float> nll; ///< nats of every predicted token: tokens 1 .. n-1
    double nll_sum = 0;
    std::int64_t tokens = 0;     ///< predicted ones
    std::int64_t text_bytes = 0; ///< UTF-8 bytes of the predicted tokens; 0 without a tokenizer
    [[nodiscard]] double mean() const { return tokens > 0 ? nll_sum / static_cast<double>(tokens) : 0; }
    [[nodiscard]] double perplexity() const;
    [[nodiscard]] double bitsPerByte() const; ///< NaN without a tokenizer
};

/// Texts longer than the window are read in windows that overlap by one token, so that every token but the first is
/// predicted exactly once. InvalidArgument for fewer than two tokens.
Result<Score> scoreText(const LoadedModel& model, std::span<const TokenId> ids, const WidthPlan& plan,
                        const ScoreOptions& options = {}, const ProgressFn& progress = {},
                        const CancelToken& cancel = {});

/// How a pane's model differs from the baseline's on the same tokens: teacher-forced on them.
/// Compares on `ids` from position `from` on (the new tokens of the baseline).
Result<Agreement> compareOnText(const LoadedModel& model, std::span<const TokenId> ids, int from,
                                const WidthPlan& baseline, const WidthPlan& plan, const CancelToken& cancel = {});

/// The same of two models of one vocabulary, the first one's predictions being kept meanwhile: OutOfMemory for a text
/// whose predictions take more than a quarter of the memory that is free.
Result<Agreement> compareModelsOnText(const LoadedModel& baseline_model, const WidthPlan& baseline,
                                      const LoadedModel& other_model, const WidthPlan& other,
                                      std::span<const TokenId> ids, int from, const CancelToken& cancel = {});

} // namespace flextron
