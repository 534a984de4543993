// Tokens drawn by the CUDA backend are the host's: the same ids, ranks and lists, log-probabilities within rounding,
// whatever the settings; and nothing but they comes back.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>

#include "engine/generate/generation.h"
#include "engine/generate/sampler_p.h"
#include "tests/engine/compute/decode_support.h"
#include "tests/engine/cuda/cuda_support.h"

using namespace flextron;
using namespace flextron::test;

namespace {

constexpr float kRounding = 2e-5f; // nats

bool close(float a, float b)
{
    return (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= kRounding * (1 + std::abs(b));
}

bool close(const std::vector<TokenProbability>& a, const std::vector<TokenProbability>& b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return x.id == y.id && close(x.logprob, y.logprob); });
}

SamplerSettings randomSampler(std::mt19937_64& random)
{
    const auto one = [&](std::initializer_list<double> values) {
        return *(values.begin() + static_cast<std::ptrdiff_t>(random() % values.size()));
    };
    SamplerSettings made;
    made.temperature = one({0.0, 0.001, 0.3, 0.8, 1.0, 1.0, 2.5, 100.0});
    made.top_k = static_cast<int>(one({0, 0, 1, 2, 40, 100000}));
    made.top_p = one({1.0, 1.0, 0.95, 0.5, 1e-6});
    made.min_p = one({0.0, 0.0, 0.02, 0.5, 1.0});
    made.repeat_penalty = one({1.0, 1.0, 1.3, 0.5, 100.0});
    made.seed = random();
    return made;
}

std::string told(const SamplerSettings& s)
{
    return "temperature " + std::to_string(s.temperature) + ", top-k " + std::to_string(s.top_k) + ", top-p " +
           std::to_string(s.top_p) + ", min-p " + std::to_string(s.min_p) + ", penalty " +
           std::to_string(s.repeat_penalty) + ", seed " + std::to_string(s.seed);
}

/// The same backend, but the host draws.
class HostDraws final : public Backend {
public:
    explicit HostDraws(std::shared_ptr<const Backend> inner) : inner_(std::move(inner)) {}
    [[nodiscard]] const Checkpoint& checkpoint() const override { return inner_->checkpoint(); }
    [[nodiscard]] std::string description() const override { return inner_->description(); }
    [[nodiscard]] int revision() const override { return inner_->revision(); }
    [[nodiscard]] int bytesPerWeight() const override { return inner_->bytesPerWeight(); }
    [[nodiscard]] int bytesPerKv() const override { return inner_->bytesPerKv(); }
    [[nodiscard]] std::int64_t weightBytes() const override { return inner_->weightBytes(); }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> newCache(int capacity, const std::vector<int>& heads) const override
    {
        return inner_->newCache(capacity, heads);
    }
    [[nodiscard]] Result<void> step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                    const CancelToken& cancel) const override
    {
        std::vector<StepInput> inputs(panes.begin(), panes.end());
        for (StepInput& input : inputs) input.draw.reset();
        return inner_->step(inputs, outputs, cancel);
    }

private:
    std::shared_ptr<const Backend> inner_;
};

/// A random model whose vocabulary is larger than a block of threads, its logits wide enough to make a difference.
std::shared_ptr<const Checkpoint> wideModel(const std::filesystem::path& folder, Family family, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    ModelConfig config = randomConfig(family, random);
    config.vocab_size = 700 + static_cast<int>(seed % 600);
    const auto plain = randomCheckpoint(folder / "plain", config, seed);
    return changedCopy(*plain, folder / "wide", [](const std::string& name, auto& values, const auto&) {
        if (name.find("wte") == std::string::npos && name.find("embed") == std::string::npos &&
            name.find("lm_head") == std::string::npos)
            return;
        for (float& value : values) value *= 3;
    });
}

std::shared_ptr<LoadedModel> storedModel(const std::string& name)
{
    LoadOptions options;
    options.device.kind = DeviceRequest::Kind::Cpu;
    return std::make_shared<LoadedModel>(loadModel(dataFolder(name).string(), options).orThrow());
}

} // namespace

class TestCudaDraw final : public QObject {
    Q_OBJECT

    std::filesystem::path folder() const
    {
        return std::filesystem::path(folder_.path().toStdString()) / QTest::currentTestFunction();
    }
    QTemporaryDir folder_;

private slots:
    void initTestCase()
    {
        if (!testSupport().kernelsReady()) QSKIP(testSupport().kernelsReason().c_str());
        setThreads(1);
    }

