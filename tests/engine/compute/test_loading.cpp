// Loading weights: what is refused before and while they are read.
#include <QTemporaryDir>
#include <QTest>

#include <limits>

#include "engine/compute/reference.h"
#include "tests/engine/support/random_model.h"

using namespace flextron;
using namespace flextron::test;

namespace {

Device cpu()
{
    return chooseDevice({DeviceRequest::Kind::Cpu}).orThrow();
}

} // namespace

class TestLoading final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    std::shared_ptr<const Checkpoint> checkpoint_;

    [[nodiscard]] std::filesystem::path path(const char* name) const
    {
        return std::filesystem::path(folder_.path().toStdString()) / name;
    }

private slots:
    void initTestCase()
    {
        std::mt19937_64 random(5);
        checkpoint_ = randomCheckpoint(path("model"), randomConfig(Family::Llama, random), 5);
    }

    void tooLittleMemoryIsAnErrorWithNumbers()
    {
        Device device = cpu();
        device.available_bytes = 1000;
        const auto result = loadReferenceBackend(checkpoint_, device, ComputeType::Float32);
        QVERIFY(!result);
        QCOMPARE(result.error().code, ErrorCode::OutOfMemory);
        QVERIFY(result.error().message.find("1.0 kB of memory are available") != std::string::npos);
        QVERIFY(result.error().message.find("as float32") != std::string::npos);
        QVERIFY(result.error().hint.find("--dtype bfloat16") != std::string::npos);
        QVERIFY(estimateLoadBytes(*checkpoint_, ComputeType::Float32) >= checkpoint_->parameters() * 4);
        QCOMPARE(estimateLoadBytes(*checkpoint_, ComputeType::BFloat16) * 2,
                 estimateLoadBytes(*checkpoint_, ComputeType::Float32));
    }

    void weightsThatAreNotFiniteAreNamed_data()
    {
        QTest::addColumn<float>("value");
        QTest::newRow("NaN") << std::numeric_limits<float>::quiet_NaN();
        QTest::newRow("infinite") << -std::numeric_limits<float>::infinity();
    }
    void weightsThatAreNotFiniteAreNamed()
    {
        QFETCH(float, value);
        const std::string name = "model.layers.0.mlp.up_proj.weight";
        std::vector<float> values = toFloat(checkpoint_->tensor(name));
        values[values.size() / 2] = value;
        CheckpointContents contents;
        contents.config = checkpoint_->config();
        for (const auto& [each, view] : checkpoint_->tensors()) {
            contents.tensors.push_back({each, view});
            if (each == name) contents.tensors.back().tensor.bytes = std::as_bytes(std::span(values));
        }
        const auto folder = path(QTest::currentDataTag());
        QVERIFY(writeCheckpoint(folder, contents));
        const auto result = loadReferenceBackend(Checkpoint::open(folder).orThrow(), cpu(), ComputeType::Float32);
        QVERIFY(!result);
        QCOMPARE(result.error().code, ErrorCode::Corrupt);
        QVERIFY(result.error().message.find(name) != std::string::npos);
        QVERIFY(result.error().message.find("not finite") != std::string::npos);
        QVERIFY(!result.error().hint.empty());
    }

    void cancelStopsBetweenTensors()
    {
        CancelSource source;
        int tensors = 0;
        const auto result = loadReferenceBackend(
            checkpoint_, cpu(), ComputeType::Float32,
            [&](const Progress& progress) {
                QVERIFY(progress.done <= progress.total);
                if (++tensors == 2) source.cancel();
            },
            source.token());
        QCOMPARE(result.error().code, ErrorCode::Cancelled);
        QCOMPARE(tensors, 2);
    }

    void contextsOutsideTheModelsAreRefused()
    {
        const auto backend = loadReferenceBackend(checkpoint_, cpu(), ComputeType::Float32).orThrow();
        const auto heads = fullSubNetwork(backend->config()).heads;
        const auto result = backend->newCache(65, heads);
        QVERIFY(!result);
        QVERIFY(result.error().message.find("65 tokens was asked for, but the model's is 64") != std::string::npos);
        QVERIFY(backend->newCache(64, heads));
        QVERIFY(!backend->newCache(0, heads));
    }

    void devices()
    {
        QVERIFY(parseDevice("cuda:3")->index == 3);
        for (const char* wrong : {"gpu", "cuda:", "cuda:-1", "cuda:1x", ""})
            QVERIFY(parseDevice(wrong).error().hint.find("cuda:N") != std::string::npos);
        QVERIFY(parseComputeType("half").error().message.find("half") != std::string::npos);
        // With no GPU, or none wanted, there is a name, and a reason where a GPU would have been welcome.
        QVERIFY(cpu().fallback_reason.empty());
        const Device any = chooseDevice({}).orThrow();
        QVERIFY(any.cuda || !any.fallback_reason.empty());
        QVERIFY(!any.name.empty() && any.available_bytes > 0);
    }
};

QTEST_GUILESS_MAIN(TestLoading)
#include "test_loading.moc"
