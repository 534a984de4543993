// config.json of every known family, read, written and refused.
#include <QtTest/QtTest>

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

#include "engine/model/config.h"
#include "tests/engine/support/checkpoint_files.h"

using namespace flextron;
using namespace flextron::test;

namespace {

QJsonObject llama()
{
    return {{"model_type", "llama"},    {"hidden_size", 48},
            {"intermediate_size", 112}, {"num_hidden_layers", 3},
            {"num_attention_heads", 6}, {"num_key_value_heads", 3},
            {"vocab_size", 96},         {"max_position_embeddings", 64},
            {"rms_norm_eps", 1e-5},     {"tie_word_embeddings", false}};
}

QJsonObject gpt2()
{
    return {{"model_type", "gpt2"}, {"n_embd", 48},      {"n_head", 4},
            {"n_layer", 3},         {"n_positions", 64}, {"vocab_size", 96}};
}

QJsonObject ofFamily(const char* family)
{
    QJsonObject json = llama();
    json["model_type"] = family;
    return json;
}

/// `base` with the keys of `changes` put in; a key whose value is "(none)" is taken out.
QJsonObject with(QJsonObject base, const QJsonObject& changes)
{
    for (auto change = changes.begin(); change != changes.end(); ++change) {
        if (change.value() == "(none)") base.remove(change.key());
        else base[change.key()] = change.value();
    }
    return base;
}

Result<ModelConfig> parse(const QJsonObject& json)
{
    return parseConfig(QJsonDocument(json).toJson().toStdString(), "config.json");
}

const QJsonObject kLlama3Rope{{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 16}};

} // namespace

class TestConfig : public QObject {
    Q_OBJECT

private slots:
    void goldenConfigsAreUnderstood_data()
    {
        QTest::addColumn<QString>("family");
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("groups");
        QTest::addColumn<int>("head_dim");
        QTest::addColumn<int>("mlp");
        QTest::addColumn<int>("layers");
        QTest::addColumn<bool>("tied");
        QTest::addColumn<QString>("biases"); // of q, k, v; of o; of the MLP
        QTest::addColumn<int>("activation");
        const auto silu = static_cast<int>(Activation::Silu);
        const auto tanh = static_cast<int>(Activation::GeluTanh);
        const auto erf = static_cast<int>(Activation::GeluErf);
        QTest::newRow("golden/llama-mha") << "llama" << 6 << 6 << 8 << 112 << 3 << false << "---" << silu;
        QTest::newRow("golden/llama-gqa-tied") << "llama" << 6 << 3 << 8 << 112 << 3 << true << "---" << silu;
        QTest::newRow("golden/llama-mqa-headdim") << "llama" << 6 << 1 << 16 << 112 << 3 << false << "---" << silu;
        QTest::newRow("golden/llama-rope-linear-bias") << "llama" << 6 << 3 << 8 << 112 << 3 << false << "qom" << silu;
        QTest::newRow("golden/llama-rope-llama3") << "llama" << 6 << 3 << 8 << 112 << 3 << false << "---" << silu;
        QTest::newRow("golden/llama-f16") << "llama" << 6 << 3 << 8 << 112 << 3 << false << "---" << silu;
        QTest::newRow("golden/llama-sharded-bf16") << "llama" << 6 << 3 << 8 << 112 << 3 << false << "---" << silu;
        QTest::newRow("golden/mistral") << "mistral" << 6 << 2 << 8 << 112 << 3 << false << "---" << silu;
        QTest::newRow("golden/qwen2") << "qwen2" << 6 << 2 << 8 << 112 << 3 << true << "q--" << silu;
        QTest::newRow("golden/gpt2") << "gpt2" << 4 << 4 << 12 << 192 << 3 << true << "qom" << tanh;
        QTest::newRow("golden/gpt2-untied-inner") << "gpt2" << 6 << 6 << 8 << 100 << 2 << false << "qom" << erf;
        QTest::newRow("stories260k-llama") << "llama" << 8 << 4 << 8 << 172 << 5 << true << "---" << silu;
        QTest::newRow("stories-gpt2") << "gpt2" << 4 << 4 << 32 << 512 << 4 << true << "qom" << tanh;
    }
    void goldenConfigsAreUnderstood()
    {
        QFETCH(QString, family);
        QFETCH(int, heads);
        QFETCH(int, groups);
        QFETCH(int, head_dim);
        QFETCH(int, mlp);
        QFETCH(int, layers);
        QFETCH(bool, tied);
        QFETCH(QString, biases);
        QFETCH(int, activation);
        const auto checkpoint = valueOf(Checkpoint::open(testData() / QTest::currentDataTag()));
        const ModelConfig& config = checkpoint->config();
        QCOMPARE(std::string(familyName(config.family)), family.toStdString());
        QCOMPARE(config.numLayers(), layers);
        QVERIFY(config.uniform());
        QVERIFY(config.plainHuggingFace());
        QVERIFY((config.layers.front() == LayerSizes{heads, groups, mlp}));
        QCOMPARE(config.headsPerGroup(), heads / groups);
        QCOMPARE(config.head_dim, head_dim);
        QCOMPARE(config.tie_word_embeddings, tied);
        QCOMPARE(config.attention_qkv_bias, biases[0] == 'q');
        QCOMPARE(config.attention_output_bias, biases[1] == 'o');
        QCOMPARE(config.mlp_bias, biases[2] == 'm');
        QCOMPARE(static_cast<int>(config.hidden_act), activation);
        QVERIFY(!checkpoint->elastic());
        QVERIFY(checkpoint->choices() == defaultChoiceSets(config));
    }

