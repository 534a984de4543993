// Sorting by importance moves bytes, loses none, and keeps together what belongs together.
#include <QtTest/QtTest>

#include <cmath>
#include <random>

#include "engine/elastic/permutation.h"
#include "tests/engine/support/checkpoint_files.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

namespace {

std::vector<LayerPermutation> randomPermutation(const ModelConfig& config, std::mt19937& random)
{
    auto permutation = identityPermutation(config);
    for (LayerPermutation& layer : permutation) {
        std::shuffle(layer.mlp.begin(), layer.mlp.end(), random);
        std::shuffle(layer.groups.begin(), layer.groups.end(), random);
    }
    return permutation;
}

std::map<std::string, TensorView> byName(const CheckpointContents& contents)
{
    std::map<std::string, TensorView> tensors;
    for (const auto& [name, tensor] : contents.tensors) tensors.emplace(name, tensor);
    return tensors;
}

/// Element (row, column) of a matrix, or element `row` of a vector.
float at(const TensorView& tensor, std::int64_t row, std::int64_t column = 0)
{
    const std::int64_t columns = tensor.shape.size() == 2 ? tensor.shape[1] : 1;
    const auto position = static_cast<std::size_t>(row * columns + column) * sizeOf(tensor.dtype);
    return toFloat({tensor.dtype, {1}, tensor.bytes.subspan(position, sizeOf(tensor.dtype))})[0];
}

} // namespace

class TestPermutation : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;

    static void allModels()
    {
        QTest::addColumn<QString>("folder");
        for (const auto& folder : modelFolders())
            QTest::newRow(folder.filename().c_str()) << QString::fromStdString(folder.string());
    }

