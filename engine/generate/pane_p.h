// One pane of a generation: its cache, its record, and what it wants to read next.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/generate/agreement_p.h"
#include "engine/generate/generation.h"
#include "engine/generate/pane_text_p.h"
#include "engine/generate/sampler_p.h"

namespace flextron {

class Pane {
public:
    /// Precondition: prompt, settings and plan are checked.
    Pane(std::shared_ptr<const LoadedModel> model, const std::vector<TokenId>& prompt, PaneSpec spec,
         const GenerationSettings& settings);

    [[nodiscard]] bool finished() const { return finished_; }
    [[nodiscard]] const Trace& trace() const { return trace_; }
    [[nodiscard]] const std::string& text() const { return text_.text(); }
    [[nodiscard]] PaneTiming timing() const;
    [[nodiscard]] std::int64_t kvBytes() const { return cache_->bytes() + (shadow_ ? shadow_->bytes() : 0); }
    [[nodiscard]] Agreement agreement() const { return meter_.result(); }

    /// What the next step shall read. Valid until the pane changes.
    [[nodiscard]] StepInput nextInput();
    /// What the full model reads along in that step: this pane's tokens that it has not read yet. To be asked after
    /// nextInput().
    [[nodiscard]] std::optional<StepInput> nextShadowInput();
    /// Looks at what that step brought: throws when the logits are not finite. Nothing has changed then but the caches.
    void inspect(const StepOutput& output, const StepOutput* shadow);
    /// Takes in what was inspected.
    PaneEvent take(const StepOutput& output, int index);
    /// Forgets what a step read whose output could not be used.
    void undoRead();
    /// Throws InvalidArgument when the cache has no K/V for the plan and the policy is KvPolicy::Own. A finished pane
    /// stays as it is.
    void setPlan(WidthPlan plan, Routing routing);

private:
    [[nodiscard]] int tokens() const { return static_cast<int>(ids_.size()); }
    [[nodiscard]] bool judgesInStep() const;
    [[nodiscard]] bool predictsInStep() const;
    [[nodiscard]] std::unique_ptr<KvCache> cacheFor(const WidthPlan& plan) const;
    void addRecord(TokenId id);
    void judgeGiven();
    /// What row `row` of the step foretells: `given`, judged, or a token drawn.
    [[nodiscard]] DrawnToken tokenAfter(std::size_t row, TokenId given) const;
    static void foretell(TokenRecord& record, DrawnToken token);
    void predict(PaneEvent& event);
    void compare(PaneEvent& event);
    [[nodiscard]] std::string reasonToStop(TokenId id) const;

    std::shared_ptr<const LoadedModel> model_;
    const GenerationSettings& settings_;
    WidthPlan plan_;
    std::unique_ptr<KvCache> cache_;
    std::unique_ptr<KvCache> shadow_; ///< the full model's, where it reads along
    WidthPlan full_;
    AgreementMeter meter_;
    Trace trace_;
    PaneText text_;
    std::vector<TokenId> ids_;          ///< of all records
    std::vector<TokenId> next_ids_;     ///< after each row of the current step's logits, where known
    std::vector<Distribution> rows_;    ///< of the logits of the current step
    std::span<const DrawnToken> drawn_; ///< in their place, where the backend draws
    std::optional<Distribution> shadow_row_;
    std::vector<double> token_ms_; ///< of each new token, the first counted from the start
    double pending_ms_ = 0;        ///< spent since the last new token
    int prompt_tokens_;
    int capacity_;                 ///< tokens the text may have
    double shadow_ms_ = 0;         ///< of the shadow's steps with a new token
    double shadow_pending_ms_ = 0; ///< of the step at hand
    int shadow_read_ = 0;          ///< records [0, shadow_read_) are in the shadow's cache
    int read_ = 0;                 ///< records [0, read_) are in the cache
    int count_ = 0;                ///< records the current step reads
    int judged_ = 1;               ///< given records [1, judged_) know their probability
    bool finished_ = false;
    std::string stop_reason_; ///< why the last record is the last; the trace gets it when that one was read
};

} // namespace flextron