    void whatIsWrittenIsReadBack()
    {
        for (const auto& folder : modelFolders()) {
            const ModelConfig config = valueOf(Checkpoint::open(folder))->config();
            QVERIFY2(valueOf(parseConfig(writeConfig(config, "float32"), "config.json")) == config, folder.c_str());
        }
        for (const QJsonObject& changes :
             {QJsonObject{{"model_type", "mistral"}, {"sliding_window", 16}},
              QJsonObject{{"model_type", "qwen2"},
                          {"use_sliding_window", true},
                          {"sliding_window", 16},
                          {"max_window_layers", 0}},
              QJsonObject{{"rope_scaling", kLlama3Rope}, {"rope_theta", 5e5}},
              QJsonObject{{"eos_token_id", QJsonArray{3, 4}}, {"bos_token_id", 1}, {"attention_bias", true}}}) {
            const ModelConfig config = valueOf(parse(with(llama(), changes)));
            QVERIFY(valueOf(parseConfig(writeConfig(config, "float16"), "config.json")) == config);
        }
    }

    void writtenConfigsServeOldAndNewTransformers()
    {
        const ModelConfig config = valueOf(
            parse(with(llama(), {{"rope_scaling", kLlama3Rope}, {"rope_theta", 500000.0}})));
        const QJsonObject json =
            QJsonDocument::fromJson(QByteArray::fromStdString(writeConfig(config, "bfloat16"))).object();
        QCOMPARE(json["architectures"].toArray().at(0).toString(), QString("LlamaForCausalLM"));
        QCOMPARE(json["torch_dtype"].toString(), QString("bfloat16"));
        QCOMPARE(json["dtype"].toString(), QString("bfloat16"));
        QCOMPARE(json["rope_theta"].toDouble(), 500000.0);
        QCOMPARE(json["rope_scaling"].toObject()["rope_type"].toString(), QString("llama3"));
        QCOMPARE(json["rope_parameters"].toObject()["rope_theta"].toDouble(), 500000.0);
        QCOMPARE(json["rope_parameters"].toObject()["factor"].toDouble(), 8.0);
        QCOMPARE(json["head_dim"].toInt(), 8);
    }

    void ropeIsReadInBothForms()
    {
        const auto ropeOf = [](const QJsonObject& changes) { return valueOf(parse(with(llama(), changes))).rope; };
        const RopeConfig plain = ropeOf({{"rope_theta", 500000.0}});
        QCOMPARE(plain.theta, 500000.0);
        QVERIFY(plain.scaling == RopeConfig::Scaling::None);
        QVERIFY(ropeOf({{"rope_parameters", QJsonObject{{"rope_theta", 500000.0}, {"rope_type", "default"}}}}) ==
                plain);
        QVERIFY(ropeOf({{"rope_theta", 500000.0}, {"rope_scaling", QJsonValue::Null}}) == plain);

        const RopeConfig linear = ropeOf({{"rope_scaling", QJsonObject{{"type", "linear"}, {"factor", 2}}}});
        QVERIFY(linear.scaling == RopeConfig::Scaling::Linear);
        QCOMPARE(linear.factor, 2.0);
        QCOMPARE(linear.theta, 10000.0);
        QVERIFY(ropeOf({{"rope_scaling", QJsonObject{{"rope_type", "linear"}, {"factor", 2}}}}) == linear);
        QVERIFY(ropeOf({{"rope_parameters", QJsonObject{{"rope_type", "linear"}, {"factor", 2}}}}) == linear);

        const RopeConfig llama3 = ropeOf({{"rope_scaling", kLlama3Rope}});
        QVERIFY(llama3.scaling == RopeConfig::Scaling::Llama3);
        QCOMPARE(llama3.low_freq_factor, 1.0);
        QCOMPARE(llama3.high_freq_factor, 4.0);
        QCOMPARE(llama3.original_max_position_embeddings, 16);
        QVERIFY(ropeOf({{"rope_parameters", kLlama3Rope}}) == llama3);
        QVERIFY(ropeOf({{"rope_parameters", kLlama3Rope}, {"rope_scaling", kLlama3Rope}}) == llama3);
    }

