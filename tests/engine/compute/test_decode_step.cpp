// What a step of the decode backend promises beside right numbers: the same bits whoever shares the step, no
// allocations, texts that stay as they were when something fails. No LibTorch here, so it runs under the thread
// sanitizer.
#include <QTemporaryDir>
#include <QTest>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "engine/compute/decode/decode_backend_p.h"
#include "tests/engine/compute/decode_support.h"

using namespace flextron;
using namespace flextron::test;

namespace {
std::atomic<long> allocations{0};
} // namespace

// The sanitizers bring their own; there the count stays 0 and the test that needs it says so.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
void* operator new(std::size_t bytes)
{
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
#endif

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
    std::string target;
    [[nodiscard]] const ModelConfig& config() const { return checkpoint->config(); }
    [[nodiscard]] std::shared_ptr<const Backend> load(int threads) const
    {
        return loadDecodeBackendOn(target, checkpoint, {type, KvType::Auto, threads}).orThrow();
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
            made.routers = std::make_shared<const Routers>(
                randomRouters(config(), defaultChoiceSets(config()), {1.0, 0.5}, 8, 3));
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
    QFETCH_GLOBAL(QString, target);
    auto made = std::make_unique<Case>();
    made->random.seed(seed);
    made->checkpoint = randomCheckpoint(std::filesystem::path(made->folder.path().toStdString()) / "model",
                                        randomConfig(static_cast<Family>(family), made->random), seed);
    made->type = static_cast<WeightType>(type);
    made->target = target.toStdString();
    return made;
}

} // namespace

class TestDecodeStep final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase_data()
    {
        QTest::addColumn<int>("family");
        QTest::addColumn<qulonglong>("seed");
        QTest::addColumn<int>("type");
        QTest::addColumn<QString>("target");
        const WeightType types[] = {WeightType::Float32, WeightType::Float16, WeightType::BFloat16, WeightType::Int8};
        for (const std::string& target : decode::kernelTargets()) {
            int i = 0;
            for (const RandomCase& c : randomCases(4)) {
                const WeightType type = types[i++ % 4];
                const std::string name = target + ", " + c.name + ", " + std::string(weightTypeName(type));
                QTest::newRow(name.c_str()) << static_cast<int>(c.family) << static_cast<qulonglong>(c.seed + 100)
                                            << static_cast<int>(type) << QString::fromStdString(target);
            }
        }
    }

    void panesTogetherAreBitForBitWhatEachIsAlone()
    {
        const auto c = makeCase();
        const auto backend = c->load(2);
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

    void anyNumberOfThreadsGivesTheSameBits()
    {
        const auto c = makeCase();
        const auto text = c->text();
        const WidthPlan plan = c->plan(2);
        const auto alone = readText(*c->load(1), text, plan, 4);
        for (const int threads : {2, 3, 5}) QVERIFY(same(readText(*c->load(threads), text, plan, 4), alone));
    }

    void chunksOfAnySizeGiveTheSameBits()
    {
        const auto c = makeCase();
        const auto backend = c->load(2);
        const auto text = c->text(60);
        for (int kind = 0; kind < 3; ++kind) {
            const WidthPlan plan = c->plan(kind);
            const auto whole = readText(*backend, text, plan, 64);
            for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}})
                QVERIFY(same(readText(*backend, text, plan, chunk), whole));
        }
    }

    void aTruncatedCacheReadsOnAsIfTheRestHadNeverBeen()
    {
        const auto c = makeCase();
        const auto backend = c->load(2);
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
        const auto backend = c->load(2);
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

    void aWarmStepAllocatesNothing()
    {
#ifndef COUNTS_ALLOCATIONS
        QSKIP("the sanitizer has its own allocator");
#endif
        const auto c = makeCase();
        const auto backend = c->load(3);
        constexpr std::size_t kPanes = 3;
        std::vector<WidthPlan> plans;
        std::vector<std::unique_ptr<KvCache>> caches;
        for (std::size_t p = 0; p < kPanes; ++p) {
            plans.push_back(c->plan(static_cast<int>(p)));
            caches.push_back(backend->newCache(kTokens, fullSubNetwork(c->config()).heads).orThrow());
        }
        const auto text = c->text();
        std::vector<StepInput> inputs(kPanes);
        std::vector<StepOutput> outputs(kPanes);
        for (std::size_t t = 0; t < kTokens; ++t) {
            for (std::size_t p = 0; p < kPanes; ++p)
                inputs[p] = {caches[p].get(), std::span(text).subspan(t, 1), &plans[p], LogitsWanted::Last};
            const long before = allocations.load();
            const auto done = backend->step(inputs, outputs);
            const long after = allocations.load();
            QVERIFY(done.ok());
            if (t > 0) QCOMPARE(after - before, 0L);
        }
    }

    void onlyTheLogitsAskedForAreGiven()
    {
        const auto c = makeCase();
        const auto backend = c->load(2);
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
            QCOMPARE(output.layer_ns.size(), text.size() * c->config().layers.size());
            QVERIFY(output.ns > 0);
        }
    }

    void whatIsRefusedChangesNoCache()
    {
        const auto c = makeCase();
        const auto backend = c->load(2);
        const WidthPlan plan = planOf(fullSubNetwork(c->config()));
        const auto cache = backend->newCache(8, plan.subnet.heads).orThrow();
        const auto refused = [&](const std::vector<TokenId>& tokens, const WidthPlan& asked, KvCache* to,
                                 const char* words) {
            const StepInput input{to, tokens, &asked, LogitsWanted::Last};
            StepOutput output;
            const auto result = backend->step({&input, 1}, {&output, 1});
            QVERIFY(!result.ok());
            QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
            QVERIFY2(result.error().message.find(words) != std::string::npos, result.error().message.c_str());
            QVERIFY(!result.error().hint.empty());
            QCOMPARE(to->length(), 0);
        };
        refused({}, plan, cache.get(), "no token");
        refused({c->config().vocab_size}, plan, cache.get(), "outside the vocabulary");
        refused(std::vector<TokenId>(9, 1), plan, cache.get(), "the cache holds 8");
        SubNetwork narrow = plan.subnet;
        narrow.heads.front() = 0;
        const auto small = backend->newCache(8, narrow.heads).orThrow();
        refused({1}, plan, small.get(), "layer 0 may use");
        QVERIFY(!backend->newCache(0, plan.subnet.heads).ok());
        QVERIFY(!backend->newCache(c->config().max_position_embeddings + 1, plan.subnet.heads).ok());
    }

    void aCancelledStepLeavesTheTextAsItWas()
    {
        const auto c = makeCase();
        const auto backend = c->load(2);
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
        const auto backend = c->load(2);
        const WidthPlan plan = c->plan(2);
        const auto text = c->text();
        const auto alone = readText(*backend, text, plan, 3);
        std::vector<std::vector<float>> found(3);
        std::vector<std::thread> readers;
        for (auto& logits : found) readers.emplace_back([&] { logits = readText(*backend, text, plan, 3); });
        for (std::thread& reader : readers) reader.join();
        for (const auto& logits : found) QVERIFY(same(logits, alone));
    }
};

QTEST_GUILESS_MAIN(TestDecodeStep)
#include "test_decode_step.moc"
