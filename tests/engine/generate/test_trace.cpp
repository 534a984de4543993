// Trace files: what goes in comes out, and nothing that contradicts itself gets in.
#include <QTemporaryDir>
#include <QTest>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "engine/generate/trace.h"
#include "engine/generate/trace_fill_p.h"
#include "engine/model/safetensors.h"

using namespace flextron;

namespace {

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

/// NaN equals NaN.
bool sameBits(float a, float b)
{
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

class RandomTrace {
public:
    explicit RandomTrace(std::uint64_t seed) : random_(seed) {}

    Trace make()
    {
        Trace trace;
        trace.label = "0.60 dynamic ü";
        trace.subnet = "mlp 12*3; heads 2*3";
        trace.routing = "dynamic";
        trace.budget = 0.6;
        trace.overrides = R"([{"token":3,"block":"mlp","width":0}])";
        trace.choices = {{8, 16, 32}, {2, 4}};
        trace.layers = draw(1, 4);
        trace.full_heads = 4;
        trace.full_mlp = 32;
        trace.model = "some-model";
        trace.model_hash = "0123456789abcdef";
        trace.backend = "reference";
        trace.latency_table = "fedcba9876543210";
        trace.sampler = {0.8, 40, 0.95, 0.05, 1.1, 0xfedcba9876543210u};
        trace.command = "flextron generate -p 'Once \"upon\"'";
        trace.stop_reason = "max_tokens";
        dynamic_ = draw(0, 1) == 1;
        timed_ = draw(0, 3) > 0;
        const int tokens = draw(0, 30);
        for (int t = 0; t < tokens; ++t) trace.records.push_back(record(trace, t, t + 1 < tokens));
        return trace;
    }

private:
    int draw(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
    float number() { return std::normal_distribution<float>()(random_); }

    TokenRecord record(const Trace& trace, int position, bool read)
    {
        TokenRecord record;
        record.position = position;
        record.id = draw(0, 100'000);
        for (int i = draw(0, 5); i > 0; --i) record.bytes.push_back(static_cast<char>(draw(0, 255)));
        record.given = position < 4;
        record.logprob = position == 0 ? std::nanf("") : -std::abs(number());
        record.rank = position == 0 ? -1 : draw(0, 500);
        for (int i = position == 0 ? 0 : draw(0, 8); i > 0; --i)
            record.top.push_back({draw(0, 1000), -std::abs(number())});
        record.read = read;
        if (!read) return record;
        const auto layers = static_cast<std::size_t>(trace.layers);
        record.ns = std::abs(number());
        for (std::size_t l = 0; l < layers; ++l) {
            record.heads.push_back(2 * draw(0, 2));
            record.mlp.push_back(draw(0, 32));
            if (timed_) record.layer_ns.push_back(std::abs(number()));
        }
        // Routers can come into play in the middle of a text.
        if (!dynamic_ || position < 6) return record;
        record.head_probabilities.resize(layers * 2);
        record.mlp_probabilities.resize(layers * 3);
        for (float& p : record.head_probabilities) p = std::abs(number());
        for (float& p : record.mlp_probabilities) p = std::abs(number());
        return record;
    }

    std::mt19937_64 random_;
    bool dynamic_ = false;
    bool timed_ = false;
};

bool same(const TokenRecord& a, const TokenRecord& b)
{
    if (a.top.size() != b.top.size()) return false;
    for (std::size_t i = 0; i < a.top.size(); ++i)
        if (a.top[i].id != b.top[i].id || a.top[i].logprob != b.top[i].logprob) return false;
    return a.position == b.position && a.id == b.id && a.bytes == b.bytes && a.given == b.given &&
           sameBits(a.logprob, b.logprob) && a.rank == b.rank && a.read == b.read && a.heads == b.heads &&
           a.mlp == b.mlp && a.head_probabilities == b.head_probabilities &&
           a.mlp_probabilities == b.mlp_probabilities && a.layer_ns == b.layer_ns && sameBits(a.ns, b.ns);
}

bool same(const Trace& a, const Trace& b)
{
    return a.records.size() == b.records.size() &&
           std::equal(a.records.begin(), a.records.end(), b.records.begin(),
                      [](const auto& x, const auto& y) { return same(x, y); }) &&
           a.label == b.label && a.subnet == b.subnet && a.routing == b.routing && a.budget == b.budget &&
           a.overrides == b.overrides && a.choices == b.choices && a.layers == b.layers &&
           a.full_heads == b.full_heads && a.full_mlp == b.full_mlp && a.model == b.model &&
           a.model_hash == b.model_hash && a.backend == b.backend && a.latency_table == b.latency_table &&
           a.sampler == b.sampler && a.command == b.command && a.stop_reason == b.stop_reason;
}

} // namespace

class TestTrace final : public QObject {
    Q_OBJECT

    [[nodiscard]] std::filesystem::path path(const char* name) const
    {
        return std::filesystem::path(folder_.path().toStdString()) / name;
    }

    /// A good file's parts, to be changed and written again.
    struct Parts {
        std::vector<NamedTensor> tensors;
        std::map<std::string, std::string> metadata;
        TensorView& at(const std::string& name)
        {
            for (NamedTensor& tensor : tensors)
                if (tensor.name == name) return tensor.tensor;
            throw std::out_of_range(name);
        }
    };
    QTemporaryDir folder_;

private slots:
    // Margins and entropies are in the file for others; ours come from the probabilities again.
    void certaintyIsWorkedOutAgain()
    {
        Trace trace;
        trace.choices = {{8, 16, 32}, {2, 4}};
        trace.layers = 2;
        trace.full_heads = 4;
        trace.full_mlp = 32;
        TokenRecord record;
        record.read = true;
        record.heads = {2, 4};
        record.mlp = {8, 32};
        record.head_probabilities = {0.75f, 0.25f, 0.5f, 0.5f};
        record.mlp_probabilities = {1, 0, 0, 0.25f, 0.25f, 0.5f};
        fillCertainty(record, trace.choices);
        trace.records = {record};
        const auto file = path("certainty.safetensors");
        QVERIFY(writeTraces(file, {trace}).ok());
        const TokenRecord back = readTraces(file)->front().records.front();
        QCOMPARE(back.head_margin, (std::vector{0.5f, 0.0f}));
        QCOMPARE(back.mlp_margin, (std::vector{1.0f, 0.25f}));
        QCOMPARE(back.mlp_entropy[0], 0.0f);
        QVERIFY(std::abs(back.mlp_entropy[1] - 1.5f * std::log(2.0f)) < 1e-6f);
        const auto opened = SafetensorsFile::open(file).orThrow();
        QCOMPARE(toFloat(opened.tensors().at("0/mlp_margin")), back.mlp_margin);
        QCOMPARE(toFloat(opened.tensors().at("0/head_entropy")), back.head_entropy);
    }

    void roundTrip_data()
    {
        QTest::addColumn<int>("seed");
        QTest::addColumn<int>("panes");
        for (int seed = 0; seed < 25; ++seed) QTest::addRow("%d", seed) << seed << seed % 4;
    }
    void roundTrip()
    {
        QFETCH(int, seed);
        QFETCH(int, panes);
        RandomTrace random(static_cast<std::uint64_t>(seed));
        std::vector<Trace> traces;
        for (int i = 0; i < panes; ++i) traces.push_back(random.make());
        const auto written = writeTraces(path("t.safetensors"), traces);
        QVERIFY2(written.ok(), written ? "" : written.error().message.c_str());
        const auto read = readTraces(path("t.safetensors"));
        QVERIFY2(read.ok(), read ? "" : read.error().message.c_str());
        QCOMPARE(read->size(), traces.size());
        for (std::size_t i = 0; i < traces.size(); ++i) QVERIFY(same((*read)[i], traces[i]));
    }

    void idsOfATrace()
    {
        Trace trace;
        for (const TokenId id : {5, 3, 8}) trace.records.push_back({}), trace.records.back().id = id;
        QCOMPARE(trace.ids(), (std::vector<TokenId>{5, 3, 8}));
    }

    void arraysForOtherTools()
    {
        Trace trace = RandomTrace(1).make();
        while (trace.records.size() < 8) trace = RandomTrace(trace.records.size() + 2).make();
        QVERIFY(writeTraces(path("a.safetensors"), {trace}).ok());
        const auto file = SafetensorsFile::open(path("a.safetensors"));
        const auto tokens = static_cast<std::int64_t>(trace.records.size());
        QCOMPARE(file->tensors().at("0/mlp").shape, (std::vector<std::int64_t>{tokens, trace.layers}));
        const TensorView& loss = file->tensors().at("0/loss");
        QCOMPARE(loss.shape, (std::vector<std::int64_t>{tokens}));
        float second = 0;
        std::memcpy(&second, loss.bytes.data() + 4, 4);
        QCOMPARE(second, -trace.records[1].logprob);
        QVERIFY(has(file->metadata().at("flextron_trace"), "\"schema_version\":1"));
    }

    void damagedFiles_data()
    {
        QTest::addColumn<QString>("change");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* change, ErrorCode code, const char* message) {
            QTest::newRow(change) << change << static_cast<int>(code) << message;
        };
        row("no metadata", ErrorCode::Corrupt, "this is no trace");
        row("newer schema", ErrorCode::Unsupported, "schema version 2; this program knows 1");
        row("broken json", ErrorCode::Corrupt, "d.safetensors");
        row("missing array", ErrorCode::Corrupt, "array 0/ranks is missing");
        row("wrong shape", ErrorCode::Corrupt, "array 0/mlp has shape");
        row("wrong type", ErrorCode::Corrupt, "array 0/ids has type F32; expected I32");
        row("other layers", ErrorCode::Corrupt, "array 0/heads has shape");
        row("width above full", ErrorCode::Corrupt, "array 0/heads holds the width 99; expected 0 to 4");
        row("negative id", ErrorCode::Corrupt, "array 0/ids holds the id -7");
        row("bytes outside", ErrorCode::Corrupt, "array 0/byte_spans gives token 0 the bytes 0 to 1000000");
        row("flag of 2", ErrorCode::Corrupt, "array 0/read holds 2; expected 0 or 1");
    }
    void damagedFiles()
    {
        QFETCH(QString, change);
        QFETCH(int, code);
        QFETCH(QString, message);
        std::uint64_t seed = 1;
        Trace trace = RandomTrace(seed).make();
        while (trace.records.size() < 8) trace = RandomTrace(++seed).make();
        trace.layers = 2;
        for (TokenRecord& record : trace.records) {
            record.layer_ns.clear();
            record.head_probabilities.clear();
            record.mlp_probabilities.clear();
            if (record.read) record.heads = record.mlp = {2, 2};
        }
        QVERIFY(writeTraces(path("good.safetensors"), {trace}).ok());
        const auto good = SafetensorsFile::open(path("good.safetensors"));
        Parts parts;
        parts.metadata = good->metadata();
        for (const auto& [name, tensor] : good->tensors())
            if (change != "missing array" || name != "0/ranks") parts.tensors.push_back({name, tensor});
        std::string& json = parts.metadata["flextron_trace"];
        const auto replace = [&json](const std::string& from, const std::string& to) {
            json.replace(json.find(from), from.size(), to);
        };
        std::vector<std::byte> changed;
        const auto poke = [&](const char* name, std::size_t at, auto value) {
            TensorView& tensor = parts.at(name);
            changed.assign(tensor.bytes.begin(), tensor.bytes.end());
            std::memcpy(changed.data() + at, &value, sizeof value);
            tensor.bytes = changed;
        };
        if (change == "newer schema") replace("\"schema_version\":1", "\"schema_version\":2");
        if (change == "broken json") replace("{", "");
        if (change == "wrong shape") std::swap(parts.at("0/mlp").shape[0], parts.at("0/mlp").shape[1]);
        if (change == "wrong type") parts.at("0/ids").dtype = DType::Float32;
        if (change == "other layers") replace("\"layers\":2", "\"layers\":3");
        if (change == "width above full") poke("0/heads", 0, std::int32_t(99));
        if (change == "negative id") poke("0/ids", 4, std::int32_t(-7));
        if (change == "bytes outside") poke("0/byte_spans", 8, std::int64_t(1000000));
        if (change == "flag of 2") poke("0/read", 1, std::uint8_t(2));
        if (change == "no metadata") parts.metadata.clear();
        QVERIFY(writeSafetensors(path("d.safetensors"), parts.tensors, parts.metadata).ok());
        const auto result = readTraces(path("d.safetensors"));
        QVERIFY(!result);
        QVERIFY2(has(result.error().message, message.toStdString()), result.error().message.c_str());
        QVERIFY(has(result.error().message, "d.safetensors"));
        QCOMPARE(static_cast<int>(result.error().code), code);
    }

    void invalidUtf8InALabelIsReplaced()
    {
        Trace trace;
        trace.label = "a\xff";
        QVERIFY(writeTraces(path("u.safetensors"), {trace}).ok());
        QCOMPARE(readTraces(path("u.safetensors"))->front().label, std::string("a\xef\xbf\xbd"));
    }

    void missingFile() { QCOMPARE(readTraces(path("none")).error().code, ErrorCode::NotFound); }
};

QTEST_APPLESS_MAIN(TestTrace)
#include "test_trace.moc"