    void slidingWindowsAreThoseOfTransformers_data()
    {
        QTest::addColumn<QString>("family");
        QTest::addColumn<QJsonObject>("changes");
        QTest::addColumn<int>("window");
        const QJsonArray full{"full_attention", "full_attention", "full_attention"};
        const QJsonArray sliding{"sliding_attention", "sliding_attention", "sliding_attention"};
        QTest::newRow("mistral, given") << "mistral" << QJsonObject{{"sliding_window", 16}} << 16;
        QTest::newRow("mistral, null: none") << "mistral" << QJsonObject{{"sliding_window", QJsonValue::Null}} << 0;
        QTest::newRow("mistral, missing: the default") << "mistral" << QJsonObject{} << 4096;
        QTest::newRow("qwen2, not used") << "qwen2" << QJsonObject{{"sliding_window", 16}} << 0;
        QTest::newRow("qwen2, used from layer 0")
            << "qwen2" << QJsonObject{{"sliding_window", 16}, {"use_sliding_window", true}, {"max_window_layers", 0}}
            << 16;
        QTest::newRow("qwen2, used by no layer")
            << "qwen2" << QJsonObject{{"sliding_window", 16}, {"use_sliding_window", true}, {"max_window_layers", 3}}
            << 0;
        QTest::newRow("qwen2, full by name")
            << "qwen2" << QJsonObject{{"sliding_window", 16}, {"use_sliding_window", true}, {"layer_types", full}} << 0;
        QTest::newRow("qwen2, sliding by name")
            << "qwen2" << QJsonObject{{"sliding_window", 16}, {"use_sliding_window", true}, {"layer_types", sliding}}
            << 16;
        QTest::newRow("llama has none") << "llama" << QJsonObject{{"sliding_window", 16}} << 0;
    }
    void slidingWindowsAreThoseOfTransformers()
    {
        QFETCH(QString, family);
        QFETCH(QJsonObject, changes);
        QFETCH(int, window);
        QCOMPARE(valueOf(parse(with(ofFamily(qPrintable(family)), changes))).sliding_window, window);
    }

    void defaultsAreThoseOfTransformers()
    {
        const ModelConfig derived = valueOf(parse(with(
            llama(),
            {{"num_key_value_heads", "(none)"}, {"head_dim", QJsonValue::Null}, {"tie_word_embeddings", "(none)"}})));
        QCOMPARE(derived.layers[0].num_key_value_heads, 6);
        QCOMPARE(derived.head_dim, 8);
        QVERIFY(!derived.tie_word_embeddings);
        QVERIFY(!derived.attention_qkv_bias);
        QCOMPARE(valueOf(parse(with(llama(), {{"head_dim", 10}}))).head_dim, 10);

        const ModelConfig gpt = valueOf(parse(with(gpt2(), {{"n_inner", QJsonValue::Null}})));
        QCOMPARE(gpt.layers[0].intermediate_size, 4 * 48);
        QCOMPARE(gpt.head_dim, 12);
        QVERIFY(gpt.tie_word_embeddings);
        QVERIFY(gpt.hidden_act == Activation::GeluTanh);
        QVERIFY(valueOf(parse(with(gpt2(), {{"activation_function", "gelu_pytorch_tanh"}}))).hidden_act ==
                Activation::GeluTanh);
        QVERIFY(valueOf(parse(with(gpt2(), {{"activation_function", "gelu"}}))).hidden_act == Activation::GeluErf);
    }

    void endOfTextMayBeOneIdOrMany()
    {
        const auto idsOf = [](const QJsonValue& value) {
            return valueOf(parse(with(llama(), {{"eos_token_id", value}}))).eos_token_ids;
        };
        QCOMPARE(idsOf(2), (std::vector<std::int32_t>{2}));
        QCOMPARE(idsOf(QJsonArray{2, 5}), (std::vector<std::int32_t>{2, 5}));
        QCOMPARE(idsOf(QJsonValue::Null), std::vector<std::int32_t>{});
        QCOMPARE(idsOf(QJsonArray{95, 96, -1}),
                 (std::vector<std::int32_t>{95})); // the others are not in the vocabulary
        QVERIFY(!valueOf(parse(with(llama(), {{"bos_token_id", 50256}}))).bos_token_id);
    }

