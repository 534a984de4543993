// Properties of the reference forward pass, on random models of every family.
#include <ATen/ATen.h>

#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <random>

#include "engine/compute/reference.h"
#include "engine/compute/reference_backend_p.h"
#include "engine/compute/reference_forward_p.h"
#include "engine/elastic/extract.h"
#include "engine/elastic/permutation.h"
#include "tests/engine/support/random_model.h"

using namespace flextron;
using namespace flextron::test;

namespace {

constexpr int kTokens = 14;

struct Case {
    QTemporaryDir folder;
    std::mt19937_64 random;
    ModelConfig config;
    std::shared_ptr<const Checkpoint> checkpoint;
    std::shared_ptr<const Backend> backend; // float64
    std::vector<TokenId> ids;

    [[nodiscard]] std::filesystem::path path(const char* name) const
    {
        return std::filesystem::path(folder.path().toStdString()) / name;
    }
    [[nodiscard]] const ReferenceWeights& weights() const
    {
        return dynamic_cast<const ReferenceBackend&>(*backend).weights();
    }
};

std::shared_ptr<const Backend> load(std::shared_ptr<const Checkpoint> checkpoint,
                                    ComputeType type = ComputeType::Float64)
{
    return loadReferenceBackend(std::move(checkpoint), chooseDevice({DeviceRequest::Kind::Cpu}).orThrow(), type)
        .orThrow();
}

std::unique_ptr<Case> makeCase()
{
    QFETCH_GLOBAL(int, family);
    QFETCH_GLOBAL(qulonglong, seed);
    auto made = std::make_unique<Case>();
    made->random.seed(seed);
    made->config = randomConfig(static_cast<Family>(family), made->random);
    made->checkpoint = randomCheckpoint(made->path("model"), made->config, seed);
    made->config = made->checkpoint->config();
    made->backend = load(made->checkpoint);
    made->ids = randomIds(made->config, kTokens, made->random);
    return made;
}

/// All logits of a text read in steps of `chunk` tokens.
std::vector<float> readText(const Backend& backend, const std::vector<TokenId>& ids, const WidthPlan& plan,
                            std::size_t chunk, KvCache* given = nullptr)
{
    std::unique_ptr<KvCache> own;
    if (!given) own = backend.newCache(40, widestOf(plan, backend.config()).heads).orThrow();
    KvCache* cache = given ? given : own.get();
    std::vector<float> all;
    for (std::size_t i = 0; i < ids.size(); i += chunk) {
        const StepInput input{cache, std::span(ids).subspan(i, std::min(chunk, ids.size() - i)), &plan,
                              LogitsWanted::All};
        StepOutput output;
        backend.step({&input, 1}, {&output, 1}).orThrow();
        all.insert(all.end(), output.logits.begin(), output.logits.end());
    }
    return all;
}

double largestDifference(const std::vector<float>& a, const std::vector<float>& b)
{
    if (a.size() != b.size()) return INFINITY;
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double(a[i]) - b[i]));
    return worst;
}

/// Largest difference over the largest value.
double relativeDifference(const at::Tensor& a, const at::Tensor& b)
{
    return ((a - b).abs().max() / b.abs().max()).item<double>();
}

at::Tensor fullLogits(const ReferenceWeights& weights, const std::vector<TokenId>& ids,
                      const std::vector<reference::LayerWidths>& widths)
{
    const std::vector<std::int64_t> wide(ids.begin(), ids.end());
    return reference::logits(weights, reference::forward(weights, at::tensor(wide, at::kLong).unsqueeze(0), widths));
}

WidthPlan planOf(SubNetwork subnet)
{
    return {std::move(subnet), nullptr, 1.0, nullptr};
}

// Logits leave the backend as float32: two float64 passes agree to that.
constexpr double kFloatStep = 2e-6;

} // namespace

