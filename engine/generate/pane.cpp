#include "engine/generate/pane_p.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/generate/trace_fill_p.h"

namespace flextron {

namespace {

using Steady = std::chrono::steady_clock;

/// The value that `share` of the ascending `values` do not exceed (nearest rank).
double percentile(const std::vector<double>& values, double share)
{
    if (values.empty()) return 0.0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    return values[std::max<std::size_t>(rank, 1) - 1];
}

} // namespace

Pane::Pane(std::shared_ptr<const LoadedModel> model, const std::vector<TokenId>& prompt, PaneSpec spec,
           const GenerationSettings& settings)
    : model_(std::move(model))
    , settings_(settings)
    , plan_(std::move(spec.plan))
    , text_(model_->tokenizer, prompt, settings.stop_texts)
    , prompt_tokens_(static_cast<int>(prompt.size()))
    , capacity_(static_cast<int>(std::min<std::int64_t>(
          model_->config().max_position_embeddings, static_cast<std::int64_t>(prompt.size()) + settings.max_tokens)))
{
    trace_ = newTrace(*model_, plan_, spec.routing);
    trace_.label = std::move(spec.label);
    trace_.sampler = settings.sampler;
    trace_.command = settings.command;
    for (const TokenId id : prompt) {
        addRecord(id);
        trace_.records.back().given = true;
    }
    if (settings.max_tokens == 0) stop_reason_ = "max_tokens";
    cache_ = cacheFor(plan_);
    full_.subnet = fullSubNetwork(model_->config());
    if (settings.shadow) shadow_ = model_->backend->newCache(capacity_, full_.subnet.heads).orThrow();
}

std::unique_ptr<KvCache> Pane::cacheFor(const WidthPlan& plan) const
{
    const ModelConfig& config = model_->config();
    const bool all = settings_.kv == KvPolicy::All;
    return model_->backend->newCache(capacity_, all ? fullSubNetwork(config).heads : widestOf(plan, config).heads)
        .orThrow();
}

void Pane::addRecord(TokenId id)
{
    trace_.records.push_back(newRecord(*model_, tokens(), id));
    ids_.push_back(id);
}

// Row t of a step's logits foretells record read_ + t + 1.

bool Pane::judgesInStep() const
{
    return std::max(read_ + 1, judged_) <= std::min(read_ + count_, prompt_tokens_ - 1);
}

bool Pane::predictsInStep() const
{
    return read_ + count_ == tokens() && stop_reason_.empty();
}

StepInput Pane::nextInput()
{
    count_ = std::min(settings_.prefill_chunk, tokens() - read_);
    StepInput input;
    input.cache = cache_.get();
    input.tokens = std::span(ids_).subspan(static_cast<std::size_t>(read_), static_cast<std::size_t>(count_));
    input.plan = &plan_;
    input.logits = judgesInStep() ? LogitsWanted::All : predictsInStep() ? LogitsWanted::Last : LogitsWanted::None;
    // The comparison with the full model takes both whole distributions.
    if (!shadow_ && input.logits != LogitsWanted::None) {
        next_ids_.clear();
        for (int i = read_ + count_ - static_cast<int>(input.logitRows()); i < read_ + count_; ++i)
            next_ids_.push_back(i + 1 < tokens() ? ids_[static_cast<std::size_t>(i) + 1] : DrawInput::kDraw);
        input.draw = DrawInput{settings_.sampler, settings_.top_tokens, next_ids_};
    }
    return input;
}

std::optional<StepInput> Pane::nextShadowInput()
{
    const int count = read_ + count_ - shadow_read_;
    // A pane that reads its text anew is behind its shadow for a while; the last token is read for its own record only.
    if (!shadow_ || count <= 0 || (read_ + count_ == tokens() && !predictsInStep())) return std::nullopt;
    StepInput input;
    input.cache = shadow_.get();
    input.tokens = std::span(ids_).subspan(static_cast<std::size_t>(shadow_read_), static_cast<std::size_t>(count));
    input.plan = &full_;
    input.logits = predictsInStep() ? LogitsWanted::Last : LogitsWanted::None;
    return input;
}

void Pane::undoRead()
{
    cache_->truncate(read_);
    if (shadow_) shadow_->truncate(shadow_read_);
}

void Pane::inspect(const StepOutput& output, const StepOutput* shadow)
{
    shadow_row_.reset();
    if (shadow && !shadow->logits.empty()) shadow_row_.emplace(std::span(shadow->logits));
    shadow_pending_ms_ = shadow ? shadow->ns * 1e-6 : 0.0;
    rows_.clear();
    drawn_ = output.drawn;
    const auto vocabulary = static_cast<std::size_t>(model_->config().vocab_size);
    for (std::size_t from = 0; from < output.logits.size(); from += vocabulary)
        rows_.emplace_back(std::span(output.logits).subspan(from, vocabulary));
}

PaneEvent Pane::take(const StepOutput& output, int index)
{
    const auto start = Steady::now();
    PaneEvent event;
    event.pane = index;
    event.read_from = read_;
    event.read_to = read_ + count_;
    for (int t = 0; t < count_; ++t)
        fillRead(trace_.records[static_cast<std::size_t>(read_ + t)], output, t, count_, trace_);
    judgeGiven();
    const bool predicts = predictsInStep();
    read_ += count_;
    count_ = 0;
    if (shadow_) shadow_read_ = shadow_->length();
    pending_ms_ += output.ns * 1e-6;
    if (predicts) {
        predict(event);
        token_ms_.push_back(pending_ms_ + std::chrono::duration<double, std::milli>(Steady::now() - start).count());
        pending_ms_ = 0;
    } else if (read_ == tokens()) {
        trace_.stop_reason = stop_reason_;
        finished_ = event.finished = true;
    }
    return event;
}

void Pane::judgeGiven()
{
    if (!judgesInStep()) return;
    const int first = std::max(read_ + 1, judged_);
    const int last = std::min(read_ + count_, prompt_tokens_ - 1);
    for (int i = first; i <= last; ++i) {
        TokenRecord& record = trace_.records[static_cast<std::size_t>(i)];
        foretell(record, tokenAfter(static_cast<std::size_t>(i - 1 - read_), record.id));
    }
    judged_ = last + 1;
}

DrawnToken Pane::tokenAfter(std::size_t row, TokenId given) const
{
    if (!drawn_.empty()) return drawn_[row];
    const Distribution& distribution = rows_[row];
    return {given == DrawInput::kDraw ? distribution.sample(ids_, tokens(), settings_.sampler)
                                      : distribution.judge(given),
            distribution.top(settings_.top_tokens)};
}

void Pane::foretell(TokenRecord& record, DrawnToken token)
{
    record.logprob = token.token.logprob;
    record.rank = token.token.rank;
    record.top = std::move(token.top);
}

void Pane::predict(PaneEvent& event)
{
    if (shadow_row_) compare(event);
    DrawnToken next = tokenAfter(std::max(rows_.size(), drawn_.size()) - 1, DrawInput::kDraw);
    const TokenId id = next.token.id;
    addRecord(id);
    foretell(trace_.records.back(), std::move(next));
    event.predicted = true;
    event.text = text_.push(id);
    stop_reason_ = reasonToStop(id);
    if (!stop_reason_.empty()) event.text += text_.finish();
}

void Pane::compare(PaneEvent& event)
{
    const auto [agrees, kl] = meter_.add(*shadow_row_, rows_.back());
    event.compared = true;
    event.agrees = agrees;
    event.kl_to_full = kl;
    shadow_ms_ += shadow_pending_ms_;
}

std::string Pane::reasonToStop(TokenId id) const
{
    std::vector<TokenId> stop_ids = model_->config().eos_token_ids;
    if (stop_ids.empty() && model_->tokenizer && model_->tokenizer->eosId())
        stop_ids.push_back(*model_->tokenizer->eosId());
    if (settings_.stop_at_eos && std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) return "stop_id";
    if (text_.stopped()) return "stop_text";
    if (tokens() - prompt_tokens_ >= settings_.max_tokens) return "max_tokens";
    return tokens() >= capacity_ ? "context" : "";
}

void Pane::setPlan(WidthPlan plan, Routing routing)
{
    if (finished_) return;
    const ModelConfig& config = model_->config();
    if (plan.dynamic() && !(plan.routers->choices == trace_.choices))
        throw Failure(ErrorCode::InvalidArgument,
                      "the new routers choose between other widths than this text's record has room for",
                      "start a new run with these routers");
    const SubNetwork widest = widestOf(plan, config);
    for (std::size_t l = 0; l < widest.heads.size(); ++l) {
        if (widest.heads[l] <= cache_->heads()[l]) continue;
        if (settings_.kv == KvPolicy::Own)
            throw Failure(
                ErrorCode::InvalidArgument,
                "layer " + std::to_string(l) + " would use " + std::to_string(widest.heads[l]) +
                    " heads, but this text's keys and values are kept for " + std::to_string(cache_->heads()[l]) +
                    " only",
                "keep all keys and values, or let the text be read again (K/V policy \"all\" or \"recompute\")");
        cache_ = cacheFor(plan);
        read_ = 0;
        break;
    }
    plan_ = std::move(plan);
    describePlan(trace_, plan_, routing);
}

PaneTiming Pane::timing() const
{
    PaneTiming timing;
    timing.new_tokens = static_cast<int>(token_ms_.size());
    if (const auto compared = meter_.result().tokens; compared > 0)
        timing.shadow_ms = shadow_ms_ / static_cast<double>(compared);
    if (token_ms_.empty()) return timing;
    timing.ttft_ms = token_ms_.front();
    std::vector<double> rest(token_ms_.begin() + 1, token_ms_.end());
    double sum = 0.0;
    for (const double ms : rest) sum += ms;
    if (sum > 0.0) timing.tokens_per_second = 1000.0 * static_cast<double>(rest.size()) / sum;
    std::sort(rest.begin(), rest.end());
    timing.p50_ms = percentile(rest, 0.50);
    timing.p95_ms = percentile(rest, 0.95);
    return timing;
}

} // namespace flextron
