#include "engine/evaluate/choice.h"

#include <algorithm>
#include <cmath>

#include "engine/evaluate/mean_p.h"
#include "engine/generate/sampler_p.h"

namespace flextron {

namespace {

constexpr std::size_t kChunkTokens = 128;

/// Tokens of a context and of what is judged after it.
struct Pair {
    std::vector<TokenId> ids;
    std::size_t judged_from = 0; ///< index of the first token that is judged
};

/// As the harness does it: spaces at the end of the context belong to the continuation, and the continuation's tokens
/// are what the whole has beyond as many tokens as the context has alone.
Pair encodePair(const Tokenizer& tokenizer, std::string context, std::string continuation, TokenId prefix)
{
    const auto end = context.find_last_not_of(' ');
    const std::size_t kept = end == std::string::npos ? 0 : end + 1;
    continuation = context.substr(kept) + continuation;
    context.resize(kept);
    const Tokenizer::EncodeOptions options{true, false};
    Pair pair;
    pair.ids = tokenizer.encode(context + continuation, options).orThrow();
    pair.judged_from = tokenizer.encode(context, options).orThrow().size();
    // A token may begin in the context and end behind it; at least one must be judged.
    pair.judged_from = std::min(pair.judged_from, pair.ids.size() - 1);
    if (pair.judged_from == 0) {
        pair.ids.insert(pair.ids.begin(), prefix);
        pair.judged_from = 1;
    }
    return pair;
}

/// Keeps the last tokens that fit: one more than the context, since the last one is not read.
bool truncate(Pair& pair, std::size_t context)
{
    if (pair.ids.size() <= context + 1) return false;
    const std::size_t cut = pair.ids.size() - (context + 1);
    pair.ids.erase(pair.ids.begin(), pair.ids.begin() + static_cast<std::ptrdiff_t>(cut));
    pair.judged_from -= std::min(pair.judged_from - 1, cut);
    return true;
}

class Judge {
public:
    Judge(const LoadedModel& model, const WidthPlan& plan, const CancelToken& cancel)
        : model_(model)
        , plan_(plan)
        , cancel_(cancel)
        , cache_(model.backend->newCache(model.config().max_position_embeddings, widestOf(plan, model.config()).heads)
                     .orThrow())
    {
    }

    ItemResult judge(const TaskItem& item)
    {
        ItemResult result;
        std::vector<Pair> pairs;
        for (std::size_t i = 0; i < item.continuations.size(); ++i) {
            pairs.push_back(encodePair(*model_.tokenizer, item.contexts[i], item.continuations[i], prefix()));
            if (truncate(pairs.back(), static_cast<std::size_t>(model_.config().max_position_embeddings)))
                result.truncated = true;
        }
        readCommon(pairs);
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            bool greedy = true;
            result.logprobs.push_back(logprob(pairs[i], greedy));
            if (i == 0) result.greedy = greedy;
        }
        const auto best = [&](auto value) {
            int index = 0;
            for (int i = 1; i < static_cast<int>(pairs.size()); ++i)
                if (value(i) > value(index)) index = i;
            return index;
        };
        const auto of = [&](int i) { return result.logprobs[static_cast<std::size_t>(i)]; };
        result.chosen = best(of);
        result.chosen_norm = best(
            [&](int i) { return of(i) / std::max(1, item.characters[static_cast<std::size_t>(i)]); });
        return result;
    }

    [[nodiscard]] std::int64_t tokens() const { return tokens_; }

private:
    /// In front of a judged token there must be one that is read.
    [[nodiscard]] TokenId prefix() const
    {
        if (const auto bos = model_.tokenizer->bosId()) return *bos;
        return model_.tokenizer->eosId().value_or(0);
    }

    /// Appends tokens to the cache; `output_` then has the logits asked for.
    void read(std::span<const TokenId> ids, LogitsWanted logits)
    {
        const StepInput input{cache_.get(), ids, &plan_, logits};
        model_.backend->step({&input, 1}, {&output_, 1}, cancel_).orThrow();
        tokens_ += static_cast<std::int64_t>(ids.size());
    }

