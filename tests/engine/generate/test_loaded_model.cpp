// Opening a model with all that belongs to it, and finding it by name.
#include <QScopeGuard>
#include <QTemporaryDir>
#include <QTest>

#include <fstream>

#include "engine/base/files.h"
#include "engine/generate/loaded_model.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

LoadOptions onCpu()
{
    LoadOptions options;
    options.device.kind = DeviceRequest::Kind::Cpu;
    return options;
}

void append(const fs::path& file, const std::string& text)
{
    std::ofstream(file, std::ios::app) << text;
}

} // namespace

class TestLoadedModel final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    [[nodiscard]] fs::path path(const char* name) const { return fs::path(folder_.path().toStdString()) / name; }

    /// A copy of a model of tests/data that a test may change.
    fs::path copyOf(const char* model, const char* name) const
    {
        fs::copy(fs::path(FLEXTRON_TEST_DATA) / model, path(name), fs::copy_options::recursive);
        for (const auto& entry : fs::recursive_directory_iterator(path(name)))
            fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
        return path(name);
    }

private slots:
    void everythingIsThere()
    {
        const fs::path folder = copyOf("stories260k-llama", "complete");
        const auto model = loadModel(folder.string() + "/", onCpu());
        QVERIFY2(model.ok(), model ? "" : model.error().message.c_str());
        QCOMPARE(model->name, std::string("complete"));
        QVERIFY(model->tokenizer && model->tokenizer_problem.empty());
        QVERIFY(!model->routers && !model->latency);
        QCOMPARE(model->hash.size(), std::size_t(16));
        const TargetContext context = model->targetContext(100, KvRule::Own);
        QCOMPARE(context.config, &model->config());
        QCOMPARE(context.context, 100);
        QVERIFY(context.kv == KvRule::Own && context.latency == nullptr);
    }

    void theBackendFollowsFromWhatWasAskedFor_data()
    {
        QTest::addColumn<int>("backend");
        QTest::addColumn<int>("type");
        QTest::addColumn<int>("weights");
        QTest::addColumn<QByteArray>("words"); // of the description, or of the failure
        QTest::addColumn<bool>("works");
        const auto row = [](const char* name, BackendKind backend, ComputeType type, WeightType weights,
                            const char* words, bool works) {
            QTest::newRow(name) << int(backend) << int(type) << int(weights) << QByteArray(words) << works;
        };
        row("nothing", BackendKind::Auto, ComputeType::Auto, WeightType::Auto, "decode, f16", true);
        row("weights", BackendKind::Auto, ComputeType::Auto, WeightType::Int8, "decode, q8", true);
        row("arithmetic", BackendKind::Auto, ComputeType::Float64, WeightType::Auto, "reference", true);
        row("reference", BackendKind::Reference, ComputeType::Auto, WeightType::Auto, "reference", true);
        row("reference, bf16", BackendKind::Reference, ComputeType::Auto, WeightType::BFloat16, "bfloat16", true);
        row("reference, q8", BackendKind::Reference, ComputeType::Auto, WeightType::Int8, "f32 or bf16", false);
        row("both", BackendKind::Auto, ComputeType::Float32, WeightType::BFloat16, "contradict", false);
        row("decode, float64", BackendKind::Decode, ComputeType::Float64, WeightType::Auto, "compute in float32",
            false);
    }
    void theBackendFollowsFromWhatWasAskedFor()
    {
        QFETCH(int, backend);
        QFETCH(int, type);
        QFETCH(int, weights);
        QFETCH(QByteArray, words);
        QFETCH(bool, works);
        LoadOptions options = onCpu();
        options.backend = static_cast<BackendKind>(backend);
        options.type = static_cast<ComputeType>(type);
        options.weights = static_cast<WeightType>(weights);
        const auto model = loadModel((fs::path(FLEXTRON_TEST_DATA) / "golden/llama-f16").string(), options);
        QCOMPARE(model.ok(), works);
        const std::string said = works ? model->backend->description() : model.error().message;
        QVERIFY2(has(said, words.toStdString()), said.c_str());
    }

    void withoutATokenizerTheModelStillOpens()
    {
        const auto model = loadModel((fs::path(FLEXTRON_TEST_DATA) / "golden/llama-mha").string(), onCpu());
        QVERIFY(model.ok());
        QVERIFY(!model->tokenizer);
        QVERIFY2(has(model->tokenizer_problem, "tokenizer"), model->tokenizer_problem.c_str());
    }

    void aTokenizerThatKnowsMoreIdsThanTheModel()
    {
        const fs::path folder = copyOf("golden/llama-mha", "foreign");                        // 96 ids
        fs::copy(fs::path(FLEXTRON_TEST_DATA) / "stories260k-llama/tokenizer.model", folder); // 512
        const auto model = loadModel(folder.string(), onCpu());
        QVERIFY(model.ok());
        QVERIFY(!model->tokenizer);
        QVERIFY2(has(model->tokenizer_problem, "512") && has(model->tokenizer_problem, "96"),
                 model->tokenizer_problem.c_str());
    }

    void routersOfTheFolderAndOthers()
    {
        const fs::path folder = copyOf("stories260k-llama", "routed");
        const auto plain = loadModel(folder.string(), onCpu());
        const Routers own = randomRouters(plain->config(), plain->checkpoint->choices(), {1.0, 0.5}, 4, 1);
        QVERIFY(writeRouters(folder / "routers.safetensors", own).ok());
        QCOMPARE(loadModel(folder.string(), onCpu())->routers->budget_list, (std::vector<double>{1.0, 0.5}));
        Routers other = randomRouters(plain->config(), plain->checkpoint->choices(), {1.0, 0.8, 0.6}, 4, 1);
        QVERIFY(writeRouters(path("other.safetensors"), other).ok());
        LoadOptions options = onCpu();
        options.routers = path("other.safetensors");
        QCOMPARE(loadModel(folder.string(), options)->routers->budget_list.size(), std::size_t(3));
        options.routers = path("none.safetensors");
        QCOMPARE(loadModel(folder.string(), options).error().code, ErrorCode::NotFound);
        append(folder / "routers.safetensors", "more");
        QVERIFY(has(loadModel(folder.string(), onCpu()).error().message, "routers.safetensors"));
    }

    void latencyTableOfTheCacheIsTakenWhenItFits()
    {
        const fs::path folder = copyOf("stories260k-llama", "timed");
        const auto model = loadModel(folder.string(), onCpu());
        LatencyTable table;
        QCOMPARE(model->latency_problem, std::string("no latency table for this set-up yet"));
        table.fingerprint = latencyFingerprint(*model->backend);
        table.revision = model->backend->revision();
        table.repeats = 3;
        table.mlp_widths = {0, 172};
        table.head_counts = {0, 8};
        table.contexts = {64};
        table.fixed_ms = 0.5;
        table.mlp_ms = {0, 0.1};
        table.attention_own_ms = table.attention_all_ms = {{0, 0.1}};
        const fs::path file = latencyTablePath(table.fingerprint);
        const auto gone = qScopeGuard([&file] { fs::remove(file); });
        QVERIFY(writeLatencyTable(file, table).ok());
        const auto with = loadModel(folder.string(), onCpu());
        QVERIFY(with->latency.has_value());
        QCOMPARE(with->targetContext().latency->fixed_ms, 0.5);
        QVERIFY(with->latency_problem.empty());
        table.revision = model->backend->revision() - 1;
        QVERIFY(writeLatencyTable(file, table).ok());
        const auto outdated = loadModel(folder.string(), onCpu());
        QVERIFY(!outdated->latency);
        QVERIFY2(has(outdated->latency_problem, "out of date"), outdated->latency_problem.c_str());
        append(file, "}");
        QVERIFY(!loadModel(folder.string(), onCpu())->latency); // no reason not to open the model
    }

    void cancel()
    {
        CancelSource source;
        source.cancel();
        QCOMPARE(loadModel((fs::path(FLEXTRON_TEST_DATA) / "stories260k-llama").string(), onCpu(), {}, source.token())
                     .error()
                     .code,
                 ErrorCode::Cancelled);
    }

    void namesThatAreNoModel()
    {
        const auto missing = findModel("no-such-model");
        QCOMPARE(missing.error().code, ErrorCode::NotFound);
        QVERIFY(has(missing.error().message, "there is no model \"no-such-model\""));
        QVERIFY(has(missing.error().hint, "name the folder of a checkpoint"));
        for (const ModelEntry& entry : listModels())
            if (entry.bundled) QVERIFY(has(missing.error().hint, entry.name));
        append(path("file"), "x");
        const auto file = findModel(path("file").string());
        QCOMPARE(file.error().code, ErrorCode::InvalidArgument);
        QVERIFY(has(file.error().hint, "config.json"));
    }

    void bundledModelsAreSortedAndFoundByName()
    {
        std::vector<std::string> names;
        for (const ModelEntry& entry : listModels()) {
            if (!entry.bundled) break;
            names.push_back(entry.name);
            QVERIFY(fs::exists(entry.folder / "config.json"));
            QCOMPARE(*findModel(entry.name), entry.folder);
        }
        QVERIFY(std::is_sorted(names.begin(), names.end()));
        const auto first = findModel("");
        if (names.empty()) QVERIFY(has(first.error().message, "no model is bundled"));
        else QCOMPARE(first->filename().string(), names.front());
    }

    void recentModelsMostRecentFirst()
    {
        const auto recent = [] {
            std::vector<std::string> names;
            for (const ModelEntry& entry : listModels())
                if (!entry.bundled) names.push_back(entry.name);
            return names;
        };
        fs::remove_all(dataFolder());
        QVERIFY(recent().empty());
        for (const char* name : {"a", "b", "c"}) {
            fs::create_directories(path(name));
            rememberModel(path(name));
        }
        rememberModel(path("a/../a"));
        QCOMPARE(recent(), (std::vector<std::string>{"a", "c", "b"}));
        fs::remove(path("c"));
        QCOMPARE(recent(), (std::vector<std::string>{"a", "b"}));
        append(dataFolder() / "recent-models.json", "]");
        QVERIFY(recent().empty()); // a broken list is an empty one, and is written anew
        rememberModel(path("b"));
        QCOMPARE(recent(), (std::vector<std::string>{"b"}));
        for (int i = 0; i < 15; ++i) {
            const std::string name = "m" + std::to_string(i);
            fs::create_directories(path(name.c_str()));
            rememberModel(path(name.c_str()));
        }
        QCOMPARE(recent().size(), std::size_t(10));
        QCOMPARE(recent().front(), std::string("m14"));
    }

    void hashTellsModelsApart()
    {
        const auto hash = [&](const char* name, const ModelConfig& config) {
            return modelHash(*fakeCheckpoint(path(name), config));
        };
        const std::string original = hash("h1", fakeConfig());
        QCOMPARE(hash("h2", fakeConfig()), original);
        ModelConfig other = fakeConfig();
        other.norm_eps = 1e-6;
        QVERIFY(hash("h3", other) != original);
        other = fakeConfig();
        other.layers.assign(4, other.layers.front());
        QVERIFY(hash("h4", other) != original);
        const auto a = Checkpoint::open(fs::path(FLEXTRON_TEST_DATA) / "golden/llama-mha").orThrow();
        const auto b = Checkpoint::open(fs::path(FLEXTRON_TEST_DATA) / "golden/llama-f16").orThrow();
        QVERIFY(modelHash(*a) != modelHash(*b));
    }
};

QTEST_APPLESS_MAIN(TestLoadedModel)
#include "test_loaded_model.moc"
