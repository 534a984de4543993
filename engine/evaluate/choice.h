// Judging a task: the log-probability of every choice after its context.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/evaluate/tasks.h"
#include "engine/generate/loaded_model.h"
#include "engine/routing/width_plan.h"

namespace flextron {

/// One question's outcome.
struct ItemResult {
    std::vector<double> logprobs; ///< nats, a choice
    int chosen = 0;               ///< the most probable; the first of equals
    int chosen_norm = 0;          ///< the most probable per character
    bool greedy = false;          ///< every token of the first choice was the most probable one
    bool truncated = false;       ///< the context was cut at its beginning to fit the model's
};

struct TaskResult {
    std::vector<ItemResult> items;
    double accuracy = 0; ///< share of questions whose most probable choice (LAMBADA: greedy word) is the right one
    double accuracy_stderr = 0;
    std::optional<double> accuracy_norm; ///< by log-probability per character of the choice
    std::optional<double> accuracy_norm_stderr;
    std::optional<double> perplexity; ///< of LAMBADA's words
    std::optional<double> perplexity_stderr;
    std::int64_t tokens = 0; ///< read
    int truncated = 0;       ///< items
};

/// The standard errors are those of a mean of independent questions (n - 1 in the denominator); the perplexity's is
/// carried over from that of the mean. InvalidArgument without a tokenizer and for a task without items.
Result<TaskResult> evaluateTask(const LoadedModel& model, const WidthPlan& plan, const Task& task,
                                const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
