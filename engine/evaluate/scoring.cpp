#include "engine/evaluate/scoring.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/base/system.h"
#include "engine/evaluate/mean_p.h"
#include "engine/evaluate/text_reader_p.h"
#include "engine/generate/sampler_p.h"
#include "engine/generate/trace_fill_p.h"

namespace flextron {

namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint)
{
    throw Failure(ErrorCode::InvalidArgument, message, hint);
}

void checkIds(std::span<const TokenId> ids, const ModelConfig& config)
{
    if (ids.size() < 2)
        refuse("a text of " + std::to_string(ids.size()) + " tokens has nothing to predict",
               "give a text of at least two tokens");
    if (ids.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        refuse("a text of " + std::to_string(ids.size()) + " tokens is too long", "read it in parts");
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0 || ids[i] >= config.vocab_size)
            refuse("token " + std::to_string(i) + " of the text has the id " + std::to_string(ids[i]) +
                       "; the vocabulary has " + std::to_string(config.vocab_size),
                   "the tokenizer belongs to another model, or the ids were mistyped");
}

int checkedWindow(int window, const ModelConfig& config)
{
    const int longest = config.max_position_embeddings;
    if (window == 0) return longest;
    if (window < 2 || window > longest)
        refuse("a window of " + std::to_string(window) + " tokens; the model's context holds " +
                   std::to_string(longest),
               "give a window from 2 to " + std::to_string(longest) + ", or 0 for the whole context");
    return window;
}

std::span<const float> logitsRow(const StepOutput& output, int row, const ModelConfig& config)
{
    const auto vocabulary = static_cast<std::size_t>(config.vocab_size);
    return std::span(output.logits).subspan(static_cast<std::size_t>(row) * vocabulary, vocabulary);
}

/// Bytes of the text that tokens 1 .. n-1 add.
std::int64_t bytesOf(const std::shared_ptr<const Tokenizer>& tokenizer, std::span<const TokenId> ids)
{
    if (!tokenizer) return 0;
    TextStream stream(tokenizer);
    (void)stream.push(ids.front());
    std::size_t bytes = 0;
    for (const TokenId id : ids.subspan(1)) bytes += stream.push(id).size();
    return static_cast<std::int64_t>(bytes + stream.finish().size());
}

class Scorer {
public:
    Scorer(const LoadedModel& model, std::span<const TokenId> ids, const WidthPlan& plan, const ScoreOptions& options)
        : model_(model)
        , ids_(ids)
        , options_(options)
    {
        score.trace = newTrace(model, plan, options.routing);
        score.nll.reserve(ids.size() - 1);
        if (!options.keep_records) return;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            score.trace.records.push_back(newRecord(model, static_cast<int>(i), ids[i]));
            score.trace.records.back().given = true;
        }
    }

    void visit(const TextChunk& chunk)
    {
        const StepOutput& output = chunk.outputs.front();
        for (int row = 0; row < chunk.tokens; ++row) {
            if (row < chunk.predicts)
                judge(chunk.first + row + 1, Distribution(logitsRow(output, row, model_.config())));
            if (!options_.keep_records) continue;
            TokenRecord& record = score.trace.records[static_cast<std::size_t>(chunk.first + row)];
            // Where windows overlap, the reading that saw the text before it counts.
            if (!record.read) fillRead(record, output, row, chunk.tokens, score.trace);
        }
    }

    Score score;

private:
    void judge(int index, const Distribution& distribution)
    {
        const TokenId id = ids_[static_cast<std::size_t>(index)];
        const double logprob = distribution.logprob(static_cast<std::size_t>(id));
        score.nll.push_back(static_cast<float>(-logprob));
        score.nll_sum -= logprob;
        ++score.tokens;
        if (!options_.keep_records) return;
        TokenRecord& record = score.trace.records[static_cast<std::size_t>(index)];
        const Sampled judged = distribution.judge(id);
        record.logprob = judged.logprob;
        record.rank = judged.rank;
        record.top = distribution.top(options_.top_tokens);
    }

    const LoadedModel& model_;
    std::span<const TokenId> ids_;
    const ScoreOptions& options_;
};

/// KL(p || q) in nats; rounding can take equal distributions a hair below 0.
double divergence(const Distribution& p, const Distribution& q, std::size_t vocabulary)
{
    double sum = 0.0;
    for (std::size_t i = 0; i < vocabulary; ++i) {
        const double log_p = p.logprob(i);
        sum += std::exp(log_p) * (log_p - q.logprob(i));
    }
    return std::max(0.0, sum);
}

class AgreementSums {
public:
    void add(const Distribution& full, const Distribution& sub, std::size_t vocabulary)
    {
        agreement_.add(full.best() == sub.best() ? 1.0 : 0.0);
        kl_.add(divergence(full, sub, vocabulary));
    }
    [[nodiscard]] Agreement result() const
    {
        return {agreement_.count(), agreement_.mean(), agreement_.standardError(), kl_.mean(), kl_.standardError()};
    }

private:
    Mean agreement_;
    Mean kl_;
};

