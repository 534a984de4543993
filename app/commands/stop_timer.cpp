#include "app/commands/stop_timer.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "app/commands/decode_timer.h"
#include "engine/base/random.h"

namespace flextron::cli {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time)
{
    return std::chrono::duration<double, std::milli>(time).count();
}

std::unique_ptr<Generation> reading(const std::shared_ptr<const LoadedModel>& model, const std::vector<TokenId>& prompt)
{
    GenerationSettings settings;
    settings.max_tokens = 1;
    settings.top_tokens = 0;
    WidthPlan full;
    full.subnet = fullSubNetwork(model->config());
    return Generation::start(model, prompt, {{"stop", full, Routing::Uniform}}, settings).orThrow();
}

/// From the asking for a stop, `after` the start, until the engine is back; negative when it was done before.
double stopOnce(Generation& generation, Clock::duration after)
{
    CancelSource stop;
    Clock::time_point asked;
    std::jthread other([&] {
        std::this_thread::sleep_for(after);
        asked = Clock::now();
        stop.cancel();
    });
    bool stopped = false;
    while (!generation.finished() && !stopped) {
        const auto events = generation.step(stop.token());
        stopped = !events.ok() && events.error().code == ErrorCode::Cancelled;
        if (!events.ok() && !stopped) throw Failure(events.error());
    }
    const auto back = Clock::now();
    other.join();
    return stopped ? milliseconds(back - asked) : -1;
}

} // namespace

StopTimes timeStops(const std::shared_ptr<const LoadedModel>& model, int tokens, int repeats, std::uint64_t seed,
                    Console& console)
{
    const auto& config = model->config();
    const auto count = static_cast<std::uint64_t>(std::clamp(tokens, 1, config.max_position_embeddings - 1));
    std::vector<TokenId> prompt;
    for (std::uint64_t index = 0; index < count; ++index)
        prompt.push_back(
            static_cast<TokenId>(mixBits(seed ^ mixBits(index)) % static_cast<std::uint64_t>(config.vocab_size)));

    // Once undisturbed, to know how long there is something to stop.
    const auto undisturbed = reading(model, prompt);
    const auto began = Clock::now();
    while (!undisturbed->finished()) undisturbed->step(console.cancel()).orThrow();
    const auto whole = Clock::now() - began;

    std::vector<double> taken;
    for (int repeat = 0; repeat < repeats; ++repeat) {
        const double moment = openUnit(mixBits(seed + static_cast<std::uint64_t>(repeat)));
        const double ms = stopOnce(*reading(model, prompt),
                                   std::chrono::duration_cast<Clock::duration>(moment * whole));
        if (ms >= 0) taken.push_back(ms);
        console.cancel().throwIfCancelled();
    }
    StopTimes times;
    times.stops = static_cast<int>(taken.size());
    times.median_ms = median(taken);
    for (const double ms : taken) times.max_ms = std::max(times.max_ms, ms);
    return times;
}

} // namespace flextron::cli
