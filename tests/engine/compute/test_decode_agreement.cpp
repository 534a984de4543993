// The decode backend against the reference, on every stored model and on random ones, for every vector unit that this
// processor has.
#include <QTemporaryDir>
#include <QTest>

#include "engine/compute/decode/decode_backend_p.h"
#include "engine/compute/reference.h"
#include "engine/elastic/extract.h"
#include "tests/engine/compute/decode_support.h"

using namespace flextron;
using namespace flextron::test;

namespace {

constexpr int kTokens = 26;
constexpr double kFloat32Loss = 1e-4; // nats
constexpr double kHalfLoss = 2e-3;

std::shared_ptr<const Backend> reference(std::shared_ptr<const Checkpoint> checkpoint)
{
    return loadReferenceBackend(std::move(checkpoint), chooseDevice({DeviceRequest::Kind::Cpu}).orThrow(),
                                ComputeType::Float32)
        .orThrow();
}

struct Case {
    QTemporaryDir folder;
    std::mt19937_64 random;
    std::shared_ptr<const Checkpoint> checkpoint;
    std::vector<TokenId> ids;
    [[nodiscard]] std::filesystem::path path(const char* name) const
    {
        return std::filesystem::path(folder.path().toStdString()) / name;
    }
    [[nodiscard]] const ModelConfig& config() const { return checkpoint->config(); }
};

std::unique_ptr<Case> makeCase()
{
    QFETCH_GLOBAL(QString, model);
    QFETCH_GLOBAL(int, family);
    QFETCH_GLOBAL(qulonglong, seed);
    auto made = std::make_unique<Case>();
    made->random.seed(seed);
    made->checkpoint = model.isEmpty() ? randomCheckpoint(made->path("model"),
                                                          randomConfig(static_cast<Family>(family), made->random), seed)
                                       : Checkpoint::open(dataFolder(model.toStdString())).orThrow();
    const int tokens = std::min(kTokens, made->config().max_position_embeddings);
    made->ids = randomIds(made->config(), tokens, made->random);
    return made;
}

/// Losses of the full model and of random sub-networks, read in chunks of different sizes, against the reference's.
void compare(const Backend& decode, const Backend& wanted, Case& c, double tolerance)
{
    std::vector<SubNetwork> subnets{fullSubNetwork(c.config())};
    for (int i = 0; i < 3; ++i) subnets.push_back(randomSubNetwork(c.config(), c.random, /*with_zero=*/i == 2));
    const std::size_t chunks[] = {1, 64, 7, 3};
    for (std::size_t i = 0; i < subnets.size(); ++i) {
        const WidthPlan plan = planOf(subnets[i]);
        const auto expected = readText(wanted, c.ids, plan, 64);
        const auto found = readText(decode, c.ids, plan, chunks[i]);
        const double loss = meanLoss(expected, c.ids);
        const double difference = std::abs(meanLoss(found, c.ids) - loss);
        QVERIFY2(difference <= tolerance, qPrintable(QString("%1, %2: loss %3, off by %4")
                                                         .arg(QString::fromStdString(decode.description()),
                                                              QString::fromStdString(toString(plan.subnet)))
                                                         .arg(loss)
                                                         .arg(difference)));
        // A mean can hide a wrong token: logits agree too.
        float most = 1;
        for (const float v : expected) most = std::max(most, std::abs(v));
        QVERIFY2(largestDifference(found, expected) <= tolerance * 10 * most,
                 qPrintable(QString::fromStdString(toString(plan.subnet))));
    }
}

/// What loading as int8 makes of a matrix: groups of 32 inputs of an output share a scale, counted within a group of
/// heads for the output projection; the scale is a bfloat16, rounded up. Rows that are looked up are bfloat16.
void quantise(const ModelConfig& config, const std::string& name, std::vector<float>& values,
              const std::vector<std::int64_t>& shape)
{
    const bool looked_up = name.find("wpe") != std::string::npos ||
                           (!config.tie_word_embeddings &&
                            (name.find("wte") != std::string::npos || name.find("embed") != std::string::npos));
    if (looked_up) {
        for (float& v : values) v = bfloat16ToFloat(floatToBfloat16(v));
        return;
    }
    const bool transposed = config.isGpt() && name.find(".h.") != std::string::npos;
    const auto outs = static_cast<std::size_t>(transposed ? shape[1] : shape[0]);
    const auto ins = static_cast<std::size_t>(transposed ? shape[0] : shape[1]);
    const bool heads = name.find("o_proj") != std::string::npos || name.find("attn.c_proj") != std::string::npos;
    const std::size_t segment = heads ? static_cast<std::size_t>(config.headsPerGroup() * config.head_dim) : ins;
    const auto at = [&](std::size_t o, std::size_t i) -> float& {
        return values[transposed ? i * outs + o : o * ins + i];
    };
    for (std::size_t o = 0; o < outs; ++o)
        for (std::size_t s = 0; s < ins; s += segment)
            for (std::size_t first = s; first < s + segment; first += 32) {
                const std::size_t end = std::min(first + 32, s + segment);
                float most = 0;
                for (std::size_t i = first; i < end; ++i) most = std::max(most, std::abs(at(o, i)));
                float scale = bfloat16ToFloat(floatToBfloat16(most / 127));
                while (scale * 127 < most)
                    scale = bfloat16ToFloat(static_cast<std::uint16_t>(floatToBfloat16(scale) + 1));
                for (std::size_t i = first; i < end && scale > 0; ++i) at(o, i) = std::round(at(o, i) / scale) * scale;
            }
}

} // namespace

