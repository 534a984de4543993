// Checkpoint directories: opened, written, and refused with the name of what is wrong.
#include <QtTest/QtTest>

#include <cmath>

#include "engine/model/cost.h"
#include "tests/engine/support/checkpoint_files.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

namespace {

FlextronRecord recordFor(const ModelConfig& config)
{
    FlextronRecord record;
    record.choices = defaultChoiceSets(config);
    record.budget_list = {1.0, 0.75, 0.5};
    record.base_training_tokens = 26'853'376;
    record.stages = {{"importance", 131'072, 12.5}, {"permute", 0, 0.25}};
    record.losses = {{"stories.txt", "dynamic", 0.6, 0.625, 2.5, 0.0625, 20'440}};
    const std::size_t choices = record.choices.mlp_int_list.size() + record.choices.head_int_list.size();
    record.losses[0].choice_means.assign(config.layers.size() * choices, 0.25);
    ImportanceReport importance{"stories.txt", 64, 8192, {}, {}, true};
    for (const LayerSizes& sizes : config.layers) {
        auto& neurons = importance.mlp.emplace_back();
        for (int i = 0; i < sizes.intermediate_size; ++i) neurons.push_back(1.0f / static_cast<float>(i + 3));
        auto& groups = importance.groups.emplace_back();
        for (int i = 0; i < sizes.num_key_value_heads; ++i)
            groups.push_back(0.1f * static_cast<float>(sizes.num_key_value_heads - i));
    }
    record.importance = importance;
    return record;
}

} // namespace

class TestCheckpoint : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;
    fs::path folder_;

    /// llama-gqa-tied to be damaged.
    fs::path tied() { return copyOf("golden/llama-gqa-tied", folder_ / "model"); }
    fs::path sharded() { return copyOf("golden/llama-sharded-bf16", folder_ / "model"); }

    static void edit(const fs::path& file, const std::string& what, const std::string& by)
    {
        spill(file, replaced(slurp(file), what, by));
    }
    /// Changes the header of a safetensors file, whatever its new length.
    static void editHeader(const fs::path& file, const std::string& what, const std::string& by)
    {
        const auto parts = partsOf(slurp(file));
        spill(file, safetensors(replaced(parts.header, what, by), parts.data));
    }

private slots:
    void init()
    {
        folder_ = fs::path(directory_.path().toStdString()) / QTest::currentTestFunction();
        fs::create_directories(folder_);
    }

    void goldenModelsAreOpened_data()
    {
        QTest::addColumn<int>("dtype");
        QTest::addColumn<qint64>("parameters");
        const auto row = [](const char* name, DType dtype, qint64 parameters) {
            QTest::newRow(name) << static_cast<int>(dtype) << parameters;
        };
        row("golden/llama-mha", DType::Float32, 85584);
        row("golden/llama-gqa-tied", DType::Float32, 74064);
        row("golden/llama-f16", DType::Float16, 78672);
        row("golden/llama-sharded-bf16", DType::BFloat16, 78672);
        row("golden/gpt2", DType::Float32, 92592);
        row("stories260k-llama", DType::Float32, 260032);
    }
    void goldenModelsAreOpened()
    {
        QFETCH(int, dtype);
        QFETCH(qint64, parameters);
        const auto checkpoint = valueOf(Checkpoint::open(testData() / QTest::currentDataTag()));
        QCOMPARE(static_cast<int>(checkpoint->dtype()), dtype);
        QCOMPARE(checkpoint->parameters(), parameters);
        QCOMPARE(checkpoint->bytes(), parameters * static_cast<qint64>(sizeOf(checkpoint->dtype())));
        QVERIFY(checkpoint->has(checkpoint->config().isGpt() ? "transformer.h.0.mlp.c_fc.weight"
                                                             : "model.layers.0.mlp.up_proj.weight"));
        const auto& files = checkpoint->files();
        QVERIFY(std::any_of(files.begin(), files.end(),
                            [](const auto& entry) { return entry.first == "config.json" && entry.second > 100; }));
        for (const auto& [name, tensor] : checkpoint->tensors()) succeed(checkFinite(tensor, name));
    }

    void aTensorThatIsNotThereIsNamed()
    {
        const auto checkpoint = valueOf(Checkpoint::open(testData() / "golden/gpt2"));
        VERIFY_FAILURE(guarded([&] { return checkpoint->tensor("lm_head.weight").shape; }), ErrorCode::Corrupt,
                       "tensor \"lm_head.weight\" is missing", "download");
    }

    void writtenModelsAreTheSame()
    {
        int n = 0;
        for (const auto& source : modelFolders()) {
            const auto checkpoint = valueOf(Checkpoint::open(source));
            const fs::path target = folder_ / std::to_string(n++);
            CheckpointContents contents = contentsOf(checkpoint);
            contents.tokenizer_from = source;
            contents.max_shard_bytes = n % 2 == 0 ? 60'000 : 5'000'000'000;
            std::uint64_t done = 0;
            std::uint64_t total = 0;
            succeed(writeCheckpoint(target, contents, [&](const Progress& progress) {
                QVERIFY(progress.done >= done);
                done = progress.done;
                total = progress.total;
            }));
            QCOMPARE(done, static_cast<std::uint64_t>(checkpoint->bytes()));
            QCOMPARE(total, done);
            const auto written = valueOf(Checkpoint::open(target));
            QVERIFY2(written->config() == checkpoint->config(), source.c_str());
            QCOMPARE(firstDifference(checkpoint->tensors(), written->tensors()), std::string());
            QCOMPARE(fs::exists(target / "model.safetensors.index.json"), n % 2 == 0);
            for (const char* name : {"tokenizer.model", "tokenizer.json", "vocab.json", "merges.txt"})
                if (fs::exists(source / name)) QCOMPARE(slurp(target / name), slurp(source / name));
            QVERIFY(!fs::exists(target / "flextron.json"));
        }
    }

    void noShardIsLargerThanAllowed()
    {
        CheckpointContents contents = contentsOf(valueOf(Checkpoint::open(testData() / "golden/llama-mha")));
        contents.max_shard_bytes = 40'000;
        succeed(writeCheckpoint(folder_ / "out", contents));
        int shards = 0;
        for (const auto& entry : fs::directory_iterator(folder_ / "out")) {
            if (entry.path().extension() != ".safetensors") continue;
            ++shards;
            QVERIFY2(partsOf(slurp(entry.path())).data.size() <= 40'000, entry.path().c_str());
        }
        QVERIFY(shards > 5);
        QVERIFY(fs::exists(
            folder_ / "out" /
            ("model-00001-of-000" + std::string(shards < 10 ? "0" : "") + std::to_string(shards) + ".safetensors")));
    }

    void theRecordComesBack()
    {
        const auto checkpoint = valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied"));
        CheckpointContents contents = contentsOf(checkpoint);
        contents.record = recordFor(checkpoint->config());
        succeed(writeCheckpoint(folder_ / "out", contents));
        const auto written = valueOf(Checkpoint::open(folder_ / "out"));
        QVERIFY(written->elastic());
        const FlextronRecord& record = written->record();
        QVERIFY(record.choices == contents.record->choices);
        QCOMPARE(record.budget_list, contents.record->budget_list);
        QCOMPARE(record.base_training_tokens, contents.record->base_training_tokens);
        QCOMPARE(record.stages.size(), std::size_t{2});
        QCOMPARE(record.stages[0].name, std::string("importance"));
        QCOMPARE(record.stages[0].tokens, std::int64_t{131'072});
        QCOMPARE(record.stages[1].seconds, 0.25);
        QCOMPARE(record.losses.size(), std::size_t{1});
        const RecordedLoss& loss = record.losses[0];
        QCOMPARE(loss.text + " " + loss.routing, std::string("stories.txt dynamic"));
        QVERIFY(loss.budget == 0.6 && loss.cost == 0.625 && loss.loss == 2.5 && loss.standard_error == 0.0625);
        QCOMPARE(loss.tokens, std::int64_t{20'440});
        QCOMPARE(loss.choice_means, contents.record->losses[0].choice_means);
        QVERIFY(record.importance.has_value());
        QCOMPARE(record.importance->text, std::string("stories.txt"));
        QCOMPARE(record.importance->tokens, std::int64_t{8192});
        QVERIFY(record.importance->sorted);
        QCOMPARE(record.importance->mlp, contents.record->importance->mlp); // every float, bit for bit
        QCOMPARE(record.importance->groups, contents.record->importance->groups);
        QVERIFY(record.layer_sizes.empty());
    }

    void otherFormsOfTheFileAreUnderstood_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("form");
        QTest::newRow("llama without the prefix") << "golden/llama-gqa-tied"
                                                  << "bare";
        QTest::newRow("GPT-2 without the prefix") << "stories-gpt2"
                                                  << "bare";
        QTest::newRow("llama with rotary buffers") << "golden/llama-gqa-tied"
                                                   << "rotary";
        QTest::newRow("GPT-2 with causal masks") << "golden/gpt2"
                                                 << "masks";
        QTest::newRow("tied, but the head is in the file") << "golden/llama-gqa-tied"
                                                           << "head";
    }
    void otherFormsOfTheFileAreUnderstood()
    {
        QFETCH(QString, model);
        QFETCH(QString, form);
        const auto checkpoint = valueOf(Checkpoint::open(testData() / model.toStdString()));
        std::vector<NamedTensor> tensors;
        for (const auto& [name, tensor] : checkpoint->tensors()) {
            const bool bare = form == "bare" && !name.starts_with("lm_head");
            tensors.push_back({bare ? name.substr(name.find('.') + 1) : name, tensor});
        }
        const std::vector<float> filler(9, std::nanf("")); // never looked at
        const auto nine = std::as_bytes(std::span(filler));
        if (form == "rotary")
            tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {DType::Float32, {9}, nine}});
        if (form == "masks") {
            tensors.push_back({"transformer.h.1.attn.bias", {DType::UInt8, {1, 1, 3, 12}, nine}});
            tensors.push_back({"h.0.attn.masked_bias", {DType::Float32, {9}, nine}});
        }
        if (form == "head") tensors.push_back({"lm_head.weight", {DType::Float32, {3, 3}, nine}});
        const fs::path folder = copyOf(model.toStdString(), folder_ / "model");
        succeed(writeSafetensors(folder / "model.safetensors", tensors));
        QCOMPARE(firstDifference(checkpoint->tensors(), valueOf(Checkpoint::open(folder))->tensors()), std::string());
    }

    void foldersThatAreNoModelsAreRefused()
    {
        VERIFY_FAILURE(Checkpoint::open(folder_ / "none"), ErrorCode::NotFound,
                       (folder_ / "none").string() + " does not exist", "flextron models");
        VERIFY_FAILURE(Checkpoint::open(folder_), ErrorCode::NotFound, "holds no config.json",
                       "config.json and model.safetensors");
        spill(folder_ / "file", "x");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "file"), ErrorCode::InvalidArgument, "is a file; a model is a folder",
                       "config.json and model.safetensors");
        fs::remove(tied() / "model.safetensors");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::NotFound,
                       "holds neither model.safetensors nor model.safetensors.index.json", "download");
        spill(folder_ / "model" / "pytorch_model.bin", "x");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Unsupported,
                       "pickled weights (pytorch_model.bin), which can run code", "safetensors");
    }

    void weightsThatDoNotFitAreRefused()
    {
        editHeader(tied() / "model.safetensors", "model.layers.1.mlp.up_proj.weight",
                   "model.layers.9.mlp.up_proj.weight");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt,
                       "tensor \"model.layers.9.mlp.up_proj.weight\" has no place in the llama model",
                       "do not belong together");

        auto contents = contentsOf(valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied")));
        std::erase_if(contents.tensors,
                      [](const NamedTensor& tensor) { return tensor.name == "model.layers.1.mlp.up_proj.weight"; });
        succeed(writeSafetensors(tied() / "model.safetensors", contents.tensors));
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt,
                       "tensor \"model.layers.1.mlp.up_proj.weight\" [112, 48] is missing",
                       "download or copy them again");

        edit(tied() / "config.json", "\"intermediate_size\": 112", "\"intermediate_size\": 128");
        VERIFY_FAILURE(
            Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt,
            "tensor \"model.layers.0.mlp.down_proj.weight\" has shape [48, 112], expected [48, 128] from config.json",
            "do not belong together");

        edit(tied() / "config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt,
                       "tensor \"lm_head.weight\" [96, 48] is missing", "\"tie_word_embeddings\": true");

        editHeader(tied() / "model.safetensors", "\"F32\"", "\"I32\"");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Unsupported,
                       "has type int32, expected float32, float16, bfloat16 or float64",
                       "quantized weights are not supported");

