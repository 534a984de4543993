// The forward pass behind one interface: N panes, each with its own widths, tokens and cache, advance together.
//
// The reference backend (reference.h) is the definition; a faster one must agree with it on every sub-network.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/generate/sampler.h"
#include "engine/model/checkpoint.h"
#include "engine/model/subnetwork.h"
#include "engine/routing/width_plan.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// Keys and values of one text. Owned by the session, never by the model; used by one thread at a time, and with the
/// backend that made it.
class KvCache {
public:
    virtual ~KvCache() = default;
    [[nodiscard]] virtual int length() const = 0; ///< tokens held
    [[nodiscard]] virtual int capacity() const = 0;
    /// Heads whose K/V every token has, by layer, in query heads: no step may ask for more. KvRule::Own makes a cache
    /// of the sub-network's own widths, KvRule::All one of the full model's.
    [[nodiscard]] virtual const std::vector<int>& heads() const = 0;
    [[nodiscard]] virtual std::int64_t bytes() const = 0;
    /// Forgets all tokens from `length` on. Precondition: 0 <= length <= length().
    virtual void truncate(int length) = 0;
    /// A deep copy: another continuation of the same text.
    [[nodiscard]] virtual Result<std::unique_ptr<KvCache>> clone() const = 0;
};

enum class LogitsWanted { None, Last, All };

/// A wish for tokens in place of logits, from a backend that can draw them itself (on a GPU a row of logits is dear to
/// fetch). It draws as Distribution (engine/generate/sampler_p.h) would, the text being what the cache then holds.
struct DrawInput {
    static constexpr TokenId kDraw = -1;
    SamplerSettings sampler;
    int top = 0;                    ///< most probable tokens to list for every row
    std::span<const TokenId> given; ///< for each row of logits asked for: the next token, to be judged; kDraw: draw it

    /// What text asks for by default, for one row: so that what is timed is what writing does.
    static DrawInput usual()
    {
        static constexpr TokenId kOne[]{kDraw};
        return {{}, 8, kOne};
    }
};

/// What one pane reads in a step.
struct StepInput {
    KvCache* cache = nullptr;        ///< distinct for every pane
    std::span<const TokenId> tokens; ///< appended at cache->length(): one in decode, more in prefill; at least one
    const WidthPlan* plan = nullptr;
    LogitsWanted logits = LogitsWanted::Last;
    std::optional<DrawInput> draw = std::nullopt; ///< a backend that cannot draw, or not so many, gives the logits

    /// Rows of logits asked for.
    [[nodiscard]] std::size_t logitRows() const
    {
        return logits == LogitsWanted::None ? 0 : logits == LogitsWanted::Last ? 1 : tokens.size();
    }
};

/// The token after a row of logits.
struct DrawnToken {
    Sampled token;
    std::vector<TokenProbability> top; ///< most probable first
};

/// What came of it, T = tokens read, L = layers. Vectors are reused from step to step: give the same object again and
/// nothing is allocated once warm.
struct StepOutput {
    std::vector<float> logits;             ///< [0, 1 or T][vocab_size]; empty when the tokens were drawn
    std::vector<DrawnToken> drawn;         ///< [0, 1 or T]; empty unless they were asked for and the backend draws
    std::vector<std::int32_t> heads;       ///< [T][L] query heads used
    std::vector<std::int32_t> mlp;         ///< [T][L] MLP neurons used
    std::vector<float> head_probabilities; ///< [T][L][head choices]; empty without dynamic routers
    std::vector<float> mlp_probabilities;  ///< [T][L][mlp choices]; empty without dynamic routers
    std::vector<float> layer_ns; ///< [T][L] nanoseconds, a layer's time in equal parts over the tokens read together
    double ns = 0;               ///< of this pane in this step, everything included
};

/// Immutable after loading, shared by all panes and threads; a sub-network never copies a weight.
class Backend {
public:
    virtual ~Backend() = default;

    [[nodiscard]] virtual const Checkpoint& checkpoint() const = 0;
    [[nodiscard]] const ModelConfig& config() const { return checkpoint().config(); }
    /// "reference, LibTorch 2.11.0, float32, cpu": for a person and for the latency table's fingerprint.
    [[nodiscard]] virtual std::string description() const = 0;
    /// Counts the changes of a step's time that description() does not tell: another layout of the weights, other
    /// kernels. From 1; a latency table of another revision is out of date.
    [[nodiscard]] virtual int revision() const = 0;
    /// Bytes an element of the resident weights and of the K/V cache: for Cost.
    [[nodiscard]] virtual int bytesPerWeight() const = 0;
    [[nodiscard]] virtual int bytesPerKv() const = 0;
    /// Resident weights.
    [[nodiscard]] virtual std::int64_t weightBytes() const = 0;

    /// A cache for `capacity` tokens (at most max_position_embeddings) holding K/V of `heads[l]` query heads' groups in
    /// layer l.
    [[nodiscard]] virtual Result<std::unique_ptr<KvCache>> newCache(int capacity,
                                                                    const std::vector<int>& heads) const = 0;

    /// Reads every pane's tokens. Each pane's result is bit for bit what it would be alone. Errors: InvalidArgument for
    /// an id outside the vocabulary, a text longer than the cache, a plan that does not fit the model, or one that is
    /// wider than the cache's K/V (the message says which layer); then no cache has changed. Corrupt, likewise, when a
    /// token is to be drawn from logits that are not finite. Cancelled is looked for before every layer; caches are
    /// then as before the call.
    [[nodiscard]] virtual Result<void> step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                            const CancelToken& cancel = {}) const = 0;
};

} // namespace flextron