    void tokensAreTheHosts_data()
    {
        QTest::addColumn<int>("family");
        QTest::addColumn<qulonglong>("seed");
        for (const RandomCase& c : randomCases(1))
            QTest::newRow(c.name.c_str()) << static_cast<int>(c.family) << static_cast<qulonglong>(c.seed + 300);
    }
    /// Panes that want tokens beside panes that want logits, in one step; compared with logits of the same texts.
    void tokensAreTheHosts()
    {
        QFETCH(int, family);
        QFETCH(qulonglong, seed);
        const auto checkpoint = wideModel(folder() / std::to_string(family), static_cast<Family>(family), seed);
        const ModelConfig& config = checkpoint->config();
        const auto backend = loadOnTestGpu(checkpoint, WeightType::Float32, static_cast<int>(seed % kEmulatedOrders));
        std::mt19937_64 random(seed);
        for (int round = 0; round < 12; ++round) {
            const std::size_t panes = 1 + random() % 5;
            std::vector<WidthPlan> plans;
            std::vector<std::vector<TokenId>> texts, given(panes);
            std::vector<SamplerSettings> samplers;
            std::vector<std::unique_ptr<KvCache>> caches, copies;
            std::vector<StepInput> drawing, plain;
            for (std::size_t p = 0; p < panes; ++p) {
                plans.push_back(planOf(randomSubNetwork(config, random)));
                texts.push_back(randomIds(config, 12, random));
                samplers.push_back(randomSampler(random));
            }
            for (std::size_t p = 0; p < panes; ++p) {
                caches.push_back(backend->newCache(20, plans[p].subnet.heads).orThrow());
                readText(*backend, {texts[p].begin(), texts[p].begin() + 7}, plans[p], 7, caches[p].get());
                copies.push_back(caches[p]->clone().orThrow());
                const std::span tokens = std::span(texts[p]).subspan(7);
                const auto wanted = p % 2 == 0 ? LogitsWanted::Last : LogitsWanted::All;
                plain.push_back({copies[p].get(), tokens, &plans[p], wanted, std::nullopt});
                drawing.push_back({caches[p].get(), tokens, &plans[p], wanted, std::nullopt});
                if (p == 2) continue; // wants logits
                if (wanted == LogitsWanted::All) given[p].assign(texts[p].begin() + 8, texts[p].end());
                given[p].push_back(DrawInput::kDraw);
                drawing.back().draw = DrawInput{samplers[p], static_cast<int>(random() % 10), given[p]};
            }
            std::vector<StepOutput> drawn(panes), expected(panes);
            backend->step(drawing, drawn).orThrow();
            backend->step(plain, expected).orThrow();
            for (std::size_t p = 0; p < panes; ++p) {
                if (!drawing[p].draw) {
                    QVERIFY(drawn[p].drawn.empty());
                    QVERIFY(drawn[p].logits == expected[p].logits);
                    continue;
                }
                QVERIFY(drawn[p].logits.empty());
                QCOMPARE(drawn[p].drawn.size(), given[p].size());
                const auto vocab = static_cast<std::size_t>(config.vocab_size);
                for (std::size_t row = 0; row < given[p].size(); ++row) {
                    const Distribution host(std::span(expected[p].logits).subspan(row * vocab, vocab));
                    const Sampled token = given[p][row] == DrawInput::kDraw ? host.sample(texts[p], 12, samplers[p])
                                                                            : host.judge(given[p][row]);
                    const DrawnToken& found = drawn[p].drawn[row];
                    const auto words = told(samplers[p]);
                    QVERIFY2(found.token.id == token.id, words.c_str());
                    QVERIFY2(found.token.rank == token.rank, words.c_str());
                    QVERIFY2(close(found.token.logprob, token.logprob), words.c_str());
                    QVERIFY2(close(found.top, host.top(drawing[p].draw->top)), words.c_str());
                }
            }
        }
    }