        fs::resize_file(tied() / "model.safetensors", 200'000);
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt, "model.safetensors: tensor ",
                       "cut off or damaged");
    }

    void damagedShardsAreRefused()
    {
        const std::string second = "model-00002-of-00003.safetensors";
        fs::remove(sharded() / second);
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::NotFound,
                       "the shard " + (folder_ / "model" / second).string() + " is missing",
                       "download or copy them again");

        const std::string index = "model.safetensors.index.json";
        edit(sharded() / index, "\"lm_head.weight\": \"model-00003", "\"lm_head.weight\": \"model-00001");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt,
                       "model-00001-of-00003.safetensors: tensor \"lm_head.weight\" is missing, but the index",
                       "do not belong together");

        edit(sharded() / index, "\"lm_head.weight\": \"model-00003-of-00003.safetensors\"",
             "\"lm_head.weight\": \"../secret\"");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt,
                       "must be the name of a file in the same folder, found \"../secret\"", "damaged");

        edit(sharded() / index, "\"weight_map\"", "\"weights\"");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt, "\"weight_map\" is missing", "damaged");

        fs::copy_file(sharded() / "model-00003-of-00003.safetensors", folder_ / "model" / "extra.safetensors");
        edit(folder_ / "model" / index, "\"lm_head.weight\": \"model-00003-of-00003.safetensors\"",
             "\"lm_head.weight\": \"extra.safetensors\"");
        VERIFY_FAILURE(Checkpoint::open(folder_ / "model"), ErrorCode::Corrupt, "is there twice",
                       "do not belong together");
    }

    void damagedRecordsAreRefused_data()
    {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("by");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* name, const char* what, const char* by, const char* message,
                            ErrorCode code = ErrorCode::Corrupt) {
            QTest::newRow(name) << what << by << static_cast<int>(code) << message;
        };
        row("a newer format", "\"format_version\": 1", "\"format_version\": 2",
            "format version 2, this program knows 1", ErrorCode::Unsupported);
        row("no format", "\"format_version\"", "\"version\"", "\"format_version\" is missing");
        row("an unknown key", "\"stages\"", "\"extra\": 1, \"stages\"",
            "\"extra\" is not a key that this format knows");
        row("broken JSON", "{", "[", "not valid JSON");
        row("choices of another model", "\"mlp_int_list\": [\n   32,", "\"mlp_int_list\": [\n   32, 500,",
            "mlp_int_list is not ascending");
        row("half a group", "\"head_int_list\": [\n   2,", "\"head_int_list\": [\n   1,",
            "head_int_list holds 1, which is not a multiple of 2");
        row("budgets not descending", "0.75,", "0.25,",
            "\"budget_list\" must be a list that begins with 1 and descends");
        row("negative tokens", "26853376", "-1", "\"base_training_tokens\" must be a whole number from 0");
        row("a layer too few", "\"importance\": {\n  \"layers\": [", "\"importance\": {\n  \"layers\": [], \"x\": [",
            "\"importance.x\" is not a key");
        row("importance that is no number", "\"groups\": [\n     0.3,", "\"groups\": [\n     \"a\",",
            "\"importance.layers[0].groups\" must be a list of numbers");
        row("importance not sorted", "\"groups\": [\n     0.3,", "\"groups\": [\n     0.01,",
            "must be a descending list, as \"sorted\" says");
        row("choices of another model", "\"choice_means\": [", "\"choice_means\": [0.5,",
            "the model's layers and choices make");
        row("importance of another model", "\"groups\": [\n     0.3,", "\"groups\": [",
            "\"importance\" of layer 0 has 112 neurons and 2 groups, the model 112 and 3");
        row("sizes of another model", "\"layer_sizes\": []",
            "\"layer_sizes\": [{\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"intermediate_size\": 9}]",
            "\"layer_sizes\" has 1 layers, config.json 3");
    }
    void damagedRecordsAreRefused()
    {
        QFETCH(QString, what);
        QFETCH(QString, by);
        QFETCH(int, code);
        QFETCH(QString, message);
        CheckpointContents contents = contentsOf(valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied")));
        contents.record = recordFor(contents.config);
        fs::remove_all(folder_ / "out");
        succeed(writeCheckpoint(folder_ / "out", contents));
        edit(folder_ / "out" / "flextron.json", what.toStdString(), by.toStdString());
        const auto opened = Checkpoint::open(folder_ / "out");
        VERIFY_FAILURE(opened, static_cast<ErrorCode>(code), (folder_ / "out" / "flextron.json").string() + ": ", "");
        VERIFY_FAILURE(opened, static_cast<ErrorCode>(code), message.toStdString(), "");
    }

    void writingRefusesWhatDoesNotFit()
    {
        const auto checkpoint = valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied"));
        CheckpointContents contents = contentsOf(checkpoint);
        contents.tensors.pop_back();
        VERIFY_FAILURE(writeCheckpoint(folder_ / "out", contents), ErrorCode::InvalidArgument,
                       "28 tensors are given, the model has 29", "tensors that the configuration implies");
        contents = contentsOf(checkpoint);
        contents.config.layers[1].intermediate_size = 64;
        VERIFY_FAILURE(writeCheckpoint(folder_ / "out", contents), ErrorCode::InvalidArgument,
                       "its layers differ, and there is no record", "flextron.json");
        contents.record = FlextronRecord{};
        VERIFY_FAILURE(writeCheckpoint(folder_ / "out", contents), ErrorCode::InvalidArgument,
                       "has shape [48, 112], expected [48, 64]", "tensors that the configuration implies");
        fs::create_directories(folder_ / "mine" / "x");
        VERIFY_FAILURE(writeCheckpoint(folder_ / "mine", contentsOf(checkpoint)), ErrorCode::InvalidArgument,
                       "it already exists", "nothing is overwritten");
        VERIFY_FAILURE(writeCheckpoint("/proc/version/model", contentsOf(checkpoint)), ErrorCode::NotFound,
                       "a part of the path is a file", "check the path");
        QVERIFY(!fs::exists(folder_ / "out"));
    }

    void aDiskTooSmallIsToldBeforeWriting()
    {
        CheckpointContents contents = contentsOf(valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied")));
        contents.config.vocab_size = 1 << 24;
        // A tensor said to be as large as no disk: its bytes are never touched, since the free space is looked at
        // first.
        contents.config.layers.clear();
        contents.config.hidden_size = 1 << 20;
        const std::int64_t bytes = (std::int64_t{1} << 44) * 8;
        static const std::byte first{};
        contents.tensors = {{"model.embed_tokens.weight",
                             {DType::Float64, {1 << 24, 1 << 20}, {&first, static_cast<std::size_t>(bytes)}}},
                            {"model.norm.weight", {DType::Float64, {1 << 20}, {&first, std::size_t{8} << 20}}}};
        contents.record = FlextronRecord{};
        VERIFY_FAILURE(writeCheckpoint(folder_ / "out", contents), ErrorCode::Io,
                       "the disk is full: 140737496743936 bytes are needed, ",
                       "free some space, or choose a folder on another disk");
        QCOMPARE(static_cast<int>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator())), 0);
    }
};

QTEST_APPLESS_MAIN(TestCheckpoint)
#include "test_checkpoint.moc"