class TestReference final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase_data()
    {
        QTest::addColumn<int>("family");
        QTest::addColumn<qulonglong>("seed");
        for (const RandomCase& c : randomCases(4))
            QTest::newRow(c.name.c_str()) << static_cast<int>(c.family) << static_cast<qulonglong>(c.seed);
    }

    void permutationPreservesTheFunction()
    {
        const auto c = makeCase();
        std::vector<LayerPermutation> permutations = identityPermutation(c->config);
        for (LayerPermutation& layer : permutations) {
            std::shuffle(layer.mlp.begin(), layer.mlp.end(), c->random);
            std::shuffle(layer.groups.begin(), layer.groups.end(), c->random);
        }
        writeCheckpoint(c->path("permuted"), permuteCheckpoint(c->checkpoint, permutations).orThrow()).orThrow();
        const auto after = load(Checkpoint::open(c->path("permuted")).orThrow());
        const auto widths = reference::layerWidths(fullSubNetwork(c->config));
        const auto& after_weights = dynamic_cast<const ReferenceBackend&>(*after).weights();
        QVERIFY(relativeDifference(fullLogits(after_weights, c->ids, widths),
                                   fullLogits(c->weights(), c->ids, widths)) < 1e-9);
    }

    void maskedEqualsSliced()
    {
        const auto c = makeCase();
        const SubNetwork subnet = randomSubNetwork(c->config, c->random);
        auto masked = reference::layerWidths(fullSubNetwork(c->config));
        for (std::size_t l = 0; l < masked.size(); ++l) {
            const auto mask = [&](int full, int kept) {
                at::Tensor ones = at::zeros({1, kTokens, full}, at::kDouble);
                ones.narrow(2, 0, kept).fill_(1);
                return ones;
            };
            masked[l].head_mask = mask(masked[l].heads, subnet.heads[l]);
            masked[l].mlp_mask = mask(masked[l].mlp, subnet.mlp[l]);
        }
        QVERIFY(relativeDifference(fullLogits(c->weights(), c->ids, reference::layerWidths(subnet)),
                                   fullLogits(c->weights(), c->ids, masked)) < 1e-9);
    }

    void extractedEqualsSliced()
    {
        const auto c = makeCase();
        const SubNetwork subnet = randomSubNetwork(c->config, c->random, /*with_zero=*/true);
        writeCheckpoint(c->path("extracted"), extractSubNetwork(c->checkpoint, subnet).orThrow().contents).orThrow();
        const auto alone = load(Checkpoint::open(c->path("extracted")).orThrow());
        const auto from_alone = readText(*alone, c->ids, planOf(fullSubNetwork(alone->config())), 1);
        QVERIFY(largestDifference(from_alone, readText(*c->backend, c->ids, planOf(subnet), 1)) < kFloatStep);
    }

    void decodeWithCacheEqualsTheFullForward()
    {
        const auto c = makeCase();
        const SubNetwork subnet = randomSubNetwork(c->config, c->random, /*with_zero=*/true);
        const at::Tensor full =
            fullLogits(c->weights(), c->ids, reference::layerWidths(subnet)).to(at::kFloat).flatten();
        const std::vector<float> expected(full.const_data_ptr<float>(), full.const_data_ptr<float>() + full.numel());
        for (const std::size_t chunk : {1, 3, kTokens})
            QVERIFY(largestDifference(readText(*c->backend, c->ids, planOf(subnet), chunk), expected) < kFloatStep);
    }

    void prefixesShareMemory()
    {
        const auto c = makeCase();
        const SubNetwork subnet = randomSubNetwork(c->config, c->random);
        const std::int64_t before = c->backend->weightBytes();
        readText(*c->backend, c->ids, planOf(subnet), kTokens);
        QCOMPARE(c->backend->weightBytes(), before);
        for (std::size_t l = 0; l < c->config.layers.size(); ++l) {
            const ReferenceLayer& layer = c->weights().layers[l];
            QCOMPARE(layer.up.narrow(0, 0, subnet.mlp[l]).const_data_ptr(), layer.up.const_data_ptr());
            QCOMPARE(layer.down.narrow(1, 0, subnet.mlp[l]).const_data_ptr(), layer.down.const_data_ptr());
            QCOMPARE(layer.q.narrow(0, 0, subnet.heads[l] * c->config.head_dim).const_data_ptr(),
                     layer.q.const_data_ptr());
        }
    }

    void panesTogetherEqualEachAlone()
    {
        const auto c = makeCase();
        const auto backend = load(c->checkpoint, ComputeType::Float32);
        std::vector<WidthPlan> plans;
        for (int i = 0; i < 3; ++i) plans.push_back(planOf(randomSubNetwork(c->config, c->random, true)));
        std::vector<std::unique_ptr<KvCache>> caches;
        std::vector<StepInput> inputs;
        for (const WidthPlan& plan : plans) {
            caches.push_back(backend->newCache(kTokens, plan.subnet.heads).orThrow());
            inputs.push_back({caches.back().get(), c->ids, &plan, LogitsWanted::All});
        }
        std::vector<StepOutput> outputs(3);
        QVERIFY(backend->step(inputs, outputs));
        for (std::size_t i = 0; i < plans.size(); ++i)
            QCOMPARE(outputs[i].logits, readText(*backend, c->ids, plans[i], kTokens)); // bit for bit
    }

    void wideningInMidTextEqualsRecomputing()
    {
        const auto c = makeCase();
        const SubNetwork narrow = randomSubNetwork(c->config, c->random, true);
        const SubNetwork full = fullSubNetwork(c->config);
        // Narrow for the first half, full from there on, keys and values of every group kept.
        const std::vector<TokenId> first(c->ids.begin(), c->ids.begin() + kTokens / 2);
        const std::vector<TokenId> second(c->ids.begin() + kTokens / 2, c->ids.end());
        auto cache = c->backend->newCache(kTokens, full.heads).orThrow();
        readText(*c->backend, first, planOf(narrow), 2, cache.get());
        const auto widened = readText(*c->backend, second, planOf(full), 1, cache.get());

        // The same widths, token by token, asked of one pass over the whole text.
        auto overrides = std::make_shared<Overrides>();
        for (int t = 0; t < kTokens / 2; ++t)
            for (int l = 0; l < c->config.numLayers(); ++l) {
                overrides->add({t, l, SubBlock::Attention, narrow.heads[static_cast<std::size_t>(l)]});
                overrides->add({t, l, SubBlock::Mlp, narrow.mlp[static_cast<std::size_t>(l)]});
            }
        WidthPlan plan = planOf(full);
        plan.overrides = overrides;
        const auto at_once = readText(*c->backend, c->ids, plan, kTokens);
        const std::vector<float> tail(at_once.end() - static_cast<std::ptrdiff_t>(widened.size()), at_once.end());
        QVERIFY(largestDifference(widened, tail) < kFloatStep);
    }

    void wideningIsRefusedWhenKeysAndValuesAreOwn()
    {
        const auto c = makeCase();
        if (c->config.layers[0].num_key_value_heads < 2) return; // one group: there is nothing narrower
        SubNetwork narrow = fullSubNetwork(c->config);
        narrow.heads[0] = c->config.headsPerGroup();
        auto cache = c->backend->newCache(kTokens, narrow.heads).orThrow();
        readText(*c->backend, c->ids, planOf(narrow), kTokens - 2, cache.get());
        cache->truncate(kTokens - 2);
        const WidthPlan full = planOf(fullSubNetwork(c->config));
        const StepInput input{cache.get(), std::span(c->ids).subspan(kTokens - 2), &full, LogitsWanted::Last};
        StepOutput output;
        const Result<void> result = c->backend->step({&input, 1}, {&output, 1});
        QVERIFY(!result);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY(result.error().message.find("layer 0 may use") != std::string::npos);
        QVERIFY(result.error().hint.find("recompute") != std::string::npos);
        QCOMPARE(cache->length(), kTokens - 2);
    }

    void routersChooseTokenByToken()
    {
        const auto c = makeCase();
        const ChoiceSets choices = c->checkpoint->choices();
        auto routers = std::make_shared<const Routers>(randomRouters(c->config, choices, {1.0, 0.8, 0.6}, 8, 7));
        WidthPlan plan = planOf(fullSubNetwork(c->config));
        plan.routers = routers;
        plan.budget = 0.7;
        auto cache = c->backend->newCache(kTokens, fullSubNetwork(c->config).heads).orThrow();
        const StepInput input{cache.get(), c->ids, &plan, LogitsWanted::All};
        StepOutput output;
        QVERIFY(c->backend->step({&input, 1}, {&output, 1}));

        // Forcing by hand what the routers chose gives the same logits without routers.
        auto overrides = std::make_shared<Overrides>();
        const int layers = c->config.numLayers();
        for (int t = 0; t < kTokens; ++t)
            for (int l = 0; l < layers; ++l) {
                const auto cell = static_cast<std::size_t>(t * layers + l);
                overrides->add({t, l, SubBlock::Attention, output.heads[cell]});
                overrides->add({t, l, SubBlock::Mlp, output.mlp[cell]});
                const auto choice = std::find(choices.mlp_int_list.begin(), choices.mlp_int_list.end(),
                                              output.mlp[cell]);
                QVERIFY(choice != choices.mlp_int_list.end());
                const auto n = choices.mlp_int_list.size();
                const std::vector<float> shares(
                    output.mlp_probabilities.begin() + static_cast<std::ptrdiff_t>(cell * n),
                    output.mlp_probabilities.begin() + static_cast<std::ptrdiff_t>((cell + 1) * n));
                QCOMPARE(argmax(shares), static_cast<int>(choice - choices.mlp_int_list.begin()));
            }
        WidthPlan forced = planOf(fullSubNetwork(c->config));
        forced.overrides = overrides;
        QVERIFY(largestDifference(readText(*c->backend, c->ids, forced, kTokens), output.logits) < kFloatStep);

        // The first layer's attention router sees the embeddings alone: checked against its definition.
        const std::vector<std::int64_t> wide(c->ids.begin(), c->ids.end());
        const at::Tensor x = reference::embed(c->weights(), at::tensor(wide, at::kLong).unsqueeze(0), 0);
        const ReferenceLayer& layer = c->weights().layers[0];
        const at::Tensor h = reference::normalise(c->config, x, layer.attention_norm, layer.attention_norm_bias)
                                 .to(at::kFloat)
                                 .contiguous();
        const std::vector<float> code = targetCode(0.7, routers->budget_list);
        for (int t = 0; t < kTokens; ++t) {
            const float* row = h.const_data_ptr<float>() + static_cast<std::ptrdiff_t>(t) * c->config.hidden_size;
            std::vector<float> in(row, row + c->config.hidden_size);
            in.insert(in.end(), code.begin(), code.end());
            const int chosen = argmax(routerLogits(routers->heads[0], in));
            QCOMPARE(output.heads[static_cast<std::size_t>(t * layers)],
                     choices.head_int_list[static_cast<std::size_t>(chosen)]);
        }
    }

    void cloneContinuesApart()
    {
        const auto c = makeCase();
        const WidthPlan full = planOf(fullSubNetwork(c->config));
        auto cache = c->backend->newCache(kTokens, full.subnet.heads).orThrow();
        readText(*c->backend, {c->ids.begin(), c->ids.begin() + 5}, full, 5, cache.get());
        auto copy = cache->clone().orThrow();
        const std::vector<TokenId> tail(c->ids.begin() + 5, c->ids.end());
        const std::vector<TokenId> other(tail.rbegin(), tail.rend());
        const auto expected = readText(*c->backend, tail, full, 1, cache.get());
        readText(*c->backend, other, full, 1, copy.get());
        copy->truncate(5);
        QCOMPARE(readText(*c->backend, tail, full, 1, copy.get()), expected);
    }

    void cancelledAndRefusedStepsChangeNothing()
    {
        const auto c = makeCase();
        const WidthPlan full = planOf(fullSubNetwork(c->config));
        auto cache = c->backend->newCache(kTokens, full.subnet.heads).orThrow();
        readText(*c->backend, {c->ids[0], c->ids[1]}, full, 2, cache.get());
        CancelSource source;
        source.cancel();
        const StepInput input{cache.get(), c->ids, &full, LogitsWanted::Last};
        StepOutput output;
        const Result<void> too_long = c->backend->step({&input, 1}, {&output, 1});
        QCOMPARE(too_long.error().code, ErrorCode::InvalidArgument);
        QVERIFY(too_long.error().message.find("16 tokens, but the cache holds 14") != std::string::npos);
        const std::vector<TokenId> outside{0, c->config.vocab_size};
        const StepInput wrong{cache.get(), outside, &full, LogitsWanted::Last};
        QVERIFY(c->backend->step({&wrong, 1}, {&output, 1}).error().message.find("outside the vocabulary") !=
                std::string::npos);
        const std::vector<TokenId> one{c->ids[2]};
        const StepInput good{cache.get(), one, &full, LogitsWanted::Last};
        QCOMPARE(c->backend->step({&good, 1}, {&output, 1}, source.token()).error().code, ErrorCode::Cancelled);
        QCOMPARE(cache->length(), 2);
    }
};

QTEST_GUILESS_MAIN(TestReference)
#include "test_reference.moc"