    void generationsAreTheHosts_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<int>("seed");
        for (int seed = 0; seed < 8; ++seed)
            for (const char* model : {"stories260k-llama", "stories-gpt2"})
                QTest::addRow("%s %d", model, seed) << model << seed;
    }
    /// Whole texts of several panes, with stop ids and texts, overrides, a change of widths on the way, and the full
    /// model reading along in some.
    void generationsAreTheHosts()
    {
        QFETCH(QString, model);
        QFETCH(int, seed);
        std::mt19937_64 random(static_cast<std::uint64_t>(seed) + 77);
        const auto loaded = storedModel(model.toStdString());
        const ModelConfig& config = loaded->config();
        GenerationSettings settings;
        settings.sampler = randomSampler(random);
        settings.max_tokens = seed == 1 ? 0 : 12;
        settings.top_tokens = static_cast<int>(random() % 9);
        settings.stop_at_eos = seed % 2 == 0;
        if (seed % 3 == 0) settings.stop_texts = {"e"};
        settings.shadow = seed % 4 == 3;
        settings.prefill_chunk = 1 + static_cast<int>(random() % 9);
        settings.kv = seed % 2 == 0 ? KvPolicy::Recompute : KvPolicy::All;
        std::vector<PaneSpec> panes{{"full", planOf(fullSubNetwork(config)), Routing::Uniform}};
        for (int p = 0; p < 2; ++p) panes.push_back({"", planOf(randomSubNetwork(config, random)), Routing::Uniform});
        auto forced = std::make_shared<Overrides>();
        forced->add({5, Override::kAll, SubBlock::Mlp, 0});
        panes.back().plan.overrides = forced;
        const WidthPlan wider = panes.front().plan;
        const auto prompt = randomIds(config, 11, random);

        const auto gpu = loadOnTestGpu(loaded->checkpoint, WeightType::Float32, seed % kEmulatedOrders);
        const std::shared_ptr<const Backend> backends[] = {gpu, std::make_shared<HostDraws>(gpu)};
        std::unique_ptr<Generation> runs[2];
        for (int i = 0; i < 2; ++i) {
            auto with = std::make_shared<LoadedModel>(*loaded);
            with->backend = backends[i];
            runs[i] = Generation::start(with, prompt, panes, settings).orThrow();
            for (int step = 0; !runs[i]->finished(); ++step) {
                if (step == 5) runs[i]->setPlan(1, wider).orThrow();
                (void)runs[i]->step().orThrow();
            }
        }
        for (int p = 0; p < runs[0]->panes(); ++p) {
            const Trace &found = runs[0]->trace(p), &expected = runs[1]->trace(p);
            QVERIFY2(found.ids() == expected.ids(), told(settings.sampler).c_str());
            QCOMPARE(found.stop_reason, expected.stop_reason);
            QCOMPARE(runs[0]->text(p), runs[1]->text(p));
            for (std::size_t t = 0; t < found.records.size(); ++t) {
                QVERIFY(close(found.records[t].logprob, expected.records[t].logprob));
                QCOMPARE(found.records[t].rank, expected.records[t].rank);
                QVERIFY(close(found.records[t].top, expected.records[t].top));
            }
            QCOMPARE(runs[0]->agreement(p).tokens, runs[1]->agreement(p).tokens);
            QCOMPARE(runs[0]->agreement(p).kl_to_full, runs[1]->agreement(p).kl_to_full);
            QCOMPARE(runs[0]->agreement(p).tokens > 0, settings.shadow && settings.max_tokens > 0);
        }
    }

    /// One captured graph a kind, one wait for every 128 tokens, whether tokens or logits are asked for.
    void aStepIsOneReplayAndOneWait()
    {
        const auto loaded = storedModel("stories260k-llama");
        const ModelConfig& config = loaded->config();
        const auto backend = loadOnTestGpu(loaded->checkpoint, WeightType::BFloat16);
        std::vector<WidthPlan> plans{planOf(fullSubNetwork(config)), planOf(uniformSubNetwork(config, 32, 0))};
        plans.push_back(plans[0]);
        plans[2].routers = std::make_shared<const Routers>(
            randomRouters(config, defaultChoiceSets(config), {1.0, 0.5}, 9, 5));
        const auto cache = backend->newCache(400, fullSubNetwork(config).heads).orThrow();
        const std::vector<TokenId> text(150, 5), one{5};
        const TokenId draw = DrawInput::kDraw;
        const auto used = [&](std::span<const TokenId> tokens, const WidthPlan& plan, bool draws) {
            StepInput input{cache.get(), tokens, &plan, LogitsWanted::Last, std::nullopt};
            if (draws) input.draw = DrawInput{SamplerSettings{}, 8, {&draw, 1}};
            StepOutput output;
            const GpuUse before = *gpuUse(*backend);
            backend->step({&input, 1}, {&output, 1}).orThrow();
            GpuUse after = *gpuUse(*backend);
            after.launches -= before.launches;
            after.replays -= before.replays;
            after.captures -= before.captures;
            after.waits -= before.waits;
            return after;
        };
        (void)used(text, plans[0], true); // buffers come into memory with the first step: that is waited for as well
        const GpuUse prefill = used(text, plans[0], true);
        QCOMPARE(prefill.waits, 2u); // 128 tokens, 22 tokens
        QCOMPARE(prefill.replays, 0u);
        QVERIFY(prefill.launches > 0);
        // With routers there are other kernels, and another graph.
        for (const bool routed : {false, true})
            for (int step = 0; step < 6; ++step) {
                const GpuUse use = used(one, plans[routed ? 2 : static_cast<std::size_t>(step % 2)], step % 3 != 0);
                if (step > 0) QCOMPARE(use.waits, 1u);
                QCOMPARE(use.replays, step == 0 ? 0u : 1u);
                QCOMPARE(use.captures, step == 1 ? 1u : 0u);
                QCOMPARE(use.launches > 0, step == 0);
            }
        QVERIFY(gpuUse(*backend)->bytes > static_cast<std::uint64_t>(backend->weightBytes()));
        QVERIFY(!gpuUse(*loaded->backend).has_value());
    }

    void logitsThatAreNotFiniteAreRefused()
    {
        std::mt19937_64 random(4);
        ModelConfig config = randomConfig(Family::Llama, random);
        config.tie_word_embeddings = false;
        const auto plain = randomCheckpoint(folder() / "plain", config, 4);
        const auto broken = changedCopy(
            *plain, folder() / "broken", [](const std::string& name, auto& values, const auto&) {
                if (name == "lm_head.weight")
                    std::fill(values.begin(), values.end(), 3e38f); // finite, but not its products
            });
        const auto backend = loadOnTestGpu(broken, WeightType::Float32);
        const WidthPlan plan = planOf(fullSubNetwork(broken->config()));
        const auto cache = backend->newCache(9, plan.subnet.heads).orThrow();
        const std::vector<TokenId> text{1, 2, 3}, given{DrawInput::kDraw};
        const StepInput input{cache.get(), text, &plan, LogitsWanted::Last, DrawInput{SamplerSettings{}, 3, given}};
        StepOutput output;
        const auto result = backend->step({&input, 1}, {&output, 1});
        QVERIFY(!result.ok());
        QCOMPARE(result.error().code, ErrorCode::Corrupt);
        QVERIFY(result.error().message.find("not finite") != std::string::npos);
        QCOMPARE(cache->length(), 0);
    }

    void wishesThatCannotBe()
    {
        const auto checkpoint = wideModel(folder(), Family::Qwen2, 6);
        const auto backend = loadOnTestGpu(checkpoint, WeightType::Float32);
        const WidthPlan plan = planOf(fullSubNetwork(checkpoint->config()));
        const auto cache = backend->newCache(9, plan.subnet.heads).orThrow();
        const std::vector<TokenId> text{1, 2, 3};
        StepOutput output;
        const auto step = [&](LogitsWanted wanted, const std::vector<TokenId>& given, int top) {
            const StepInput input{cache.get(), text, &plan, wanted, DrawInput{SamplerSettings{}, top, given}};
            return backend->step({&input, 1}, {&output, 1});
        };
        const TokenId beyond = checkpoint->config().vocab_size;
        for (const auto& [wanted, given] : {std::pair{LogitsWanted::Last, std::vector<TokenId>{2, 3}},
                                            std::pair{LogitsWanted::All, std::vector<TokenId>{2}},
                                            std::pair{LogitsWanted::Last, std::vector<TokenId>{beyond}},
                                            std::pair{LogitsWanted::Last, std::vector<TokenId>{-2}}}) {
            const auto result = step(wanted, given, 3);
            QVERIFY(!result.ok());
            QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
            QCOMPARE(cache->length(), 0);
        }
        // More tokens to list than a draw can: the host draws from the logits.
        step(LogitsWanted::Last, {DrawInput::kDraw}, 33).orThrow();
        QVERIFY(output.drawn.empty());
        QCOMPARE(output.logits.size(), static_cast<std::size_t>(beyond));
    }
};

QTEST_GUILESS_MAIN(TestCudaDraw)
#include "test_draw.moc"
