// Times single decode steps of a backend at a given length, and many of them in turn.
#pragma once

#include <memory>
#include <vector>

#include "app/commands/console.h"
#include "engine/compute/backend.h"
#include "engine/model/cost.h"

namespace flextron::cli {

/// One or more panes of the same widths, each with `context` - 1 tokens read; a step reads one more in each and forgets
/// it again.
class DecodeTimer {
public:
    DecodeTimer(const Backend& backend, SubNetwork subnet, int context, KvRule kv, int panes, std::uint64_t seed,
                const CancelToken& cancel);
    DecodeTimer(const Backend& backend, WidthPlan plan, int context, KvRule kv, int panes, std::uint64_t seed,
                const CancelToken& cancel);
    /// Milliseconds of one step: one token of every pane. A model that the processor's caches hold is read a few times
    /// before, as it is in the loop that generates.
    double stepMs(const CancelToken& cancel);
    /// Milliseconds of reading the first `tokens` tokens in one go, by the first pane.
    double prefillMs(int tokens, const CancelToken& cancel);
    [[nodiscard]] const SubNetwork& subnet() const { return plan_->subnet; }

private:
    double timeOne(const CancelToken& cancel);

    const Backend& backend_;
    std::unique_ptr<WidthPlan> plan_; // its address stays when the timer moves
    std::vector<std::unique_ptr<KvCache>> caches_;
    std::vector<TokenId> text_;
    std::vector<StepInput> inputs_;
    std::vector<StepOutput> outputs_;
    std::size_t context_;
};

double median(std::vector<double> values);

/// Median milliseconds of each timer: every round takes one step of each, so that what disturbs the machine disturbs
/// all alike.
std::vector<double> medianStepMs(std::vector<DecodeTimer>& timers, int repeats, Console& console,
                                 const std::string& stage);

} // namespace flextron::cli
