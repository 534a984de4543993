// How near a decode step comes to reading the bytes it needs: the figures of docs/performance.md, "CPU decode".
//
//   decode_bench [--model 213m|135m|bundled|tiny] [--weights bf16|f32|f16|q8] [--kv-type auto|f32|f16|bf16]
//                [--threads N] [--rounds N]
//
// Everything that is compared is measured in turns within one run, and medians are given, of times and of the ratios
// within a turn: a machine that others use slows all of it alike. Weights are random; what they are does not change the
// time.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/memory_bandwidth_p.h"
#include "engine/base/system.h"
#include "engine/compute/decode/kernels_p.h"
#include "engine/compute/decode_backend.h"
#include "engine/model/cost.h"

using namespace flextron;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kContext = 256; // tokens in the cache when a step is timed, the new one included

double millisecondsSince(Clock::time_point start)
{
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// How many times as long as `base` something took: the median over rounds, in each of which both were timed. The
/// machine's pace changes more from round to round than within one.
double ratio(const std::vector<double>& times, const std::vector<double>& base)
{
    std::vector<double> ratios;
    for (std::size_t i = 0; i < times.size(); ++i) ratios.push_back(times[i] / base[i]);
    return median(std::move(ratios));
}

struct Options {
    std::string model = "213m";
    std::string weights = "bf16";
    std::string kv = "auto";
    int threads = 0;
    int rounds = 15;
};

[[noreturn]] void usage(const std::string& problem)
{
    std::fprintf(stderr, "decode_bench: %s\n", problem.c_str());
    std::exit(2);
}

Options parse(int argc, char** argv)
{
    Options options;
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 >= argc) usage(name + " needs a value");
        if (name == "--model") options.model = argv[i + 1];
        else if (name == "--weights") options.weights = argv[i + 1];
        else if (name == "--kv-type") options.kv = argv[i + 1];
        else if (name == "--threads") options.threads = std::atoi(argv[i + 1]);
        else if (name == "--rounds") options.rounds = std::max(3, std::atoi(argv[i + 1]));
        else usage("there is no option " + name);
    }
    return options;
}

ModelConfig shapeOf(const std::string& name)
{
    struct Shape {
        const char* name;
        int layers, hidden, heads, groups, mlp, vocab;
    };
    constexpr Shape kShapes[] = {{"213m", 16, 1024, 16, 4, 2816, 32000},
                                 {"135m", 30, 576, 9, 3, 1536, 49152},
                                 {"bundled", 8, 256, 8, 8, 704, 4096},
                                 {"tiny", 2, 64, 4, 2, 160, 512}};
    for (const Shape& shape : kShapes) {
        if (name != shape.name) continue;
        ModelConfig config;
        config.hidden_size = shape.hidden;
        config.head_dim = shape.hidden / shape.heads;
        config.vocab_size = shape.vocab;
        config.max_position_embeddings = 1024;
        config.layers.assign(static_cast<std::size_t>(shape.layers), {shape.heads, shape.groups, shape.mlp});
        config.tie_word_embeddings = true;
        return config;
    }
    usage("there is no model " + name);
}