    void readSilently(std::span<const TokenId> ids)
    {
        for (std::size_t first = 0; first < ids.size(); first += kChunkTokens)
            read(ids.subspan(first, std::min(kChunkTokens, ids.size() - first)), LogitsWanted::None);
    }

    /// What all choices begin with is read once, but for the last token in front of anything that is judged.
    void readCommon(const std::vector<Pair>& pairs)
    {
        common_ = pairs.front().judged_from - 1;
        for (const Pair& pair : pairs) {
            common_ = std::min(common_, pair.judged_from - 1);
            const auto [first, second] = std::mismatch(pair.ids.begin(), pair.ids.end(), pairs.front().ids.begin(),
                                                       pairs.front().ids.end());
            common_ = std::min(common_, static_cast<std::size_t>(first - pair.ids.begin()));
        }
        cache_->truncate(0);
        readSilently(std::span(pairs.front().ids).first(common_));
    }

    double logprob(const Pair& pair, bool& greedy)
    {
        cache_->truncate(static_cast<int>(common_));
        const std::span<const TokenId> ids = pair.ids;
        readSilently(ids.subspan(common_, pair.judged_from - 1 - common_));
        const auto vocabulary = static_cast<std::size_t>(model_.config().vocab_size);
        const std::size_t chunk = std::clamp<std::size_t>((8u << 20) / vocabulary, 1, kChunkTokens);
        double sum = 0.0;
        for (std::size_t first = pair.judged_from - 1; first + 1 < ids.size(); first += chunk) {
            const std::size_t count = std::min(chunk, ids.size() - 1 - first);
            read(ids.subspan(first, count), LogitsWanted::All);
            for (std::size_t row = 0; row < count; ++row) {
                const Distribution distribution(std::span(output_.logits).subspan(row * vocabulary, vocabulary));
                const TokenId id = ids[first + row + 1];
                sum += distribution.logprob(static_cast<std::size_t>(id));
                greedy = greedy && distribution.best() == id;
            }
        }
        return sum;
    }

    const LoadedModel& model_;
    const WidthPlan& plan_;
    const CancelToken& cancel_;
    std::unique_ptr<KvCache> cache_;
    StepOutput output_;
    std::size_t common_ = 0; ///< tokens of the cache that all choices share
    std::int64_t tokens_ = 0;
};

void summarise(const Task& task, TaskResult& result)
{
    Mean accuracy, normalised, nll;
    for (std::size_t i = 0; i < result.items.size(); ++i) {
        const ItemResult& item = result.items[i];
        const int gold = task.items[i].gold;
        accuracy.add((task.greedy() ? item.greedy : item.chosen == gold) ? 1.0 : 0.0);
        normalised.add(item.chosen_norm == gold ? 1.0 : 0.0);
        nll.add(-item.logprobs[static_cast<std::size_t>(gold)]);
        result.truncated += item.truncated;
    }
    result.accuracy = accuracy.mean();
    result.accuracy_stderr = accuracy.standardError();
    if (task.normalised()) {
        result.accuracy_norm = normalised.mean();
        result.accuracy_norm_stderr = normalised.standardError();
    }
    if (task.greedy()) {
        result.perplexity = std::exp(nll.mean());
        result.perplexity_stderr = *result.perplexity * nll.standardError();
    }
}

} // namespace

Result<TaskResult> evaluateTask(const LoadedModel& model, const WidthPlan& plan, const Task& task,
                                const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] {
        if (!model.tokenizer)
            throw Failure(ErrorCode::NotFound, "this model has no tokenizer: " + model.tokenizer_problem,
                          "put the tokenizer's files beside the weights");
        if (task.items.empty())
            throw Failure(ErrorCode::InvalidArgument, "a task without questions", "give the task's official file");
        validatePlan(plan, model.config()).orThrow();
        TaskResult result;
        Judge judge(model, plan, cancel);
        for (const TaskItem& item : task.items) {
            result.items.push_back(judge.judge(item));
            if (progress)
                progress(
                    {"answering", static_cast<std::uint64_t>(result.items.size()), task.items.size(), "questions"});
        }
        result.tokens = judge.tokens();
        summarise(task, result);
        return result;
    });
}

} // namespace flextron
