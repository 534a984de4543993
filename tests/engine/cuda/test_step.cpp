// What a step of the CUDA backend promises beside right numbers: the same bits whoever shares the step and however a
// text is cut, in whatever order blocks and threads run; one captured graph for all; texts that stay as they were when
// something fails; clear words when the GPU's memory does not suffice. No LibTorch here.
#include <QTemporaryDir>
#include <QTest>

#include <cstring>
#include <thread>

#include "tests/engine/compute/decode_support.h"
#include "tests/engine/cuda/cuda_support.h"

using namespace flextron;
using namespace flextron::test;

namespace {

constexpr int kTokens = 30;

/// Equal bit for bit.
bool same(const std::vector<float>& a, const std::vector<float>& b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Case {
    QTemporaryDir folder;
    std::mt19937_64 random;
    std::shared_ptr<const Checkpoint> checkpoint;
    WeightType type = WeightType::Float32;
    [[nodiscard]] const ModelConfig& config() const { return checkpoint->config(); }
    [[nodiscard]] std::shared_ptr<const Backend> load(int order = 0) const
    {
        return loadOnTestGpu(checkpoint, type, order);
    }
    std::vector<TokenId> text(int tokens = kTokens) { return randomIds(config(), tokens, random); }
    /// A static, an overridden or a dynamic plan.
    WidthPlan plan(int kind)
    {
        WidthPlan made = planOf(randomSubNetwork(config(), random, /*with_zero=*/true));
        if (kind == 1) {
            auto forced = std::make_shared<Overrides>();
            forced->add({Override::kAll, 0, SubBlock::Mlp, config().layers[0].intermediate_size});
            forced->add({4, Override::kAll, SubBlock::Attention, 0});
            made.overrides = forced;
        }
        if (kind == 2) {
            made.routers = std::make_shared<const Routers>(randomRouters(
                config(), defaultChoiceSets(config()), {1.0, 0.5}, static_cast<int>(5 + random() % 9), 3));
            made.budget = 0.7;
        }
        return made;
    }
};

std::unique_ptr<Case> makeCase()
{
    QFETCH_GLOBAL(int, family);
    QFETCH_GLOBAL(qulonglong, seed);
    QFETCH_GLOBAL(int, type);
    auto made = std::make_unique<Case>();
    made->random.seed(seed);
    ModelConfig config = randomConfig(static_cast<Family>(family), made->random);
    config.max_position_embeddings = 300; // several chunks of keys
    config.rope.scaling = RopeConfig::Scaling::None;
    made->checkpoint = randomCheckpoint(std::filesystem::path(made->folder.path().toStdString()) / "model", config,
                                        seed);
    made->type = static_cast<WeightType>(type);
    return made;
}

} // namespace

class TestCudaStep final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        if (!testSupport().kernelsReady()) QSKIP(testSupport().kernelsReason().c_str());
    }
    void initTestCase_data()
    {
        QTest::addColumn<int>("family");
        QTest::addColumn<qulonglong>("seed");
        QTest::addColumn<int>("type");
        const WeightType types[] = {WeightType::Float32, WeightType::Float16, WeightType::BFloat16};
        int i = 0;
        for (const RandomCase& c : randomCases(2)) {
            const WeightType type = types[i++ % 3];
            const std::string name = c.name + ", " + std::string(weightTypeName(type));
            QTest::newRow(name.c_str()) << static_cast<int>(c.family) << static_cast<qulonglong>(c.seed + 100)
                                        << static_cast<int>(type);
        }
    }

    void panesTogetherAreBitForBitWhatEachIsAlone()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        constexpr std::size_t kPanes = 7;
        std::vector<WidthPlan> plans;
        std::vector<std::vector<TokenId>> texts;
        std::vector<std::unique_ptr<KvCache>> caches;
        for (std::size_t p = 0; p < kPanes; ++p) {
            plans.push_back(c->plan(static_cast<int>(p % 3)));
            texts.push_back(c->text());
            const auto own = widestOf(plans[p], c->config()).heads;
            caches.push_back(
                backend->newCache(kTokens, p % 2 == 0 ? own : fullSubNetwork(c->config()).heads).orThrow());
        }
        std::vector<std::vector<float>> together(kPanes);
        std::vector<StepOutput> outputs(kPanes);
        // Panes read at different paces: their rows stand in different places of the tiles every time.
        for (std::size_t begin = 0; begin < kTokens;) {
            const std::size_t count = std::min<std::size_t>(1 + begin % 4, kTokens - begin);
            std::vector<StepInput> inputs;
            for (std::size_t p = 0; p < kPanes; ++p)
                inputs.push_back(
                    {caches[p].get(), std::span(texts[p]).subspan(begin, count), &plans[p], LogitsWanted::All});
            backend->step(inputs, outputs).orThrow();
            for (std::size_t p = 0; p < kPanes; ++p)
                together[p].insert(together[p].end(), outputs[p].logits.begin(), outputs[p].logits.end());
            begin += count;
        }
        for (std::size_t p = 0; p < kPanes; ++p)
            QVERIFY2(same(together[p], readText(*backend, texts[p], plans[p], 1)), qPrintable(QString::number(p)));
    }

    void anyOrderOfBlocksAndThreadsGivesTheSameBits()
    {
        if (onRealGpu()) QSKIP("a real GPU's order cannot be chosen");
        const auto c = makeCase();
        const auto text = c->text(150);
        const WidthPlan plan = c->plan(2);
        const auto forward = readText(*c->load(0), text, plan, 30);
        for (int order = 1; order < kEmulatedOrders; ++order)
            QVERIFY(same(readText(*c->load(order), text, plan, 30), forward));
    }

    void chunksOfAnySizeGiveTheSameBits()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const auto text = c->text(150); // more than a slice, and several chunks of keys
        for (int kind = 0; kind < 3; ++kind) {
            const WidthPlan plan = c->plan(kind);
            const auto whole = readText(*backend, text, plan, 150);
            for (const std::size_t chunk : {std::size_t{1}, std::size_t{29}})
                QVERIFY(same(readText(*backend, text, plan, chunk), whole));
        }
    }

    void aTruncatedCacheReadsOnAsIfTheRestHadNeverBeen()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const WidthPlan plan = planOf(fullSubNetwork(c->config()));
        const auto text = c->text(), other = c->text();
        const auto cache = backend->newCache(kTokens, plan.subnet.heads).orThrow();
        readText(*backend, text, plan, 8, cache.get());
        cache->truncate(11);
        QCOMPARE(cache->length(), 11);
        const std::vector<TokenId> tail(other.begin() + 11, other.end());
        const auto continued = readText(*backend, tail, plan, 5, cache.get());
        std::vector<TokenId> whole(text.begin(), text.begin() + 11);
        whole.insert(whole.end(), tail.begin(), tail.end());
        const auto fresh = readText(*backend, whole, plan, 5);
        QVERIFY(same(continued, {fresh.end() - static_cast<std::ptrdiff_t>(continued.size()), fresh.end()}));
    }

    void aClonedCacheGoesItsOwnWay()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const WidthPlan plan = planOf(fullSubNetwork(c->config()));
        const auto cache = backend->newCache(kTokens, plan.subnet.heads).orThrow();
        readText(*backend, c->text(10), plan, 8, cache.get());
        const auto copy = cache->clone().orThrow();
        QCOMPARE(copy->length(), 10);
        QCOMPARE(copy->bytes(), cache->bytes());
        const auto tail = c->text(12);
        const auto expected = readText(*backend, tail, plan, 3, cache.get());
        QVERIFY(same(readText(*backend, tail, plan, 3, copy.get()), expected));
    }

    void onlyTheLogitsAskedForAreGiven()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const WidthPlan plan = c->plan(0);
        const auto text = c->text();
        const auto all = readText(*backend, text, plan, 64);
        const auto vocab = static_cast<std::size_t>(c->config().vocab_size);
        for (const LogitsWanted wanted : {LogitsWanted::None, LogitsWanted::Last}) {
            const auto cache = backend->newCache(kTokens, plan.subnet.heads).orThrow();
            const StepInput input{cache.get(), text, &plan, wanted};
            StepOutput output;
            backend->step({&input, 1}, {&output, 1}).orThrow();
            if (wanted == LogitsWanted::None) QVERIFY(output.logits.empty());
            else QVERIFY(same(output.logits, {all.end() - static_cast<std::ptrdiff_t>(vocab), all.end()}));
            QVERIFY(output.layer_ns.empty());
            QVERIFY(output.ns > 0);
        }
    }

    void whatIsRefusedChangesNoCache()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const WidthPlan plan = planOf(fullSubNetwork(c->config()));
        const auto cache = backend->newCache(8, plan.subnet.heads).orThrow();
        const auto refused = [&](const std::vector<TokenId>& tokens, const char* words) {
            const StepInput input{cache.get(), tokens, &plan, LogitsWanted::Last};
            StepOutput output;
            const auto result = backend->step({&input, 1}, {&output, 1});
            QVERIFY(!result.ok());
            QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
            QVERIFY2(result.error().message.find(words) != std::string::npos, result.error().message.c_str());
            QCOMPARE(cache->length(), 0);
        };
        refused({}, "no token");
        refused({c->config().vocab_size}, "outside the vocabulary");
        refused(std::vector<TokenId>(9, 1), "the cache holds 8");
        QVERIFY(!backend->newCache(0, plan.subnet.heads).ok());
        QVERIFY(!backend->newCache(c->config().max_position_embeddings + 1, plan.subnet.heads).ok());
    }

    void aCancelledStepLeavesTheTextAsItWas()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const WidthPlan plan = planOf(fullSubNetwork(c->config()));
        const auto cache = backend->newCache(kTokens, plan.subnet.heads).orThrow();
        const auto text = c->text();
        CancelSource stop;
        stop.cancel();
        const StepInput input{cache.get(), text, &plan, LogitsWanted::All};
        StepOutput output;
        const auto result = backend->step({&input, 1}, {&output, 1}, stop.token());
        QVERIFY(!result.ok());
        QCOMPARE(result.error().code, ErrorCode::Cancelled);
        QCOMPARE(cache->length(), 0);
        QVERIFY(same(readText(*backend, text, plan, 64, cache.get()), readText(*backend, text, plan, 64)));
    }

    void stepsFromSeveralThreadsTakeTurns()
    {
        const auto c = makeCase();
        const auto backend = c->load();
        const WidthPlan plan = c->plan(2);
        const auto text = c->text();
        const auto alone = readText(*backend, text, plan, 3);
        std::vector<std::vector<float>> found(3);
        std::vector<std::thread> readers;
        for (auto& logits : found) readers.emplace_back([&] { logits = readText(*backend, text, plan, 3); });
        for (std::thread& reader : readers) reader.join();
        for (const auto& logits : found) QVERIFY(same(logits, alone));
    }

    void saysWhatCannotBe()
    {
        const auto c = makeCase();
        const auto refused = [&](int gpu, WeightType type, ErrorCode code, const char* words) {
            const auto result = loadCudaBackend(c->checkpoint, testSupport(), gpu, type);
            QVERIFY(!result.ok());
            QCOMPARE(result.error().code, code);
            QVERIFY2(result.error().message.find(words) != std::string::npos, result.error().message.c_str());
            QVERIFY(!result.error().hint.empty());
        };
        refused(99, WeightType::Auto, ErrorCode::Device, "GPU 99 does not exist");
        refused(0, WeightType::Int8, ErrorCode::Unsupported, "q8");
        CudaPlaces nowhere;
        nowhere.driver = "libcuda-that-is-not-there.so.1";
        const auto none = loadCudaBackend(c->checkpoint, CudaSupport::open(nowhere), 0);
        QCOMPARE(none.error().code, ErrorCode::Device);
        QVERIFY(none.error().message.find("no NVIDIA driver") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestCudaStep)
#include "test_step.moc"