void checkComparison(std::span<const TokenId> ids, int from, const ModelConfig& config)
{
    checkIds(ids, config);
    if (from < 1 || from >= static_cast<int>(ids.size()))
        refuse("a comparison from token " + std::to_string(from) + " of " + std::to_string(ids.size()),
               "give a token from 1 to " + std::to_string(ids.size() - 1));
}

} // namespace

double Score::perplexity() const
{
    return std::exp(mean());
}

double Score::bitsPerByte() const
{
    return text_bytes > 0 ? nll_sum / (std::numbers::ln2 * static_cast<double>(text_bytes))
                          : std::numeric_limits<double>::quiet_NaN();
}

Result<Score> scoreText(const LoadedModel& model, std::span<const TokenId> ids, const WidthPlan& plan,
                        const ScoreOptions& options, const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] {
        checkIds(ids, model.config());
        const int window = checkedWindow(options.window, model.config());
        if (options.top_tokens < 0) refuse("top_tokens is " + std::to_string(options.top_tokens), "give 0 or more");
        validatePlan(plan, model.config()).orThrow();
        Scorer scorer(model, ids, plan, options);
        readText(
            *model.backend, ids, {&plan, 1}, window, [&](const TextChunk& chunk) { scorer.visit(chunk); }, progress,
            cancel);
        scorer.score.text_bytes = bytesOf(model.tokenizer, ids);
        return std::move(scorer.score);
    });
}

Result<Agreement> compareOnText(const LoadedModel& model, std::span<const TokenId> ids, int from,
                                const WidthPlan& baseline, const WidthPlan& plan, const CancelToken& cancel)
{
    return guarded([&] {
        const ModelConfig& config = model.config();
        checkComparison(ids, from, config);
        const std::array<WidthPlan, 2> plans{baseline, plan};
        for (const WidthPlan& each : plans) validatePlan(each, config).orThrow();
        AgreementSums sums;
        const auto compare = [&](const TextChunk& chunk) {
            for (int row = std::max(0, from - 1 - chunk.first); row < chunk.predicts; ++row)
                sums.add(Distribution(logitsRow(chunk.outputs[0], row, config)),
                         Distribution(logitsRow(chunk.outputs[1], row, config)),
                         static_cast<std::size_t>(config.vocab_size));
        };
        readText(*model.backend, ids, plans, config.max_position_embeddings, compare, {}, cancel);
        return sums.result();
    });
}

Result<Agreement> compareModelsOnText(const LoadedModel& baseline_model, const WidthPlan& baseline,
                                      const LoadedModel& other_model, const WidthPlan& other,
                                      std::span<const TokenId> ids, int from, const CancelToken& cancel)
{
    return guarded([&] {
        const ModelConfig& config = baseline_model.config();
        if (other_model.config().vocab_size != config.vocab_size)
            refuse(other_model.name + " has another vocabulary than " + baseline_model.name,
                   "compare models with the same tokenizer");
        checkComparison(ids, from, config);
        validatePlan(baseline, config).orThrow();
        validatePlan(other, other_model.config()).orThrow();
        const auto vocabulary = static_cast<std::size_t>(config.vocab_size);
        const std::size_t floats = (ids.size() - static_cast<std::size_t>(from)) * vocabulary;
        if (floats * sizeof(float) > static_cast<std::uint64_t>(availableMemory()) / 4)
            throw Failure(ErrorCode::OutOfMemory, "the predictions for this text do not fit the memory that is free",
                          "compare on a shorter text");
        // Entry i foretells token from + i.
        const int window = std::min(config.max_position_embeddings, other_model.config().max_position_embeddings);
        const auto each = [&](const TextChunk& chunk, const auto& visit) {
            for (int row = std::max(0, from - 1 - chunk.first); row < chunk.predicts; ++row)
                visit(static_cast<std::size_t>(chunk.first + row + 1 - from), logitsRow(chunk.outputs[0], row, config));
        };
        std::vector<float> kept(floats);
        const auto keep = [&](std::size_t index, std::span<const float> logits) {
            std::copy(logits.begin(), logits.end(), kept.begin() + static_cast<std::ptrdiff_t>(index * vocabulary));
        };
        readText(
            *baseline_model.backend, ids, {&baseline, 1}, window, [&](const TextChunk& chunk) { each(chunk, keep); },
            {}, cancel);
        AgreementSums sums;
        const auto compare = [&](std::size_t index, std::span<const float> logits) {
            sums.add(Distribution(std::span<const float>(kept).subspan(index * vocabulary, vocabulary)),
                     Distribution(logits), vocabulary);
        };
        readText(
            *other_model.backend, ids, {&other, 1}, window, [&](const TextChunk& chunk) { each(chunk, compare); }, {},
            cancel);
        return sums.result();
    });
}

} // namespace flextron