    void damagedConfigsAreRefused_data()
    {
        QTest::addColumn<QJsonObject>("json");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* name, const QJsonObject& changes, const char* message) {
            QTest::newRow(name) << with(llama(), changes) << message;
        };
        row("a text for a number", {{"hidden_size", "abc"}},
            "config.json: \"hidden_size\" must be a whole number from 1 to 1048576, found \"abc\"");
        row("an absurd size", {{"hidden_size", 1152921504606846976.0}},
            "config.json: \"hidden_size\" must be a whole number from 1 to 1048576, found 1");
        row("a negative size", {{"vocab_size", -5}},
            "config.json: \"vocab_size\" must be a whole number from 1 to 16777216, found -5");
        row("a fraction", {{"num_hidden_layers", 2.5}},
            "\"num_hidden_layers\" must be a whole number from 1 to 4096, found 2.5");
        row("no layers", {{"num_hidden_layers", 0}},
            "\"num_hidden_layers\" must be a whole number from 1 to 4096, found 0");
        row("a missing key", {{"intermediate_size", "(none)"}}, "config.json: \"intermediate_size\" is missing");
        row("null for a size", {{"intermediate_size", QJsonValue::Null}},
            "config.json: \"intermediate_size\" is missing");
        row("a missing family", {{"model_type", "(none)"}}, "config.json: \"model_type\" is missing");
        row("a number for true", {{"tie_word_embeddings", 1}},
            "\"tie_word_embeddings\" must be true or false, found 1");
        row("an epsilon of 0", {{"rms_norm_eps", 0.0}}, "\"rms_norm_eps\" must be a number from");
        row("together too large",
            {{"hidden_size", 1048576}, {"intermediate_size", 4194304}, {"num_hidden_layers", 4096}, {"head_dim", 8}},
            "weights, more than any model has");
        row("heads too wide", {{"num_attention_heads", 65536}, {"num_key_value_heads", 65536}, {"head_dim", 16384}},
            "heads times head size is 1073741824, more than 4194304");
        row("groups do not divide heads", {{"num_key_value_heads", 4}},
            "contradicts itself: \"num_attention_heads\" 6 is not a multiple of \"num_key_value_heads\" 4");
        row("more groups than heads", {{"num_key_value_heads", 12}},
            "contradicts itself: \"num_attention_heads\" 6 is not a multiple of \"num_key_value_heads\" 12");
        row("heads do not divide the width", {{"hidden_size", 50}},
            "contradicts itself: \"hidden_size\" 50 is not a multiple of \"num_attention_heads\" 6");
        row("odd head size", {{"head_dim", 7}}, "the head size is odd (7)");
        row("llama3 without its keys", {{"rope_scaling", QJsonObject{{"rope_type", "llama3"}, {"factor", 8}}}},
            "\"rope_scaling.low_freq_factor\" is missing");
        row("linear without its factor", {{"rope_parameters", QJsonObject{{"rope_type", "linear"}}}},
            "\"rope_parameters.factor\" is missing");
        row("llama3 bands crossed", {{"rope_scaling", with(kLlama3Rope, {{"high_freq_factor", 1.0}})}},
            "\"rope_scaling.high_freq_factor\" must be larger than \"low_freq_factor\"");
        row("two ropes that differ",
            {{"rope_scaling", kLlama3Rope}, {"rope_parameters", QJsonObject{{"rope_type", "default"}}}},
            "\"rope_scaling\" and \"rope_parameters\" differ");
        row("two thetas that differ", {{"rope_theta", 1e4}, {"rope_parameters", QJsonObject{{"rope_theta", 1e5}}}},
            "\"rope_theta\" and \"rope_parameters.rope_theta\" differ");
        row("rope that is no object", {{"rope_scaling", "linear"}},
            "\"rope_scaling\" must hold an object {...}, found \"linear\"");
        row("end of text that is no id", {{"eos_token_id", QJsonArray{"</s>"}}},
            "\"eos_token_id\" must be a list of whole numbers");
        QTest::newRow("GPT-2 heads do not divide the width")
            << with(gpt2(), {{"n_head", 5}}) << "contradicts itself: \"n_embd\" 48 is not a multiple of \"n_head\" 5";
        QTest::newRow("GPT-2 absurd size") << with(gpt2(), {{"n_inner", 1152921504606846976.0}})
                                           << "\"n_inner\" must be a whole number from 1 to 4194304, found 1";
        QTest::newRow("sliding without a window") << with(llama(), {{"model_type", "mistral"},
                                                                    {"sliding_window", QJsonValue::Null},
                                                                    {"layer_types", QJsonArray{"sliding_attention"}}})
                                                  << "says sliding_attention, but there is no \"sliding_window\"";
    }
    void damagedConfigsAreRefused()
    {
        QFETCH(QJsonObject, json);
        QFETCH(QString, message);
        VERIFY_FAILURE(parse(json), ErrorCode::Corrupt, message.toStdString(), "restore");
    }

    void whatIsNotComputedIsRefused_data()
    {
        QTest::addColumn<QJsonObject>("json");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* name, const QJsonObject& base, const QJsonObject& changes,
                            const char* message) { QTest::newRow(name) << with(base, changes) << message; };
        const char* const known = "is not supported (known: llama, mistral, qwen2, gpt2)";
        row("qwen3", llama(), {{"model_type", "qwen3"}}, known);
        row("gpt_neox", llama(), {{"model_type", "gpt_neox"}}, known);
        row("activation", llama(), {{"hidden_act", "gelu"}},
            "\"hidden_act\" is \"gelu\", which is not supported (known: silu)");
        row("rope type", llama(), {{"rope_scaling", QJsonObject{{"type", "yarn"}, {"factor", 2}}}},
            "\"rope_scaling.type\" is \"yarn\", which is not supported (known: default, linear, llama3)");
        row("partial rotary", llama(), {{"rope_parameters", QJsonObject{{"partial_rotary_factor", 0.5}}}},
            "\"rope_parameters.partial_rotary_factor\" is 0.5");
        row("quantized", llama(), {{"quantization_config", QJsonObject{{"bits", 4}}}},
            "\"quantization_config\": quantized weights are not supported");
        row("mixed attention", ofFamily("qwen2"), {{"layer_types", QJsonArray{"full_attention", "sliding_attention"}}},
            "\"layer_types\"");
        row("mixed windows", ofFamily("qwen2"),
            {{"use_sliding_window", true}, {"sliding_window", 16}, {"max_window_layers", 1}},
            "\"max_window_layers\" is 1");
        row("scaling by layer", gpt2(), {{"scale_attn_by_inverse_layer_idx", true}},
            "\"scale_attn_by_inverse_layer_idx\" is true");
        row("no scaling", gpt2(), {{"scale_attn_weights", false}}, "\"scale_attn_weights\" is false");
        row("cross attention", gpt2(), {{"add_cross_attention", true}}, "\"add_cross_attention\" is true");
        row("GPT-2 activation", gpt2(), {{"activation_function", "relu"}},
            "(known: gelu_new, gelu_pytorch_tanh, gelu)");
    }
    void whatIsNotComputedIsRefused()
    {
        QFETCH(QJsonObject, json);
        QFETCH(QString, message);
        VERIFY_FAILURE(parse(json), ErrorCode::Unsupported, message.toStdString(), "choose");
    }

    void brokenJsonIsRefused_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("message");
        QTest::newRow("empty") << QByteArray("") << "config.json: not valid JSON: parse error at line 1, column 1";
        QTest::newRow("cut off") << QByteArray("{\"model_type\":\n \"lla")
                                 << "config.json: not valid JSON: parse error at line 2";
        QTest::newRow("something behind it")
            << QByteArray("{} {}") << "config.json: not valid JSON: parse error at line 1, column 4";
        QTest::newRow("a list") << QByteArray("[1]") << "config.json: the file must hold an object {...}, found [1]";
        QTest::newRow("the same key twice")
            << QByteArray("{\"a\": 1, \"a\": 2}") << "config.json: the key \"a\" stands twice in one object";
        QTest::newRow("invalid UTF-8") << QByteArray("{\"a\": \"\xff\"}") << "config.json: not valid JSON";
        QTest::newRow("a tower of brackets") << QByteArray(100'000, '[') << "config.json: nested deeper than 64 levels";
    }
    void brokenJsonIsRefused()
    {
        QFETCH(QByteArray, text);
        QFETCH(QString, message);
        VERIFY_FAILURE(parseConfig(text.toStdString(), "config.json"), ErrorCode::Corrupt, message.toStdString(),
                       "the file is damaged");
    }
};

QTEST_APPLESS_MAIN(TestConfig)
#include "test_config.moc"
