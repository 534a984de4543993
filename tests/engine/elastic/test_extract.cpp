// A sub-network taken out is a prefix of what it was taken from, and opens as a model of its own.
#include <QtTest/QtTest>

#include <QJsonDocument>
#include <QJsonObject>

#include "engine/elastic/extract.h"
#include "engine/model/cost.h"
#include "tests/engine/support/checkpoint_files.h"
#include "tests/engine/support/random_subnetwork.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

namespace {

/// Rows and columns of a matrix that a prefix keeps; a vector is one column. In GPT-2's c_attn a third each is Q, K and
/// V.
std::vector<float> slice(const TensorView& tensor, std::int64_t rows, std::int64_t columns, int thirds_of_columns = 1)
{
    const auto values = toFloat(tensor);
    const std::int64_t width = tensor.shape.size() == 2 ? tensor.shape[1] : 1;
    std::vector<float> kept;
    for (std::int64_t r = 0; r < rows; ++r)
        for (int third = 0; third < thirds_of_columns; ++third)
            for (std::int64_t c = 0; c < columns; ++c)
                kept.push_back(values[static_cast<std::size_t>(r * width + third * (width / thirds_of_columns) + c)]);
    return kept;
}

} // namespace

class TestExtract : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;
    int number_ = 0;

    static void allModels()
    {
        QTest::addColumn<QString>("folder");
        for (const auto& folder : modelFolders())
            QTest::newRow(folder.filename().c_str()) << QString::fromStdString(folder.string());
    }

    std::shared_ptr<const Checkpoint> written(const Extraction& extraction)
    {
        const fs::path target = fs::path(directory_.path().toStdString()) / std::to_string(number_++);
        succeed(writeCheckpoint(target, extraction.contents));
        return valueOf(Checkpoint::open(target));
    }

