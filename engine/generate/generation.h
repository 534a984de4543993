// Writing text through several sub-networks at once, one token of every pane at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/generate/agreement.h"
#include "engine/generate/loaded_model.h"
#include "engine/generate/sampler.h"
#include "engine/generate/trace.h"
#include "engine/routing/width_plan.h"

namespace flextron {

/// What happens when a pane is asked for widths that its cache has no K/V for.
enum class KvPolicy {
    Own,       ///< refuse: the cache is for the pane's first widths and narrower
    All,       ///< cannot happen: K/V of every group are kept
    Recompute, ///< as Own, but the prefix is read again at the new widths
};
Result<KvPolicy> parseKvPolicy(std::string_view name); ///< "own", "all", "recompute"

struct PaneSpec {
    std::string label;
    WidthPlan plan;
    Routing routing = Routing::Uniform; ///< for the trace
};

struct GenerationSettings {
    SamplerSettings sampler;
    int max_tokens = 128;                ///< new tokens; fewer when the context is full
    std::vector<std::string> stop_texts; ///< end a pane when its new text contains one; it is cut off before
    bool stop_at_eos = true;
    int top_tokens = 8; ///< kept in every record
    KvPolicy kv = KvPolicy::All;
    /// Beside every pane the full model reads the pane's tokens in the same step, and every new token's distribution is
    /// compared with the full model's. Its time is counted apart (PaneTiming::shadow_ms); it needs K/V of its own.
    bool shadow = false;
    int prefill_chunk = 64; ///< tokens a step while reading the prompt: bounds how long a stop can take
    std::string command;    ///< put into the traces
};

/// What one step brought to one pane.
struct PaneEvent {
    int pane = 0;
    int read_from = 0; ///< records [read_from, read_to) were completed by being read
    int read_to = 0;
    bool predicted = false; ///< a record was appended: the last one
    std::string text;       ///< new text that became certain (complete characters only)
    bool finished = false;
    bool compared = false; ///< with the full model: the two below are of the token just predicted
    bool agrees = false;   ///< both have the same most probable token
    double kl_to_full = 0; ///< KL(full || pane) in nats
};

/// Milliseconds; counted over the pane's own share of each step and the drawing of its tokens.
struct PaneTiming {
    double ttft_ms = 0;           ///< from the start to the first new token
    double tokens_per_second = 0; ///< new tokens after the first
    double p50_ms = 0;            ///< a new token after the first
    double p95_ms = 0;
    int new_tokens = 0;
    double shadow_ms = 0; ///< a step of the shadow beside a new token, on average; in none of the above
};

/// A run in progress. One thread at a time; the model is shared.
class Generation {
public:
    /// InvalidArgument for an empty prompt, a prompt that leaves no room in the context, ids outside the vocabulary, a
    /// plan that does not fit.
    static Result<std::unique_ptr<Generation>> start(std::shared_ptr<const LoadedModel> model,
                                                     std::vector<TokenId> prompt, std::vector<PaneSpec> panes,
                                                     GenerationSettings settings);
    ~Generation();

    [[nodiscard]] bool finished() const;
    /// Advances every unfinished pane: reads a chunk of the prompt, or the last token and predicts the next. The last
    /// predicted token is read too, so that every record is complete. Cancelled, and any other error, leaves all
    /// traces as after the step before; their stop_reason stays empty, and who gives the run up writes "cancelled".
    Result<std::vector<PaneEvent>> step(const CancelToken& cancel = {});

    /// The widths from the next token read on, and their routing for the trace (a plan with routers is dynamic in any
    /// case). Under KvPolicy::All nothing else happens; under Own wider ones than the cache has are refused
    /// (InvalidArgument says why); under Recompute the next steps then read the text again from its beginning, a chunk
    /// at a time: records are filled anew with the widths of that reading, what was predicted stays. Does nothing to a
    /// finished pane.
    Result<void> setPlan(int pane, WidthPlan plan, Routing routing = Routing::Uniform);

    [[nodiscard]] int panes() const;
    [[nodiscard]] const Trace& trace(int pane) const;
    /// All new text so far, stop text cut off.
    [[nodiscard]] const std::string& text(int pane) const;
    [[nodiscard]] PaneTiming timing(int pane) const;
    /// Over all new tokens so far; nothing is compared without GenerationSettings::shadow.
    [[nodiscard]] Agreement agreement(int pane) const;
    [[nodiscard]] std::int64_t kvBytes() const;

private:
    struct State;
    explicit Generation(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Index into the new tokens at which two panes of one run first differ; -1 while they do not.
int firstDivergence(const Trace& a, const Trace& b);

} // namespace flextron