private slots:
    void thereAndBackIsTheSameBytes_data() { allModels(); }
    void thereAndBackIsTheSameBytes()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        std::mt19937 random(21);
        const auto permutation = randomPermutation(source->config(), random);
        const fs::path there = fs::path(directory_.path().toStdString()) / QTest::currentDataTag();
        succeed(writeCheckpoint(there, valueOf(permuteCheckpoint(source, permutation))));
        const auto permuted = valueOf(Checkpoint::open(there));
        QVERIFY(permuted->config() == source->config());
        QVERIFY(permuted->dtype() == source->dtype());
        QVERIFY(!firstDifference(source->tensors(), permuted->tensors()).empty());
        const auto back = valueOf(permuteCheckpoint(permuted, inverse(permutation)));
        QCOMPARE(firstDifference(source->tensors(), byName(back)), std::string());
    }

    void theIdentityCopiesNothing_data() { allModels(); }
    void theIdentityCopiesNothing()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        const auto same = valueOf(permuteCheckpoint(source, identityPermutation(source->config())));
        QCOMPARE(same.tensors.size(), source->tensors().size());
        for (const auto& [name, tensor] : same.tensors)
            QVERIFY2(tensor.bytes.data() == source->tensor(name).bytes.data(), name.c_str());
    }

    void whatBelongsTogetherMovesTogether_data() { allModels(); }
    void whatBelongsTogetherMovesTogether()
    {
        QFETCH(QString, folder);
        const auto source = valueOf(Checkpoint::open(folder.toStdString()));
        const ModelConfig& config = source->config();
        std::mt19937 random(22);
        const auto permutation = randomPermutation(config, random);
        const auto contents = valueOf(permuteCheckpoint(source, permutation));
        const auto tensors = byName(contents);
        const std::int64_t l = config.numLayers() - 1;
        const LayerPermutation& order = permutation.back();
        const std::string layer = (config.isGpt() ? "transformer.h." : "model.layers.") + std::to_string(l) + ".";
        const int column = static_cast<int>(random() % static_cast<unsigned>(config.hidden_size));

        // Element by element, by the definition: new row or column i is the old one of the unit that now stands there.
        const auto rows = [&](const std::string& name, std::int64_t i, std::int64_t old) {
            QCOMPARE(at(tensors.at(layer + name), i, column), at(source->tensor(layer + name), old, column));
        };
        const auto columns = [&](const std::string& name, std::int64_t i, std::int64_t old) {
            QCOMPARE(at(tensors.at(layer + name), column, i), at(source->tensor(layer + name), column, old));
        };
        const auto elements = [&](const std::string& name, std::int64_t i, std::int64_t old) {
            if (source->has(layer + name))
                QCOMPARE(at(tensors.at(layer + name), i), at(source->tensor(layer + name), old));
        };
        for (std::size_t i = 0; i < order.mlp.size(); ++i) {
            const auto now = static_cast<std::int64_t>(i);
            const std::int64_t old = order.mlp[i];
            if (config.isGpt()) {
                columns("mlp.c_fc.weight", now, old);
                elements("mlp.c_fc.bias", now, old);
                rows("mlp.c_proj.weight", now, old);
                continue;
            }
            for (const char* name : {"mlp.gate_proj", "mlp.up_proj"}) {
                rows(name + std::string(".weight"), now, old);
                elements(name + std::string(".bias"), now, old);
            }
            columns("mlp.down_proj.weight", now, old);
        }
        const std::int64_t dh = config.head_dim;
        const std::int64_t per_group = config.headsPerGroup();
        const auto all_heads = static_cast<std::int64_t>(order.groups.size()) * dh;
        for (std::size_t g = 0; g < order.groups.size(); ++g)
            for (std::int64_t i = 0; i < dh; ++i) {
                const std::int64_t now = static_cast<std::int64_t>(g) * dh + i;
                const std::int64_t old = order.groups[g] * dh + i;
                if (config.isGpt()) {
                    for (std::int64_t third = 0; third < 3; ++third) {
                        columns("attn.c_attn.weight", third * all_heads + now, third * all_heads + old);
                        elements("attn.c_attn.bias", third * all_heads + now, third * all_heads + old);
                    }
                    rows("attn.c_proj.weight", now, old);
                    continue;
                }
                for (const char* name : {"self_attn.k_proj", "self_attn.v_proj"}) {
                    rows(name + std::string(".weight"), now, old);
                    elements(name + std::string(".bias"), now, old);
                }
                for (std::int64_t h = 0; h < per_group; ++h) { // the heads of a group keep their order
                    const std::int64_t query_now = (static_cast<std::int64_t>(g) * per_group + h) * dh + i;
                    const std::int64_t query_old = (order.groups[g] * per_group + h) * dh + i;
                    rows("self_attn.q_proj.weight", query_now, query_old);
                    elements("self_attn.q_proj.bias", query_now, query_old);
                    columns("self_attn.o_proj.weight", query_now, query_old);
                }
            }
        // Everything else is untouched: biases of the outputs, norms, embeddings.
        for (const auto& [name, tensor] : source->tensors()) {
            const bool moved = name.find("mlp.") != std::string::npos || name.find("attn.") != std::string::npos;
            const bool output_bias = name.ends_with("c_proj.bias") || name.ends_with("o_proj.bias") ||
                                     name.ends_with("down_proj.bias");
            if (!moved || output_bias) QVERIFY2(sameTensor(tensors.at(name), tensor), name.c_str());
        }
    }

    void importanceSortsDescendingAndStably()
    {
        const ImportanceReport report{
            "t", 1, 1, {{1.0f, 3.0f, 2.0f, 3.0f}, {0.0f, 0.0f}}, {{5.0f, 6.0f}, {1.0f, 1.0f}}, false};
        const auto permutation = valueOf(permutationByImportance(report));
        QVERIFY((permutation == std::vector<LayerPermutation>{{{1, 3, 2, 0}, {1, 0}}, {{0, 1}, {0, 1}}}));
        const ImportanceReport sorted = permuteReport(report, permutation);
        QVERIFY(sorted.sorted);
        QCOMPARE(sorted.mlp[0], (std::vector<float>{3.0f, 3.0f, 2.0f, 1.0f}));
        QCOMPARE(sorted.groups[0], (std::vector<float>{6.0f, 5.0f}));
        QVERIFY(!permuteReport(sorted, inverse(permutation)).sorted);
        QCOMPARE(permuteReport(sorted, inverse(permutation)).mlp, report.mlp);
        ImportanceReport broken = report;
        broken.groups[1][0] = std::nanf("");
        VERIFY_FAILURE(permutationByImportance(broken), ErrorCode::InvalidArgument,
                       "the importance of layer 1's heads holds NaN", "measure the importance again");
    }

    void whatIsNoPermutationIsRefused()
    {
        const auto source = valueOf(Checkpoint::open(testData() / "golden/llama-gqa-tied"));
        const auto identity = identityPermutation(source->config());
        auto wrong = identity;
        wrong.pop_back();
        VERIFY_FAILURE(permuteCheckpoint(source, wrong), ErrorCode::InvalidArgument,
                       "an order is given for 2 layers, the model has 3", "one for each layer");
        wrong = identity;
        wrong[1].mlp[7] = 8; // 8 twice
        VERIFY_FAILURE(permuteCheckpoint(source, wrong), ErrorCode::InvalidArgument,
                       "layer 1's neurons is not a permutation of 0 to 111", "each unit exactly once");
        wrong = identity;
        wrong[2].groups[0] = -1;
        VERIFY_FAILURE(permuteCheckpoint(source, wrong), ErrorCode::InvalidArgument,
                       "layer 2's heads is not a permutation of 0 to 2", "each unit exactly once");
        wrong[2].groups = {0, 1};
        VERIFY_FAILURE(permuteCheckpoint(source, wrong), ErrorCode::InvalidArgument,
                       "layer 2's heads is not a permutation of 0 to 2", "each unit exactly once");
    }
};

QTEST_APPLESS_MAIN(TestPermutation)
#include "test_permutation.moc"
