#include "app/commands/switch_timer.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "app/commands/decode_timer.h"
#include "engine/base/random.h"
#include "engine/base/system.h"

namespace flextron::cli {

namespace {

constexpr int kSteadyTokens = 4; ///< between two switches

double millisecondsSince(std::chrono::steady_clock::time_point began)
{
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

} // namespace

SwitchTimes timeSwitches(const std::shared_ptr<const LoadedModel>& model, const SubNetwork& smaller, int switches,
                         std::uint64_t seed, Console& console)
{
    const auto& config = model->config();
    const int room = config.max_position_embeddings - 8;
    SwitchTimes times;
    times.switches = std::max(2, std::min(switches, room / (kSteadyTokens + 1) - 3));
    std::array<WidthPlan, 2> plans;
    plans[0].subnet = fullSubNetwork(config);
    plans[1].subnet = smaller;
    std::vector<TokenId> prompt;
    for (std::uint64_t index = 0; index < 4; ++index)
        prompt.push_back(
            static_cast<TokenId>(mixBits(seed ^ mixBits(index)) % static_cast<std::uint64_t>(config.vocab_size)));
    GenerationSettings settings;
    settings.max_tokens = std::max(1, room);
    settings.stop_at_eos = false;
    settings.top_tokens = 0;
    const auto generation =
        Generation::start(model, prompt, {{"switch", plans[0], Routing::Uniform}}, settings).orThrow();
    const auto step = [&] {
        const auto began = std::chrono::steady_clock::now();
        generation->step(console.cancel()).orThrow();
        return millisecondsSince(began);
    };

    std::array<std::vector<double>, 2> steady, changed;
    std::vector<double> setting;
    // Two rounds warm up both widths; then it counts.
    for (int round = 0; round < times.switches + 2 && !generation->finished(); ++round) {
        const auto now = static_cast<std::size_t>((round + 1) % 2);
        const auto began = std::chrono::steady_clock::now();
        generation->setPlan(0, plans[now]).orThrow();
        const double set = millisecondsSince(began);
        const double first = set + step();
        std::vector<double> rest;
        for (int token = 0; token < kSteadyTokens && !generation->finished(); ++token) rest.push_back(step());
        if (round == 1) times.resident_before = residentMemory();
        if (round < 2) continue;
        setting.push_back(set);
        changed[now].push_back(first);
        steady[now].insert(steady[now].end(), rest.begin(), rest.end());
    }
    times.resident_after = residentMemory();

    times.set_ms = median(setting);
    // The dearer of the two directions counts.
    for (std::size_t widths = 0; widths < 2; ++widths) {
        if (changed[widths].empty() || steady[widths].empty()) continue;
        const double usual = median(steady[widths]);
        const double largest = *std::max_element(changed[widths].begin(), changed[widths].end());
        times.change_ms = std::max(times.change_ms, median(changed[widths]) - usual);
        times.change_ms_max = std::max(times.change_ms_max, largest - usual);
    }
    times.steady_ms = median(steady[1]);
    return times;
}

} // namespace flextron::cli
