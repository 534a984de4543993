// Losses and greedy texts of other implementations (tests/data), through the same functions that the programs call.
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>

#include <cmath>

#include "engine/evaluate/scoring.h"
#include "engine/generate/generation.h"

using namespace flextron;

namespace {

constexpr double kLossTolerance = 1e-4; // nats, float32 against float64

std::filesystem::path dataFolderOf(const QString& model)
{
    return std::filesystem::path(FLEXTRON_TEST_DATA) / model.toStdString();
}

/// The bundled models' weights are not stored twice.
std::filesystem::path weightsFolderOf(const QString& model)
{
    const auto bundled = std::filesystem::path(FLEXTRON_SOURCE_DIR) / "resources" / "models" / model.toStdString();
    return std::filesystem::exists(bundled) ? bundled : dataFolderOf(model);
}

QJsonObject goldenOf(const QString& model)
{
    QFile file(QString::fromStdString((dataFolderOf(model) / "golden.json").string()));
    if (!file.open(QIODevice::ReadOnly)) qFatal("no golden.json for %s", qPrintable(model));
    return QJsonDocument::fromJson(file.readAll()).object();
}

std::vector<TokenId> idsOf(const QJsonValue& array)
{
    std::vector<TokenId> ids;
    for (const QJsonValue& id : array.toArray()) ids.push_back(id.toInt());
    return ids;
}

/// What every model of the data folder is asked for, whatever its golden.json calls it.
struct Golden {
    struct Loss {
        std::vector<TokenId> ids;
        QJsonArray nll; ///< of ids 1 .. n-1
    };
    std::vector<Loss> losses;
    std::vector<TokenId> greedy;
    std::size_t prompt = 0; ///< how many of `greedy` were given
    QString text;           ///< of `greedy`, where there is one
};

Golden readGolden(const QString& model)
{
    const QJsonObject json = goldenOf(model);
    Golden golden;
    if (json.contains("input_ids")) {
        const QJsonArray rows = json["input_ids"].toArray();
        for (int i = 0; i < rows.size(); ++i)
            golden.losses.push_back({idsOf(rows[i]), json["nll"].toArray()[i].toArray()});
        golden.greedy = idsOf(json["greedy_from_first_8_of_row0"]);
        golden.prompt = 8;
        return golden;
    }
    golden.greedy = idsOf(json["greedy_ids"]);
    golden.prompt = json.contains("prompt_ids") ? static_cast<std::size_t>(json["prompt_ids"].toArray().size()) : 1;
    golden.text = json["greedy_text"].toString();
    for (const char* name : {"nll_of_first_100", "nll_of_first_63_next_tokens"})
        if (json.contains(name)) {
            const QJsonArray nll = json[name].toArray();
            golden.losses.push_back({{golden.greedy.begin(), golden.greedy.begin() + nll.size() + 1}, nll});
        }
    return golden;
}

std::shared_ptr<const LoadedModel> load(const QString& model)
{
    LoadOptions options;
    options.device.kind = DeviceRequest::Kind::Cpu;
    options.type = ComputeType::Float32;
    return std::make_shared<LoadedModel>(loadModel(weightsFolderOf(model).string(), options).orThrow());
}

WidthPlan fullPlan(const LoadedModel& model)
{
    return {fullSubNetwork(model.config()), nullptr, 1.0, nullptr};
}

void compareLosses(std::span<const float> found, const QJsonArray& expected)
{
    QCOMPARE(static_cast<int>(found.size()), static_cast<int>(expected.size()));
    for (int i = 0; i < expected.size(); ++i) {
        const double difference = std::abs(static_cast<double>(found[static_cast<std::size_t>(i)]) -
                                           expected[i].toDouble());
        QVERIFY2(difference < kLossTolerance, qPrintable(QString("token %1: off by %2").arg(i + 1).arg(difference)));
    }
}

} // namespace

class TestGolden final : public QObject {
    Q_OBJECT

    static void models()
    {
        QTest::addColumn<QString>("model");
        for (const char* name :
             {"golden/gpt2", "golden/gpt2-untied-inner", "golden/llama-f16", "golden/llama-gqa-tied",
              "golden/llama-mha", "golden/llama-mqa-headdim", "golden/llama-rope-linear-bias",
              "golden/llama-rope-llama3", "golden/llama-sharded-bf16", "golden/mistral", "golden/qwen2",
              "flextron-stories", "flextron-stories-gpt2", "stories-gpt2", "stories260k-llama"})
            QTest::newRow(name) << name;
    }

private slots:
    void losses_data() { models(); }
    void losses()
    {
        QFETCH(QString, model);
        const auto loaded = load(model);
        const Golden golden = readGolden(model);
        QVERIFY(!golden.losses.empty());
        for (const Golden::Loss& loss : golden.losses) {
            const auto score = scoreText(*loaded, loss.ids, fullPlan(*loaded));
            QVERIFY2(score.ok(), score ? "" : score.error().message.c_str());
            compareLosses(score->nll, loss.nll);
            QCOMPARE(score->tokens, static_cast<std::int64_t>(loss.nll.size()));
        }
    }

    void greedyText_data() { models(); }
    void greedyText()
    {
        QFETCH(QString, model);
        const auto loaded = load(model);
        const Golden golden = readGolden(model);
        GenerationSettings settings;
        settings.max_tokens = static_cast<int>(golden.greedy.size() - golden.prompt);
        settings.stop_at_eos = false;
        const std::vector<TokenId> prompt(golden.greedy.begin(),
                                          golden.greedy.begin() + static_cast<std::ptrdiff_t>(golden.prompt));
        auto generation =
            Generation::start(loaded, prompt, {{"full", fullPlan(*loaded), Routing::Uniform}}, settings).orThrow();
        while (!generation->finished()) QVERIFY(generation->step().ok());
        QCOMPARE(generation->trace(0).ids(), golden.greedy);
        if (golden.text.isEmpty()) return;
        const std::string given = loaded->tokenizer->decode(prompt).orThrow();
        QCOMPARE(QString::fromStdString(given + generation->text(0)), golden.text);
    }

    // What is said of a given text while it is read as a prompt is what scoring says of it.
    void promptsAreJudgedLikeScoredTexts_data() { models(); }
    void promptsAreJudgedLikeScoredTexts()
    {
        QFETCH(QString, model);
        const auto loaded = load(model);
        const Golden golden = readGolden(model);
        const Golden::Loss& loss = golden.losses.front();
        GenerationSettings settings;
        settings.max_tokens = 0;
        settings.prefill_chunk = 5;
        auto generation =
            Generation::start(loaded, loss.ids, {{"full", fullPlan(*loaded), Routing::Uniform}}, settings).orThrow();
        while (!generation->finished()) QVERIFY(generation->step().ok());
        std::vector<float> nll;
        for (std::size_t t = 1; t < loss.ids.size(); ++t) nll.push_back(-generation->trace(0).records[t].logprob);
        compareLosses(nll, loss.nll);
    }
};

QTEST_APPLESS_MAIN(TestGolden)
#include "test_golden.moc"
