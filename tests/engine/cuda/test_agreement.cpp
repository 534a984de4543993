// The CUDA backend against the reference, on every stored model and on random ones. Without a GPU its kernels run on
// the CPU, from the same source.
#include <QTemporaryDir>
#include <QTest>

#include "engine/compute/reference.h"
#include "engine/elastic/extract.h"
#include "tests/engine/compute/decode_support.h"
#include "tests/engine/cuda/cuda_support.h"

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
    int order = 0;
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
    made->order = static_cast<int>(seed % kEmulatedOrders);
    made->checkpoint = model.isEmpty() ? randomCheckpoint(made->path("model"),
                                                          randomConfig(static_cast<Family>(family), made->random), seed)
                                       : Checkpoint::open(dataFolder(model.toStdString())).orThrow();
    const int tokens = std::min(kTokens, made->config().max_position_embeddings);
    made->ids = randomIds(made->config(), tokens, made->random);
    return made;
}

/// Losses of the full model and of random sub-networks, read in chunks of different sizes, against the reference's.
void compare(const Backend& found_by, const Backend& wanted, Case& c, double tolerance)
{
    std::vector<SubNetwork> subnets{fullSubNetwork(c.config())};
    for (int i = 0; i < 2; ++i) subnets.push_back(randomSubNetwork(c.config(), c.random, /*with_zero=*/i == 1));
    const std::size_t chunks[] = {7, 1, 64};
    for (std::size_t i = 0; i < subnets.size(); ++i) {
        const WidthPlan plan = planOf(subnets[i]);
        const auto expected = readText(wanted, c.ids, plan, 64);
        const auto found = readText(found_by, c.ids, plan, chunks[i]);
        const double loss = meanLoss(expected, c.ids);
        const double difference = std::abs(meanLoss(found, c.ids) - loss);
        QVERIFY2(difference <= tolerance, qPrintable(QString("%1, %2: loss %3, off by %4")
                                                         .arg(QString::fromStdString(found_by.description()),
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

} // namespace

class TestCudaAgreement final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        if (!testSupport().kernelsReady()) QSKIP(testSupport().kernelsReason().c_str());
        setThreads(1); // products of such small models are not worth waking threads for
    }
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
        compare(*loadOnTestGpu(c->checkpoint, WeightType::Float32, c->order), *reference(c->checkpoint), *c,
                kFloat32Loss);
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
        compare(*loadOnTestGpu(c->checkpoint, static_cast<WeightType>(type), c->order), *reference(rounded), *c,
                kHalfLoss);
    }

    void layersThatDiffer()
    {
        const auto c = makeCase();
        SubNetwork widths = randomSubNetwork(c->config(), c->random, /*with_zero=*/true);
        // Equal widths would be written as a plain model.
        widths.mlp.front() = widths.mlp.back() == 1 ? 2 : 1;
        writeCheckpoint(c->path("extracted"), extractSubNetwork(c->checkpoint, widths).orThrow().contents).orThrow();
        c->checkpoint = Checkpoint::open(c->path("extracted")).orThrow();
        compare(*loadOnTestGpu(c->checkpoint, WeightType::Float32, c->order), *reference(c->checkpoint), *c,
                kFloat32Loss);
    }

    void dynamicChoices()
    {
        const auto c = makeCase();
        const ChoiceSets choices = defaultChoiceSets(c->config());
        WidthPlan plan = planOf(fullSubNetwork(c->config()));
        plan.routers = std::make_shared<const Routers>(randomRouters(c->config(), choices, {1.0, 0.7, 0.5}, 9, 5));
        plan.budget = 0.6;
        auto forced = std::make_shared<Overrides>();
        forced->add({4, Override::kAll, SubBlock::Mlp, 0});
        plan.overrides = forced;
        const auto wanted = reference(c->checkpoint);
        const auto found = loadOnTestGpu(c->checkpoint, WeightType::Float32, c->order);
        for (const std::size_t chunk : {std::size_t{64}, std::size_t{5}}) {
            StepOutput outputs[2];
            const Backend* backends[] = {wanted.get(), found.get()};
            const std::size_t begin = c->ids.size() - std::min(c->ids.size(), chunk);
            for (int i = 0; i < 2; ++i) {
                const auto cache = backends[i]->newCache(kTokens, fullSubNetwork(c->config()).heads).orThrow();
                if (begin > 0)
                    readText(*backends[i], {c->ids.begin(), c->ids.begin() + static_cast<std::ptrdiff_t>(begin)}, plan,
                             3, cache.get());
                const StepInput input{cache.get(), std::span(c->ids).subspan(begin), &plan, LogitsWanted::All};
                backends[i]->step({&input, 1}, {&outputs[i], 1}).orThrow();
            }
            QCOMPARE(outputs[1].heads, outputs[0].heads);
            QCOMPARE(outputs[1].mlp, outputs[0].mlp);
            QVERIFY(largestDifference(outputs[1].head_probabilities, outputs[0].head_probabilities) < 1e-4);
            QVERIFY(largestDifference(outputs[1].mlp_probabilities, outputs[0].mlp_probabilities) < 1e-4);
            QVERIFY(largestDifference(outputs[1].logits, outputs[0].logits) < 1e-3);
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
        const auto backend = loadOnTestGpu(c->checkpoint, WeightType::Float32, c->order);
        for (const std::size_t chunk : {std::size_t{1}, std::size_t{5}, std::size_t{64}})
            QVERIFY(std::abs(meanLoss(readText(*backend, c->ids, plan, chunk), c->ids) - meanLoss(expected, c->ids)) <
                    kFloat32Loss);
    }
};

QTEST_GUILESS_MAIN(TestCudaAgreement)
#include "test_agreement.moc"