private slots:
    void theFullNetworkIsTheModel_data() { allModels(); }
    void theFullNetworkIsTheModel()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        const Extraction extraction = valueOf(extractSubNetwork(source, fullSubNetwork(source->config())));
        QVERIFY(extraction.plain_hugging_face);
        QVERIFY(extraction.notes.empty());
        const auto copy = written(extraction);
        QVERIFY(copy->config() == source->config());
        QCOMPARE(firstDifference(source->tensors(), copy->tensors()), std::string());
    }

    void whatIsKeptIsThePrefix_data() { allModels(); }
    void whatIsKeptIsThePrefix()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        const ModelConfig& config = source->config();
        std::mt19937 random(31);
        for (int i = 0; i < 5; ++i) {
            SubNetwork subnet = randomSubNetwork(config, random);
            subnet.mlp[0] = 7; // never uniform
            subnet.mlp[1] = 0;
            const Extraction extraction = valueOf(extractSubNetwork(source, subnet));
            QVERIFY(!extraction.plain_hugging_face);
            QVERIFY(extraction.notes.size() == 1 && extraction.notes[0].find("flextron.json") != std::string::npos);
            const auto small = written(extraction);
            QVERIFY(small->elastic());
            QVERIFY(small->config() == configOf(subnet, config));
            QVERIFY(fullSubNetwork(small->config()) == subnet);
            QCOMPARE(small->parameters(), costOf(subnet, config).parameters);
            for (const auto& [name, tensor] : small->tensors()) {
                const bool fused = name.find("c_attn") != std::string::npos;
                const auto rows = tensor.shape.size() == 1 && fused ? 1 : tensor.shape[0];
                const auto columns = fused ? tensor.shape.back() / 3 : tensor.shape.size() == 2 ? tensor.shape[1] : 1;
                TensorView from = source->tensor(name);
                if (fused && from.shape.size() == 1) from.shape = {1, from.shape[0]};
                QVERIFY2(toFloat(tensor) == slice(from, rows, columns, fused ? 3 : 1), name.c_str());
            }
        }
    }

    void aPrefixOfAPrefixIsAPrefix_data() { allModels(); }
    void aPrefixOfAPrefixIsAPrefix()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        std::mt19937 random(32);
        for (int i = 0; i < 3; ++i) {
            const SubNetwork outer = randomSubNetwork(source->config(), random);
            const SubNetwork other = randomSubNetwork(source->config(), random);
            SubNetwork inner = outer;
            for (std::size_t l = 0; l < inner.mlp.size(); ++l) {
                inner.mlp[l] = std::min(outer.mlp[l], other.mlp[l]);
                inner.heads[l] = std::min(outer.heads[l], other.heads[l]);
            }
            QVERIFY(nestedIn(inner, outer));
            const auto large = written(valueOf(extractSubNetwork(source, outer)));
            // Heads of zeros in GPT-2's plain form are units like others: the nested sub-network is taken from it all
            // the same.
            const auto twice = written(valueOf(extractSubNetwork(large, inner)));
            const auto once = written(valueOf(extractSubNetwork(source, inner)));
            QVERIFY(once->config() == twice->config());
            QCOMPARE(firstDifference(once->tensors(), twice->tensors()), std::string());
        }
    }

    void uniformWidthsGiveAPlainCheckpoint_data()
    {
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("groups");
        QTest::newRow("golden/llama-mha") << 2 << 2;
        QTest::newRow("golden/llama-rope-linear-bias") << 4 << 2;
        QTest::newRow("golden/llama-sharded-bf16") << 2 << 1;
        QTest::newRow("golden/mistral") << 3 << 1;
        QTest::newRow("golden/qwen2") << 3 << 1;
        QTest::newRow("golden/llama-mqa-headdim") << 6 << 1;
    }
    void uniformWidthsGiveAPlainCheckpoint()
    {
        QFETCH(int, heads);
        QFETCH(int, groups);
        const auto source = valueOf(Checkpoint::open(testData() / QTest::currentDataTag()));
        const Extraction extraction = valueOf(
            extractSubNetwork(source, uniformSubNetwork(source->config(), 50, heads)));
        QVERIFY(extraction.plain_hugging_face);
        QVERIFY(extraction.notes.empty());
        QVERIFY(!extraction.contents.record);
        const auto small = written(extraction);
        QVERIFY(!small->elastic());
        const QJsonObject json =
            QJsonDocument::fromJson(QByteArray::fromStdString(slurp(small->folder() / "config.json"))).object();
        QCOMPARE(json["num_attention_heads"].toInt(), heads);
        QCOMPARE(json["num_key_value_heads"].toInt(), groups);
        QCOMPARE(json["head_dim"].toInt(), source->config().head_dim);
        QCOMPARE(json["intermediate_size"].toInt(), 50);
        QCOMPARE(json["hidden_size"].toInt(), source->config().hidden_size);
        QVERIFY(small->dtype() == source->dtype());
        QCOMPARE(small->parameters(),
                 costOf(uniformSubNetwork(source->config(), 50, heads), source->config()).parameters);
    }

    void gpt2KeepsItsHeadsAsZeros()
    {
        const auto source = valueOf(Checkpoint::open(testData() / "golden/gpt2"));
        const Extraction extraction = valueOf(extractSubNetwork(source, uniformSubNetwork(source->config(), 96, 3)));
        QVERIFY(extraction.plain_hugging_face);
        QCOMPARE(extraction.notes.size(), std::size_t{1});
        QVERIFY(extraction.notes[0].find("the 1 heads that are left out of each layer's 4 were written as zeros") !=
                std::string::npos);
        const auto small = written(extraction);
        QVERIFY((small->config().layers[0] == LayerSizes{4, 4, 96}));
        const std::int64_t d = 48;
        const std::int64_t kept = 3 * 12;
        const auto before = toFloat(source->tensor("transformer.h.1.attn.c_attn.weight"));
        const auto after = toFloat(small->tensor("transformer.h.1.attn.c_attn.weight"));
        for (std::int64_t row = 0; row < d; ++row)
            for (std::int64_t column = 0; column < 3 * d; ++column) {
                const auto i = static_cast<std::size_t>(row * 3 * d + column);
                QCOMPARE(after[i], column % d < kept ? before[i] : 0.0f);
            }
        const auto proj_before = toFloat(source->tensor("transformer.h.1.attn.c_proj.weight"));
        const auto proj_after = toFloat(small->tensor("transformer.h.1.attn.c_proj.weight"));
        for (std::int64_t i = 0; i < d * d; ++i)
            QCOMPARE(proj_after[static_cast<std::size_t>(i)],
                     i / d < kept ? proj_before[static_cast<std::size_t>(i)] : 0.0f);
        QVERIFY(sameTensor(small->tensor("transformer.h.1.attn.c_proj.bias"),
                           source->tensor("transformer.h.1.attn.c_proj.bias")));
    }

    void nothingButEmbeddingsIsAModelToo_data() { allModels(); }
    void nothingButEmbeddingsIsAModelToo()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        const SubNetwork none = uniformSubNetwork(source->config(), 0, 0);
        const Extraction extraction = valueOf(extractSubNetwork(source, none));
        QVERIFY(!extraction.plain_hugging_face);
        const auto small = written(extraction);
        QVERIFY(fullSubNetwork(small->config()) == none);
        QCOMPARE(small->parameters(), costOf(none, source->config()).parameters);
    }

    void theTokenizerComesAlong()
    {
        const auto source = valueOf(Checkpoint::open(testData() / "stories260k-llama"));
        const auto small = written(valueOf(extractSubNetwork(source, uniformSubNetwork(source->config(), 86, 4))));
        QCOMPARE(slurp(small->folder() / "tokenizer.model"), slurp(source->folder() / "tokenizer.model"));
    }

    void whatDoesNotFitIsRefused()
    {
        const auto source = valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied"));
        VERIFY_FAILURE(extractSubNetwork(source, uniformSubNetwork(source->config(), 113, 6)),
                       ErrorCode::InvalidArgument, "mlp of layer 0 is 113, it must be from 0 to 112", "flextron info");
        VERIFY_FAILURE(extractSubNetwork(source, uniformSubNetwork(source->config(), 112, 3)),
                       ErrorCode::InvalidArgument, "heads of layer 0 is 3, it must be a multiple of 2",
                       "flextron info");
    }
};

QTEST_APPLESS_MAIN(TestExtract)
#include "test_extract.moc"
