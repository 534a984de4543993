// What each type of weights costs models that were trained (docs/performance.md has the same on more text).
#include <QTest>

#include "engine/compute/decode_backend.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/compute/decode_support.h"

using namespace flextron;
using namespace flextron::test;

namespace {

constexpr auto kStory =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
    "big red ball. She wanted to play with it, but it was too high. Her mom came and helped her. \"Thank you, mom!\" "
    "said Lily. They played with the ball all day and were very happy.";
constexpr double kMostRise = 0.005;

} // namespace

class TestWeightTypes final : public QObject {
    Q_OBJECT

private slots:
    void trainedModelsLoseLittle_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("type");
        for (const char* model : {"tests/data/stories260k-llama", "tests/data/stories-gpt2",
                                  "resources/models/flextron-stories", "resources/models/flextron-stories-gpt2"})
            for (const char* type : {"f16", "bf16", "q8"}) QTest::addRow("%s, %s", model, type) << model << type;
    }
    void trainedModelsLoseLittle()
    {
        QFETCH(QString, model);
        QFETCH(QString, type);
        const auto folder = std::filesystem::path(FLEXTRON_SOURCE_DIR) / model.toStdString();
        const auto checkpoint = Checkpoint::open(folder).orThrow();
        const auto ids = openTokenizer(folder).orThrow()->encode(kStory, {}).orThrow();
        const WidthPlan plan = planOf(fullSubNetwork(checkpoint->config()));
        const auto loss = [&](WeightType weights) {
            const auto backend = loadDecodeBackend(checkpoint, {weights, KvType::Auto, 2}).orThrow();
            return meanLoss(readText(*backend, ids, plan, 64), ids);
        };
        const double exact = loss(WeightType::Float32), held = loss(parseWeightType(type.toStdString()).orThrow());
        qInfo("loss %.4f, as %s %.4f", exact, qPrintable(type), held);
        QVERIFY(exact < 3); // it is a text of the kind they were trained on
        QVERIFY(held <= exact * (1 + kMostRise));
    }
};

QTEST_GUILESS_MAIN(TestWeightTypes)
#include "test_weight_types.moc"