/// A folder that goes away with the program.
class TemporaryFolder {
public:
    TemporaryFolder()
    {
        std::string name = (fs::temp_directory_path() / "flextron-bench-XXXXXX").string();
        if (!mkdtemp(name.data())) usage("no temporary folder could be made");
        path_ = name;
    }
    ~TemporaryFolder()
    {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

std::shared_ptr<const Checkpoint> writeRandomModel(const fs::path& folder, const ModelConfig& config)
{
    CheckpointContents contents;
    contents.config = config;
    contents.dtype = DType::BFloat16;
    std::vector<std::vector<std::uint16_t>> storage;
    std::uint64_t state = 0x9e3779b97f4a7c15u;
    for (const auto& [name, shape] : expectedTensors(config)) {
        const std::int64_t elements = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
        std::vector<std::uint16_t> values(static_cast<std::size_t>(elements), 0x3f80); // 1
        if (shape.size() == 2)
            for (std::uint16_t& v : values) {
                state ^= state << 13, state ^= state >> 7, state ^= state << 17;
                // A sign, and a magnitude between 2^-7 and 2^-5.
                v = static_cast<std::uint16_t>(((state & 1) << 15) | 0x3c00u | ((state >> 8) & 0xffu));
            }
        storage.push_back(std::move(values));
        contents.tensors.push_back({name, {contents.dtype, shape, std::as_bytes(std::span(storage.back()))}});
    }
    writeCheckpoint(folder, contents).orThrow();
    return Checkpoint::open(folder).orThrow();
}

void onThreads(int threads, const std::function<void(int)>& body)
{
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(body, i);
    body(0);
    for (std::thread& other : others) other.join();
}

/// FLOPs a second of the widest product on data that stays in the core.
double peakFlops(int threads)
{
    const decode::Kernels& kernels = decode::bestKernels();
    constexpr int kInputs = 256, kTimes = 2000;
    const auto start = Clock::now();
    onThreads(threads, [&](int) {
        const Memory panel(decode::panelBytes(decode::PanelType::Float32, kInputs));
        std::vector<float> a(static_cast<std::size_t>(kInputs * kernels.tile_rows), 1.0f);
        std::vector<float> c(static_cast<std::size_t>(kernels.tile_rows * decode::kPanel));
        decode::PanelProduct product;
        product.a = a.data();
        product.a_stride = static_cast<std::size_t>(kernels.tile_rows);
        product.rows = kernels.tile_rows;
        product.panels = panel.data();
        product.panel_bytes = panel.bytes();
        product.segment_length = kInputs;
        product.c = c.data();
        product.c_stride = decode::kPanel;
        for (int i = 0; i < kTimes; ++i) kernels.product[0](product);
    });
    return 2.0 * kInputs * decode::kPanel * kernels.tile_rows * kTimes * threads / (millisecondsSince(start) * 1e-3);
}

/// The same widths in every layer, with bytes a token as near as can be to `share` of the full model's.
SubNetwork subnetAt(const ModelConfig& config, const CostOptions& cost, double share)
{
    const LayerSizes full = config.maxSizes();
    const double wanted = share * static_cast<double>(costOf(fullSubNetwork(config), config, cost).bytes());
    SubNetwork best = fullSubNetwork(config);
    double least = 1e300;
    for (int g = 1; g <= full.num_key_value_heads; ++g)
        for (int m = 32; m <= full.intermediate_size; m += 32) {
            const SubNetwork subnet = uniformSubNetwork(config, m, g * config.headsPerGroup());
            const double skew = std::abs(double(m) / full.intermediate_size - double(g) / full.num_key_value_heads);
            const double off = std::abs(double(costOf(subnet, config, cost).bytes()) / wanted - 1) + 0.02 * skew;
            if (off < least) least = off, best = subnet;
        }
    return best;
}

/// Routers whose choice is always the same: what routing itself costs, at widths that a static plan can have too.
std::shared_ptr<const Routers> constantRouters(const ModelConfig& config, const ChoiceSets& choices, std::size_t choice)
{
    Routers routers = randomRouters(config, choices, {1.0, 0.75, 0.5}, 32, 1);
    for (auto* networks : {&routers.heads, &routers.mlp})
        for (RouterNetwork& network : *networks) {
            std::fill(network.output.weight.begin(), network.output.weight.end(), 0.0f);
            std::fill(network.output.bias.begin(), network.output.bias.end(), 0.0f);
            network.output.bias[std::min(choice, network.output.bias.size() - 1)] = 1.0f;
        }
    return std::make_shared<const Routers>(std::move(routers));
}

/// Something to time: a step of some panes at kContext, undone afterwards.
class Trial {
public:
    Trial(const Backend& backend, std::vector<WidthPlan> plans, KvRule kv, int tokens = 1)
        : backend_(backend)
        , plans_(std::move(plans))
        , outputs_(plans_.size())
        , tokens_(static_cast<std::size_t>(tokens), 7)
    {
        const std::vector<TokenId> prompt(kContext - 1, 5);
        for (const WidthPlan& plan : plans_) {
            const auto heads = kv == KvRule::All ? fullSubNetwork(backend.config()).heads : plan.subnet.heads;
            caches_.push_back(backend.newCache(kContext + tokens, heads).orThrow());
            const StepInput input{caches_.back().get(), prompt, &plan, LogitsWanted::None};
            backend_.step({&input, 1}, {outputs_.data(), 1}).orThrow();
        }
        (void)once();
    }

    double once()
    {
        inputs_.clear();
        for (std::size_t p = 0; p < plans_.size(); ++p)
            inputs_.push_back({caches_[p].get(), tokens_, &plans_[p], LogitsWanted::Last});
        const auto start = Clock::now();
        backend_.step(inputs_, outputs_).orThrow();
        const double time = millisecondsSince(start);
        for (const auto& cache : caches_) cache->truncate(kContext - 1);
        return time;
    }
    WidthPlan& plan() { return plans_.front(); }

    std::vector<double> times;

private:
    const Backend& backend_;
    std::vector<WidthPlan> plans_;
    std::vector<std::unique_ptr<KvCache>> caches_;
    std::vector<StepOutput> outputs_;
    std::vector<TokenId> tokens_;
    std::vector<StepInput> inputs_;
};

WidthPlan fixed(SubNetwork subnet)
{
    return {std::move(subnet), nullptr, 1.0, nullptr};
}

class Benchmark {
public:
    Benchmark(const Options& options, const Backend& backend)
        : options_(options)
        , backend_(backend)
        , config_(backend.config())
        , threads_(options.threads > 0 ? options.threads : usableProcessors())
    {
        cost_.context = kContext;
        cost_.bytes_per_weight = backend.bytesPerWeight();
        cost_.bytes_per_kv = backend.bytesPerKv();
        small_ = backend.weightBytes() < 64'000'000;
    }

    void run()
    {
        const SubNetwork full = fullSubNetwork(config_);
        const double shares[] = {0.75, 0.5, 0.35};
        std::vector<Trial> subnets;
        subnets.emplace_back(backend_, std::vector{fixed(full)}, KvRule::Own);
        for (const double share : shares)
            subnets.emplace_back(backend_, std::vector{fixed(subnetAt(config_, cost_, share))}, KvRule::Own);
        std::vector<WidthPlan> mixed;
        for (const double share : {1.0, 0.9, 0.75, 0.6, 0.5, 0.35})
            mixed.push_back(fixed(share == 1.0 ? full : subnetAt(config_, cost_, share)));
        Trial panes(backend_, mixed, KvRule::Own);

        const ChoiceSets choices = defaultChoiceSets(config_);
        const std::size_t middle = choices.mlp_int_list.size() / 2;
        const SubNetwork half = uniformSubNetwork(
            config_, choices.mlp_int_list[middle],
            choices.head_int_list[std::min(middle, choices.head_int_list.size() - 1)]);
        WidthPlan routed = fixed(half);
        routed.routers = constantRouters(config_, choices, middle);
        routed.budget = 0.6;
        Trial dynamic(backend_, {routed}, KvRule::All);
        Trial half_all(backend_, {fixed(half)}, KvRule::All);
        Trial half_own(backend_, {fixed(half)}, KvRule::Own);
        Trial switching(backend_, {fixed(full)}, KvRule::All);

        const std::int64_t bytes = costOf(full, config_, cost_).bytes();
        MemoryReader memory(threads_, bytes);
        std::vector<Trial*> trials{&panes, &dynamic, &half_all, &half_own};
        for (Trial& trial : subnets) trials.push_back(&trial);
        std::mt19937_64 order(1);
        std::vector<double> reads, peaks;
        for (int round = 0; round < options_.rounds; ++round) {
            for (int i = small_ ? 0 : 3; i < 4; ++i) { // like sample()
                const double time = 1e3 * memory.read();
                if (i == 3) reads.push_back(time);
            }
            // Whoever follows six panes finds the caches full of theirs: each should be that now and then.
            std::shuffle(trials.begin(), trials.end(), order);
            for (Trial* trial : trials) sample(*trial);
            sampleChanges(switching, {&half, &full});
            peaks.push_back(peakFlops(threads_));
        }

        const double read = median(reads), peak = median(peaks);
        const std::vector<double>& widest = subnets[0].times;
        const double whole = median(widest);
        std::printf("plain read of as many bytes     %8.3f ms   %6.1f GB/s\n", read, gigabytes(bytes, read));
        std::printf("full model                      %8.3f ms   %6.1f GB/s   %.2f of the plain read\n", whole,
                    gigabytes(bytes, whole), ratio(reads, widest));
        for (std::size_t i = 0; i < 3; ++i) {
            const SubNetwork subnet = subnetAt(config_, cost_, shares[i]);
            const double share = double(costOf(subnet, config_, cost_).bytes()) / double(bytes);
            const double faster = ratio(widest, subnets[i + 1].times);
            std::printf("%.3f of the bytes              %8.3f ms   %.2f x faster, %.2f of the ratio of bytes\n", share,
                        median(subnets[i + 1].times), faster, faster * share);
        }
        double flops = 0;
        for (const WidthPlan& plan : mixed) flops += double(costOf(plan.subnet, config_, cost_).flops_per_token);
        std::printf("six panes                       %8.3f ms   %.2f x the widest alone; FLOPs at 0.6 of the peak of "
                    "%.0f GFLOP/s: %.3f ms\n",
                    median(panes.times), ratio(panes.times, widest), peak * 1e-9, flops / (0.6 * peak) * 1e3);
        std::printf(
            "dynamic routing                 %8.3f ms   %+.1f %% over static at the same widths, K/V rule all\n",
            median(dynamic.times), 100 * (ratio(dynamic.times, half_all.times) - 1));
        std::printf("K/V rule all at these widths    %8.3f ms   %+.1f %% over own\n", median(half_all.times),
                    100 * (ratio(half_all.times, half_own.times) - 1));
        std::printf("changing the target             %8.1f us (the first step after a change over the second)\n",
                    1e3 * median(changes_));
        std::printf("outside the memory stream       %8.2f us a layer (time less bytes at the plain read's speed)\n",
                    1e3 * (whole - read) / config_.numLayers());
        prefill();
    }

private:
    /// A small model stays in the cache, as in a real run: it is read a few times before the one that counts.
    void sample(Trial& trial) const
    {
        if (small_)
            for (int i = 0; i < 3; ++i) (void)trial.once();
        trial.times.push_back(trial.once());
    }

    /// Two steps at each of two targets, in turns: the first after a change, and one like it without a change.
    void sampleChanges(Trial& trial, std::initializer_list<const SubNetwork*> targets)
    {
        double first = 0, second = 0;
        for (int turn = small_ ? 0 : 3; turn < 4; ++turn) { // like sample()
            first = second = 0;
            for (const SubNetwork* target : targets) {
                trial.plan().subnet = *target;
                first += trial.once();
                second += trial.once();
            }
        }
        changes_.push_back((first - second) / static_cast<double>(targets.size()));
    }

    void prefill()
    {
        const double peak = peakFlops(threads_);
        for (const int tokens : {64, 256}) {
            Trial trial(backend_, {fixed(fullSubNetwork(config_))}, KvRule::Own, tokens);
            for (int i = 0; i < std::max(3, options_.rounds / 3); ++i) trial.times.push_back(trial.once());
            const double time = median(trial.times);
            CostOptions cost = cost_;
            cost.context = kContext + tokens / 2;
            // The output head is used once, not for every token.
            const double head = 2.0 * config_.hidden_size * config_.vocab_size;
            const double flops = tokens *
                                 (double(costOf(fullSubNetwork(config_), config_, cost).flops_per_token) - head);
            std::printf("prefill of %3d tokens           %8.3f ms   %.0f tokens/s, %.2f of the peak\n", tokens, time,
                        tokens / time * 1e3, flops / (time * 1e-3) / peak);
        }
    }

    static double gigabytes(std::int64_t bytes, double milliseconds) { return double(bytes) / milliseconds * 1e-6; }

    const Options& options_;
    const Backend& backend_;
    const ModelConfig& config_;
    const int threads_;
    CostOptions cost_;
    bool small_ = false;
    std::vector<double> changes_; // milliseconds that a step right after a change of the target took more
};

int bench(const Options& options)
{
    const auto type = parseWeightType(options.weights);
    if (!type) usage(type.error().message);
    const auto kv = parseKvType(options.kv);
    if (!kv) usage(kv.error().message);
    const TemporaryFolder folder;
    const auto checkpoint = writeRandomModel(folder.path() / "model", shapeOf(options.model));
    const auto start = Clock::now();
    const auto backend = loadDecodeBackend(checkpoint, {*type, *kv, options.threads}).orThrow();
    std::printf("%s, %s, %s\n", options.model.c_str(), cpuName().c_str(), backend->description().c_str());
    std::printf("%s of weights, loaded in %.1f s, %d rounds, context %d\n", formatBytes(backend->weightBytes()).c_str(),
                millisecondsSince(start) * 1e-3, options.rounds, kContext);
    Benchmark(options, *backend).run();
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    try {
        return bench(parse(argc, argv));
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "decode_bench: %s\n", problem.what());
        return 1;
    }
}
