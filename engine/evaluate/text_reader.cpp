#include "engine/evaluate/text_reader_p.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace flextron {

namespace {

constexpr int kChunkTokens = 128;
constexpr std::size_t kChunkLogits = 8u << 20; // floats a plan: with a large vocabulary fewer tokens are read together

/// The plan of a window whose first token is `start` of the text: a backend counts positions from the window's
/// beginning.
WidthPlan planFrom(const WidthPlan& plan, int start)
{
    if (start == 0 || !plan.overrides) return plan;
    auto shifted = std::make_shared<Overrides>();
    for (Override entry : plan.overrides->entries()) {
        const bool every = entry.token == Override::kAll;
        if (!every && entry.token < start) continue;
        if (!every) entry.token -= start;
        shifted->add(entry);
    }
    WidthPlan result = plan;
    result.overrides = std::move(shifted);
    return result;
}

/// Tokens [start, end) of the text, in chunks.
class Window {
public:
    Window(const Backend& backend, std::span<const WidthPlan> plans, int start, int end)
        : backend_(backend)
        , start_(start)
        , end_(end)
        , outputs_(plans.size())
    {
        for (const WidthPlan& plan : plans) {
            plans_.push_back(planFrom(plan, start));
            caches_.push_back(backend.newCache(end - start, widestOf(plan, backend.config()).heads).orThrow());
        }
    }

    void read(std::span<const TokenId> ids, int chunk, const std::function<void(const TextChunk&)>& visit,
              const CancelToken& cancel)
    {
        for (int first = start_; first < end_; first += chunk) {
            const int tokens = std::min(chunk, end_ - first);
            std::vector<StepInput> inputs;
            for (std::size_t i = 0; i < plans_.size(); ++i)
                inputs.push_back({caches_[i].get(),
                                  ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(tokens)),
                                  &plans_[i], LogitsWanted::All});
            backend_.step(inputs, outputs_, cancel).orThrow();
            visit({first, tokens, std::min(tokens, end_ - 1 - first), outputs_});
        }
    }

private:
    const Backend& backend_;
    int start_;
    int end_;
    std::vector<WidthPlan> plans_;
    std::vector<std::unique_ptr<KvCache>> caches_;
    std::vector<StepOutput> outputs_;
};

} // namespace

void readText(const Backend& backend, std::span<const TokenId> ids, std::span<const WidthPlan> plans, int window,
              const std::function<void(const TextChunk&)>& visit, const ProgressFn& progress, const CancelToken& cancel)
{
    const int length = static_cast<int>(ids.size());
    const std::size_t fitting = kChunkLogits / static_cast<std::size_t>(backend.config().vocab_size);
    const int chunk = static_cast<int>(std::clamp<std::size_t>(fitting, 1, kChunkTokens));
    for (int start = 0; start + 1 < length; start += window - 1) {
        const int end = std::min(length, start + window);
        Window(backend, plans, start, end)
            .read(
                ids, chunk,
                [&](const TextChunk& part) {
                    visit(part);
                    if (progress)
                        progress({"reading text", static_cast<std::uint64_t>(part.first + part.tokens), ids.size(),
                                  "tokens"});
                },
                cancel);
    }
}

} // namespace flextron
