#include "app/commands/decode_timer.h"

#include <algorithm>
#include <chrono>

#include "engine/base/random.h"

namespace flextron::cli {

namespace {

constexpr std::int64_t kSmallModelBytes = 64 << 20;
constexpr int kStepsBefore = 2;

template <class Work> double milliseconds(const Work& work)
{
    const auto began = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

} // namespace

DecodeTimer::DecodeTimer(const Backend& backend, SubNetwork subnet, int context, KvRule kv, int panes,
                         std::uint64_t seed, const CancelToken& cancel)
    : DecodeTimer(backend, WidthPlan{std::move(subnet), nullptr, 1.0, nullptr}, context, kv, panes, seed, cancel)
{
}

DecodeTimer::DecodeTimer(const Backend& backend, WidthPlan plan, int context, KvRule kv, int panes, std::uint64_t seed,
                         const CancelToken& cancel)
    : backend_(backend)
    , plan_(std::make_unique<WidthPlan>(std::move(plan)))
    , context_(static_cast<std::size_t>(std::clamp(context, 2, backend.config().max_position_embeddings)))
{
    for (std::size_t index = 0; index < context_; ++index)
        text_.push_back(static_cast<TokenId>(mixBits(seed ^ mixBits(index)) %
                                             static_cast<std::uint64_t>(backend.config().vocab_size)));
    const auto heads = kv == KvRule::Own ? plan_->subnet.heads : fullSubNetwork(backend.config()).heads;
    for (int pane = 0; pane < panes; ++pane) {
        caches_.push_back(backend.newCache(static_cast<int>(context_), heads).orThrow());
        inputs_.push_back({caches_.back().get(), std::span<const TokenId>(text_).first(context_ - 1), plan_.get(),
                           LogitsWanted::None});
    }
    outputs_.resize(caches_.size());
    backend_.step(inputs_, outputs_, cancel).orThrow();
    for (auto& input : inputs_) {
        input.tokens = std::span<const TokenId>(text_).last(1);
        input.logits = LogitsWanted::Last;
        input.draw = DrawInput::usual();
    }
    stepMs(cancel); // warms up
}

double DecodeTimer::stepMs(const CancelToken& cancel)
{
    if (backend_.weightBytes() < kSmallModelBytes)
        for (int i = 0; i < kStepsBefore; ++i) (void)timeOne(cancel);
    return timeOne(cancel);
}

double DecodeTimer::timeOne(const CancelToken& cancel)
{
    const double taken = milliseconds([&] { backend_.step(inputs_, outputs_, cancel).orThrow(); });
    for (const auto& cache : caches_) cache->truncate(static_cast<int>(context_) - 1);
    return taken;
}

double DecodeTimer::prefillMs(int tokens, const CancelToken& cancel)
{
    const auto cache = backend_.newCache(static_cast<int>(context_), caches_[0]->heads()).orThrow();
    const auto count = std::min(static_cast<std::size_t>(tokens), context_);
    const StepInput input{cache.get(), std::span<const TokenId>(text_).first(count), plan_.get(), LogitsWanted::Last};
    return milliseconds([&] { backend_.step({&input, 1}, {outputs_.data(), 1}, cancel).orThrow(); });
}

double median(std::vector<double> values)
{
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const auto middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> medianStepMs(std::vector<DecodeTimer>& timers, int repeats, Console& console,
                                 const std::string& stage)
{
    const auto progress = console.progress();
    std::vector<std::vector<double>> taken(timers.size());
    for (int repeat = 0; repeat < repeats; ++repeat) {
        for (std::size_t index = 0; index < timers.size(); ++index)
            taken[index].push_back(timers[index].stepMs(console.cancel()));
        if (progress)
            progress({stage, static_cast<std::uint64_t>(repeat + 1), static_cast<std::uint64_t>(repeats), "rounds"});
    }
    console.clearProgress();
    std::vector<double> medians;
    for (auto& values : taken) medians.push_back(median(std::move(values)));
    return medians;
}

} // namespace flextron::cli
