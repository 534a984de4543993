#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "engine/base/system.h"
#include "engine/compute/device.h"
#include "engine/latency/measure_p.h"
#include "engine/routing/overrides.h"
#include "engine/routing/routers.h"

namespace flextron {

namespace {

constexpr double kQuickMs = 3000; // over all contexts
constexpr int kWarmUpRounds = 2;
/// A model that the processor's caches hold is read a few times before a timed step, as it is in the loop that
/// generates.
constexpr int kStepsBefore = 2;
constexpr std::int64_t kSmallModelBytes = 64 << 20;
constexpr int kCheckRepeats = 5;
constexpr double kStaleRatio = 0.15;
constexpr int kPrefillChunk = 256;
constexpr int kUsualRouter = 32; // inner size

double median(std::vector<double> values)
{
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Distance of the quartiles over the median.
double relativeSpread(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    const double middle = values[values.size() / 2];
    return middle > 0.0 ? (values[values.size() * 3 / 4] - values[values.size() / 4]) / middle : 0.0;
}

/// A decode step that can be repeated: after each, the cache forgets the token.
class Probe {
public:
    /// `cache` holds all tokens but the measured one.
    Probe(const Backend& backend, std::shared_ptr<KvCache> cache, const SubNetwork& subnet)
        : backend_(backend)
        , cache_(std::move(cache))
    {
        plan_.subnet = subnet;
    }
    void setPlan(WidthPlan plan) { plan_ = std::move(plan); }

    double timeOne(const ClockMs& clock, const CancelToken& cancel)
    {
        if (backend_.weightBytes() < kSmallModelBytes)
            for (int i = 0; i < kStepsBefore; ++i) (void)step(clock, cancel);
        return step(clock, cancel);
    }

    std::vector<double> times;

private:
    double step(const ClockMs& clock, const CancelToken& cancel)
    {
        const TokenId token = 0;
        const int length = cache_->length();
        const StepInput input{cache_.get(), {&token, 1}, &plan_, LogitsWanted::Last, DrawInput::usual()};
        const double start = clock();
        backend_.step({&input, 1}, {&output_, 1}, cancel).orThrow();
        const double end = clock();
        cache_->truncate(length);
        return end - start;
    }

    const Backend& backend_;
    std::shared_ptr<KvCache> cache_;
    WidthPlan plan_;
    StepOutput output_;
};

/// A cache in which the next token is the `context`-th. All sub-blocks are skipped while it is filled: only K/V are
/// computed.
std::shared_ptr<KvCache> filledCache(const Backend& backend, const std::vector<int>& heads, int context,
                                     const CancelToken& cancel)
{
    std::shared_ptr<KvCache> cache = backend.newCache(context, heads).orThrow();
    const WidthPlan plan{uniformSubNetwork(backend.config(), 0, 0), nullptr, 1.0, nullptr};
    const std::vector<TokenId> tokens(kPrefillChunk, 0);
    StepOutput output;
    while (cache->length() < context - 1) {
        const auto count = static_cast<std::size_t>(std::min(kPrefillChunk, context - 1 - cache->length()));
        const StepInput input{cache.get(), {tokens.data(), count}, &plan, LogitsWanted::None};
        backend.step({&input, 1}, {&output, 1}, cancel).orThrow();
    }
    return cache;
}

/// The same width in every layer, or all the layer has where that is less.
std::vector<int> everywhere(int width, const std::vector<int>& full)
{
    std::vector<int> widths(full);
    for (int& own : widths) own = std::min(own, width);
    return widths;
}

/// Milliseconds a layer: in each round the probe's step less the base's, so that a machine that grows slower or faster
/// cancels out.
double perLayer(const Probe& probe, const Probe& base, int layers)
{
    std::vector<double> differences;
    for (std::size_t i = 0; i < probe.times.size(); ++i) differences.push_back(probe.times[i] - base.times[i]);
    return std::max(0.0, median(std::move(differences)) / layers);
}

/// The full model with routers at work whose choices do not count.
WidthPlan routedAtFullWidth(const Backend& backend, std::shared_ptr<const Routers> routers)
{
    const SubNetwork full = fullSubNetwork(backend.config());
    auto forced = std::make_shared<Overrides>();
    for (int l = 0; l < backend.config().numLayers(); ++l) {
        forced->add({Override::kAll, l, SubBlock::Attention, full.heads[static_cast<std::size_t>(l)]});
        forced->add({Override::kAll, l, SubBlock::Mlp, full.mlp[static_cast<std::size_t>(l)]});
    }
    return {full, std::move(routers), 1.0, std::move(forced)};
}

/// Of a table's widths, which begin with 0 where the table is ours; one from a file may hold a single entry.
int narrowest(const std::vector<int>& widths)
{
    return widths.size() > 1 ? widths[1] : widths.front();
}

std::vector<int> withZero(std::vector<int> widths)
{
    widths.insert(widths.begin(), 0);
    return widths;
}

/// Counts rounds for the progress display.
class Rounds {
public:
    Rounds(std::uint64_t total, const ProgressFn& progress) : total_(total), progress_(progress) {}
    void next() { skip(1); }
    void skip(int rounds)
    {
        done_ += static_cast<std::uint64_t>(rounds);
        if (progress_) progress_({"measuring latency", done_, total_, "rounds"});
    }

private:
    std::uint64_t done_ = 0;
    std::uint64_t total_;
    const ProgressFn& progress_;
};

class Measurement {
public:
    Measurement(const Backend& backend, const ClockMs& clock, const CancelToken& cancel)
        : backend_(backend)
        , full_(fullSubNetwork(backend.config()))
        , clock_(clock)
        , cancel_(cancel)
    {
    }

    LatencyTable run(const MeasureOptions& options, const ProgressFn& progress)
    {
        prepare(options);
        const std::vector<int> contexts = std::exchange(table_.contexts, {});
        if (!options.resume.empty()) goOn(options.resume, contexts);
        const std::size_t done = table_.contexts.size();
        Rounds rounds((contexts.size() - done) * static_cast<std::uint64_t>(most_repeats_ + kWarmUpRounds), progress);
        for (std::size_t i = done; i < contexts.size(); ++i) {
            const int before = table_.repeats;
            measureContext(contexts[i], i == 0, kQuickMs / static_cast<double>(contexts.size()), rounds);
            if (i > 0) table_.repeats = std::min(before, table_.repeats);
            table_.contexts.push_back(contexts[i]);
            table_.noise = std::max(i == done ? table_.noise : 0.0, median(spreads_));
            if (!options.resume.empty()) writeLatencyTable(options.resume, table_).orThrow();
        }
        std::error_code ignored;
        if (!options.resume.empty()) std::filesystem::remove(options.resume, ignored);
        return table_;
    }

private:
    /// What an earlier measurement of the same kind left behind. Anything else is measured anew.
    void goOn(const std::filesystem::path& file, const std::vector<int>& contexts)
    {
        const auto kept = readLatencyTable(file);
        if (!kept || !fitsBackend(*kept, backend_) || kept->mlp_widths != table_.mlp_widths ||
            kept->head_counts != table_.head_counts || kept->router_inter_dim != table_.router_inter_dim ||
            kept->contexts.size() > contexts.size() ||
            !std::equal(kept->contexts.begin(), kept->contexts.end(), contexts.begin()))
            return;
        table_ = *kept;
    }

    void prepare(const MeasureOptions& options)
    {
        if (options.repeats < 1)
            throw Failure(ErrorCode::InvalidArgument, "latency needs at least 1 repeat", "give 15");
        const ChoiceSets& choices = backend_.checkpoint().choices();
        table_.fingerprint = latencyFingerprint(backend_);
        table_.revision = backend_.revision();
        table_.device = deviceName(backend_);
        quick_ = options.quick;
        most_repeats_ = quick_ ? kMostQuickRounds : options.repeats;
        routers_ = options.routers && options.routers->dynamic()
                       ? options.routers
                       : std::make_shared<const Routers>(
                             randomRouters(backend_.config(), choices, {1.0, 0.75, 0.5}, kUsualRouter, /*seed=*/1));
        table_.router_inter_dim = routers_->router_inter_dim;
        table_.mlp_widths = withZero(choices.mlp_int_list);
        table_.head_counts = withZero(choices.head_int_list);
        table_.contexts = contextsOf(options);
    }

    [[nodiscard]] std::vector<int> contextsOf(const MeasureOptions& options) const
    {
        const int longest = backend_.config().max_position_embeddings;
        std::vector<int> contexts;
        for (const int context : options.contexts) {
            if (context < 1)
                throw Failure(ErrorCode::InvalidArgument, "a context of " + std::to_string(context) + " tokens",
                              "give at least 1");
            contexts.push_back(std::min(context, longest));
        }
        if (contexts.empty())
            throw Failure(ErrorCode::InvalidArgument, "latency was asked for at no context length",
                          "give one, such as 256");
        std::sort(contexts.begin(), contexts.end());
        contexts.erase(std::unique(contexts.begin(), contexts.end()), contexts.end());
        if (options.quick && contexts.size() > 2) contexts = {contexts.front(), contexts.back()};
        return contexts;
    }

    /// Each kind of sub-block is measured beside the other at full width, against a base that skips it: measured alone
    /// it would find its weights in the processor's caches, which in a real step hold the other's as well.
    void measureContext(int context, bool first, double quick_ms, Rounds& rounds)
    {
        const std::vector<int> none(full_.heads.size(), 0);
        const auto empty = filledCache(backend_, none, context, cancel_);
        const auto all = filledCache(backend_, full_.heads, context, cancel_);
        std::vector<Probe> probes{{backend_, empty, {full_.mlp, none}}, {backend_, all, {none, full_.heads}}};
        const Span mlp = append(probes, first ? table_.mlp_widths.size() - 1 : 0, [&](std::size_t i) {
            return Probe(backend_, all, {everywhere(table_.mlp_widths[i + 1], full_.mlp), full_.heads});
        });
        const Span own = append(probes, table_.head_counts.size() - 1, [&](std::size_t i) {
            const std::vector<int> heads = everywhere(table_.head_counts[i + 1], full_.heads);
            return Probe(backend_, filledCache(backend_, heads, context, cancel_), {full_.mlp, heads});
        });
        const Span shared = append(probes, table_.head_counts.size(), [&](std::size_t i) {
            return Probe(backend_, all, {full_.mlp, everywhere(table_.head_counts[i], full_.heads)});
        });

        // Last, beside the full model that it is compared with.
        if (first) {
            probes.emplace_back(backend_, all, full_);
            probes.back().setPlan(routedAtFullWidth(backend_, routers_));
        }

        timeAll(probes, quick_ms, rounds);
        table_.attention_own_ms.push_back(differences(probes, own, probes[0], {0.0}));
        table_.attention_all_ms.push_back(differences(probes, shared, probes[0], {}));
        if (!first) return;
        table_.mlp_ms = differences(probes, mlp, probes[1], {0.0});
        table_.router_ms = perLayer(probes.back(), probes[shared.end - 1], backend_.config().numLayers());
        // What is left of the full model: so its own time is predicted exactly.
        const int layers = backend_.config().numLayers();
        const double in_layers = layers * (table_.mlp_ms.back() + table_.attention_all_ms.back().back());
        table_.fixed_ms = std::max(0.0, median(probes[shared.end - 1].times) - in_layers);
    }

    /// Where one kind of probe stands among all.
    struct Span {
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    template <class Make> static Span append(std::vector<Probe>& probes, std::size_t count, const Make& make)
    {
        const std::size_t begin = probes.size();
        for (std::size_t i = 0; i < count; ++i) probes.push_back(make(i));
        return {begin, probes.size()};
    }

    [[nodiscard]] std::vector<double> differences(const std::vector<Probe>& probes, Span span, const Probe& base,
                                                  std::vector<double> before) const
    {
        for (std::size_t i = span.begin; i < span.end; ++i)
            before.push_back(perLayer(probes[i], base, backend_.config().numLayers()));
        return before;
    }

    /// One step of every probe a round: what disturbs the machine for a while disturbs all alike.
    void timeAll(std::vector<Probe>& probes, double quick_ms, Rounds& rounds)
    {
        const double start = clock_();
        for (int round = 0; round < kWarmUpRounds + most_repeats_; ++round) {
            if (quick_ && round >= kWarmUpRounds + kLeastQuickRounds && clock_() - start > quick_ms) {
                rounds.skip(kWarmUpRounds + most_repeats_ - round);
                break;
            }
            for (Probe& probe : probes) {
                const double ms = probe.timeOne(clock_, cancel_);
                if (round >= kWarmUpRounds) probe.times.push_back(ms);
            }
            rounds.next();
        }
        table_.repeats = static_cast<int>(probes.front().times.size());
        for (const Probe& probe : probes) spreads_.push_back(relativeSpread(probe.times));
    }

    const Backend& backend_;
    const SubNetwork full_;
    const ClockMs& clock_;
    const CancelToken& cancel_;
    LatencyTable table_;
    std::shared_ptr<const Routers> routers_;
    bool quick_ = true;
    int most_repeats_ = 0;
    std::vector<double> spreads_;
};

double steadyMs()
{
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

LatencyTable measureLatencyWith(const Backend& backend, const MeasureOptions& options, const ClockMs& clock,
                                const ProgressFn& progress, const CancelToken& cancel)
{
    LatencyTable table = Measurement(backend, clock, cancel).run(options, progress);
    table.measured_at = nowInUtc();
    return table;
}

StaleCheck checkLatencyTableWith(const LatencyTable& table, const Backend& backend, const ClockMs& clock,
                                 const CancelToken& cancel)
{
    if (!fitsBackend(table, backend))
        throw Failure(ErrorCode::InvalidArgument, "the latency table was measured on another device, model or version",
                      "measure it again (flextron profile)");
    const SubNetwork full = fullSubNetwork(backend.config());
    const int context = table.contexts.back();
    const auto all = filledCache(backend, full.heads, context, cancel);
    // The full model, and one with each kind of sub-block at its narrowest.
    const std::vector<SubNetwork> entries{full,
                                          {everywhere(narrowest(table.mlp_widths), full.mlp), full.heads},
                                          {full.mlp, everywhere(narrowest(table.head_counts), full.heads)}};
    std::vector<Probe> probes;
    for (const SubNetwork& subnet : entries) probes.push_back({backend, all, subnet});
    for (int round = 0; round < kWarmUpRounds + kCheckRepeats; ++round)
        for (Probe& probe : probes) {
            const double ms = probe.timeOne(clock, cancel);
            if (round >= kWarmUpRounds) probe.times.push_back(ms);
        }
    StaleCheck check;
    for (std::size_t i = 0; i < probes.size(); ++i) {
        const double predicted = table.predictMs(entries[i], context, KvRule::All);
        const double ratio = predicted > 0.0 ? median(probes[i].times) / predicted : 1.0;
        if (std::abs(std::log(ratio)) > std::abs(std::log(check.worst_ratio))) check.worst_ratio = ratio;
    }
    check.stale = std::abs(check.worst_ratio - 1.0) > kStaleRatio;
    return check;
}

std::string deviceName(const Backend& backend)
{
    const std::string description = backend.description();
    const auto cuda = description.find("cuda:");
    if (cuda == std::string::npos) return cpuName();
    const auto request = parseDevice(description.substr(cuda, description.find(',', cuda) - cuda));
    if (!request) return description;
    const auto device = chooseDevice(*request);
    return device ? device->name : description;
}

Result<LatencyTable> measureLatency(const Backend& backend, const MeasureOptions& options, const ProgressFn& progress,
                                    const CancelToken& cancel)
{
    return guarded([&] { return measureLatencyWith(backend, options, steadyMs, progress, cancel); });
}

Result<StaleCheck> checkLatencyTable(const LatencyTable& table, const Backend& backend, const CancelToken& cancel)
{
    return guarded([&] { return checkLatencyTableWith(table, backend, steadyMs, cancel); });
}

} // namespace flextron