class TestDecodeAgreement final : public QObject {
    Q_OBJECT

private slots:
    // Products of such small models are not worth waking threads for.
    void initTestCase() { setThreads(1); }
    void initTestCase_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<int>("family");
        QTest::addColumn<qulonglong>("seed");
        qulonglong seed = 1000;
        for (const std::string& name : storedModels())
            QTest::newRow(name.c_str()) << QString::fromStdString(name) << 0 << seed++;
        for (const RandomCase& c : randomCases(3))
            QTest::newRow(c.name.c_str()) << QString() << static_cast<int>(c.family) << static_cast<qulonglong>(c.seed);
    }

    void float32()
    {
        const auto c = makeCase();
        const auto wanted = reference(c->checkpoint);
        for (const std::string& target : decode::kernelTargets())
            compare(*loadDecodeBackendOn(target, c->checkpoint, {WeightType::Float32, KvType::Auto, 2}).orThrow(),
                    *wanted, *c, kFloat32Loss);
    }

    void half_data()
    {
        QTest::addColumn<int>("type");
        QTest::newRow("float16") << static_cast<int>(WeightType::Float16);
        QTest::newRow("bfloat16") << static_cast<int>(WeightType::BFloat16);
    }
    void half()
    {
        QFETCH(int, type);
        const bool narrow = static_cast<WeightType>(type) == WeightType::Float16;
        const auto c = makeCase();
        const auto rounded = changedCopy(
            *c->checkpoint, c->path("rounded"), [&](const auto&, auto& values, const auto&) {
                for (float& v : values)
                    v = narrow ? float16ToFloat(floatToFloat16(v)) : bfloat16ToFloat(floatToBfloat16(v));
            });
        const auto wanted = reference(rounded);
        for (const std::string& target : decode::kernelTargets())
            compare(*loadDecodeBackendOn(target, c->checkpoint, {static_cast<WeightType>(type), KvType::Float32, 2})
                         .orThrow(),
                    *wanted, *c, kHalfLoss);
    }

    void int8()
    {
        const auto c = makeCase();
        const auto rounded = changedCopy(
            *c->checkpoint, c->path("rounded"),
            [&](const auto& name, auto& values, const auto& shape) { quantise(c->config(), name, values, shape); });
        const auto wanted = reference(rounded);
        for (const std::string& target : decode::kernelTargets())
            compare(*loadDecodeBackendOn(target, c->checkpoint, {WeightType::Int8, KvType::Float32, 2}).orThrow(),
                    *wanted, *c, kFloat32Loss);
    }

    void keysAndValuesOf16Bits_data()
    {
        QTest::addColumn<int>("type");
        QTest::addColumn<double>("loss");
        QTest::newRow("float16") << static_cast<int>(KvType::Float16) << kHalfLoss;
        // Three bits fewer: what random weights make of random text is eight times further off.
        QTest::newRow("bfloat16") << static_cast<int>(KvType::BFloat16) << 8 * kHalfLoss;
    }
    void keysAndValuesOf16Bits()
    {
        QFETCH(int, type);
        QFETCH(double, loss);
        const auto c = makeCase();
        const auto wanted = reference(c->checkpoint);
        for (const std::string& target : decode::kernelTargets())
            compare(*loadDecodeBackendOn(target, c->checkpoint, {WeightType::Float32, static_cast<KvType>(type), 2})
                         .orThrow(),
                    *wanted, *c, loss);
    }

    // Keys and values beyond float16's range are kept as its largest number, not as infinity.
    void keysBeyondFloat16()
    {
        const auto c = makeCase();
        const auto large = changedCopy(*c->checkpoint, c->path("large"),
                                       [](const auto& name, auto& values, const auto&) {
                                           if (name.find("v_proj") == std::string::npos) return;
                                           for (float& v : values) v *= 1e6f;
                                       });
        for (const std::string& target : decode::kernelTargets()) {
            const auto decode = loadDecodeBackendOn(target, large, {WeightType::Float32, KvType::Float16, 2}).orThrow();
            for (const float v : readText(*decode, c->ids, planOf(fullSubNetwork(c->config())), 7))
                QVERIFY(std::isfinite(v));
        }
    }

    void layersThatDiffer()
    {
        const auto c = makeCase();
        SubNetwork widths = randomSubNetwork(c->config(), c->random, /*with_zero=*/true);
        // Equal widths would be written as a plain model.
        widths.mlp.front() = widths.mlp.back() == 1 ? 2 : 1;
        writeCheckpoint(c->path("extracted"), extractSubNetwork(c->checkpoint, widths).orThrow().contents).orThrow();
        c->checkpoint = Checkpoint::open(c->path("extracted")).orThrow();
        compare(*loadDecodeBackend(c->checkpoint, {WeightType::Float32, KvType::Auto, 2}).orThrow(),
                *reference(c->checkpoint), *c, kFloat32Loss);
    }

    void dynamicChoices()
    {
        const auto c = makeCase();
        const ChoiceSets choices = defaultChoiceSets(c->config());
        WidthPlan plan = planOf(fullSubNetwork(c->config()));
        plan.routers = std::make_shared<const Routers>(randomRouters(c->config(), choices, {1.0, 0.7, 0.5}, 8, 5));
        plan.budget = 0.6;
        const auto wanted = reference(c->checkpoint);
        for (const std::string& target : decode::kernelTargets()) {
            const auto decode =
                loadDecodeBackendOn(target, c->checkpoint, {WeightType::Float32, KvType::Auto, 2}).orThrow();
            StepOutput outputs[2];
            const Backend* backends[] = {wanted.get(), decode.get()};
            for (int i = 0; i < 2; ++i) {
                const auto cache = backends[i]->newCache(kTokens, fullSubNetwork(c->config()).heads).orThrow();
                const StepInput input{cache.get(), c->ids, &plan, LogitsWanted::All};
                backends[i]->step({&input, 1}, {&outputs[i], 1}).orThrow();
            }
            QCOMPARE(outputs[1].heads, outputs[0].heads);
            QCOMPARE(outputs[1].mlp, outputs[0].mlp);
            QVERIFY(largestDifference(outputs[1].head_probabilities, outputs[0].head_probabilities) < 1e-4);
            QVERIFY(largestDifference(outputs[1].mlp_probabilities, outputs[0].mlp_probabilities) < 1e-4);
            QVERIFY(std::abs(meanLoss(outputs[1].logits, c->ids) - meanLoss(outputs[0].logits, c->ids)) < kFloat32Loss);
        }
    }

    void overrides()
    {
        const auto c = makeCase();
        auto forced = std::make_shared<Overrides>();
        forced->add({Override::kAll, 0, SubBlock::Mlp, c->config().layers[0].intermediate_size / 2});
        forced->add({3, Override::kAll, SubBlock::Attention, 0});
        forced->add({5, 0, SubBlock::Attention, c->config().headsPerGroup()});
        forced->add({6, Override::kAll, SubBlock::Mlp, 0});
        WidthPlan plan = planOf(fullSubNetwork(c->config()));
        plan.overrides = forced;
        const auto expected = readText(*reference(c->checkpoint), c->ids, plan, 64);
        const auto decode = loadDecodeBackend(c->checkpoint, {WeightType::Float32, KvType::Auto, 2}).orThrow();
        for (const std::size_t chunk : {std::size_t{1}, std::size_t{5}, std::size_t{64}})
            QVERIFY(std::abs(meanLoss(readText(*decode, c->ids, plan, chunk), c->ids) - meanLoss(expected, c->ids)) <
                    kFloat32Loss);
    }
};

QTEST_GUILESS_MAIN(TestDecodeAgreement)
#include "test_decode_agreement.moc"
