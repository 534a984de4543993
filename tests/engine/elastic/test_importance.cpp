// Importance: what it must do when one unit is made louder, silent, or the text too short.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <cstring>

#include "engine/compute/reference.h"
#include "engine/elastic/importance.h"
#include "engine/elastic/permutation.h"
#include "tests/engine/support/fake_backend.h"
#include "tests/engine/support/random_model.h"

using namespace flextron;
using namespace flextron::test;

namespace {

constexpr int kLength = 12;

std::shared_ptr<const Backend> load(std::shared_ptr<const Checkpoint> checkpoint)
{
    return loadReferenceBackend(std::move(checkpoint), chooseDevice({DeviceRequest::Kind::Cpu}).orThrow(),
                                ComputeType::Float64)
        .orThrow();
}

/// The model with rows [first, first + count) of one tensor multiplied by `factor`.
std::shared_ptr<const Checkpoint> withScaledRows(const Checkpoint& source, const std::filesystem::path& folder,
                                                 const std::string& name, int first, int count, float factor)
{
    const TensorView& tensor = source.tensor(name);
    std::vector<float> values = toFloat(tensor);
    const auto row = static_cast<std::size_t>(tensor.shape[1]);
    for (std::size_t i = static_cast<std::size_t>(first) * row; i < static_cast<std::size_t>(first + count) * row; ++i)
        values[i] *= factor;
    CheckpointContents contents;
    contents.config = source.config();
    for (const auto& [each, view] : source.tensors()) {
        contents.tensors.push_back({each, view});
        if (each == name) contents.tensors.back().tensor.bytes = std::as_bytes(std::span(values));
    }
    writeCheckpoint(folder, contents).orThrow();
    return Checkpoint::open(folder).orThrow();
}

} // namespace

class TestImportance final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    std::shared_ptr<const Checkpoint> checkpoint_;
    std::vector<TokenId> ids_;

    [[nodiscard]] std::filesystem::path path(const char* name) const
    {
        return std::filesystem::path(folder_.path().toStdString()) / name;
    }
    [[nodiscard]] ImportanceReport reportOf(std::shared_ptr<const Checkpoint> checkpoint) const
    {
        return measureImportance(*load(std::move(checkpoint)), ids_,
                                 {.sequences = 4, .sequence_length = kLength, .batch = 3})
            .orThrow();
    }

private slots:
    void initTestCase()
    {
        ModelConfig config;
        config.hidden_size = 24;
        config.head_dim = 8;
        config.vocab_size = 50;
        config.max_position_embeddings = 32;
        config.layers.assign(2, LayerSizes{6, 3, 20});
        config.tie_word_embeddings = true;
        checkpoint_ = randomCheckpoint(path("model"), config, 11);
        std::mt19937_64 random(3);
        ids_ = randomIds(config, 5 * kLength + 3, random);
    }

    void countsWhatItRead()
    {
        const ImportanceReport report = reportOf(checkpoint_);
        QCOMPARE(report.sequences, 4);
        QCOMPARE(report.tokens, 4 * kLength);
        QCOMPARE(report.mlp.size(), std::size_t{2});
        QCOMPARE(report.mlp[0].size(), std::size_t{20});
        QCOMPARE(report.groups[0].size(), std::size_t{3});
        for (const float value : report.mlp[1]) QVERIFY(value > 0 && std::isfinite(value));
        QVERIFY(!report.sorted);
    }

    /// A SwiGLU activation is linear in its row of `up`.
    void aLouderNeuronCountsAsMuchMore()
    {
        const auto louder = withScaledRows(*checkpoint_, path("louder"), "model.layers.0.mlp.up_proj.weight", 5, 1,
                                           3.0F);
        const ImportanceReport before = reportOf(checkpoint_);
        const ImportanceReport after = reportOf(louder);
        for (std::size_t i = 0; i < 20; ++i) {
            const double expected = before.mlp[0][i] * (i == 5 ? 3.0 : 1.0);
            QVERIFY(std::abs(after.mlp[0][i] - expected) < 1e-5 * expected);
        }
    }

    /// A group's heads are linear in its rows of V; a silent one goes last.
    void aSilentGroupGoesLast()
    {
        const auto silent = withScaledRows(*checkpoint_, path("silent"), "model.layers.0.self_attn.v_proj.weight", 0, 8,
                                           0.0F);
        const ImportanceReport before = reportOf(checkpoint_);
        const ImportanceReport after = reportOf(silent);
        QCOMPARE(after.groups[0][0], 0.0F);
        QVERIFY(std::abs(after.groups[0][1] - before.groups[0][1]) < 1e-5F * before.groups[0][1]);
        QCOMPARE(permutationByImportance(after).orThrow()[0].groups.back(), 0);
    }

    void refusals()
    {
        const auto backend = load(checkpoint_);
        const std::vector<TokenId> few(ids_.begin(), ids_.begin() + 5);
        const Error too_short = measureImportance(*backend, few, {.sequence_length = kLength}).error();
        QCOMPARE(too_short.code, ErrorCode::InvalidArgument);
        QVERIFY(too_short.message.find("has 5 tokens, but one sequence takes 12") != std::string::npos);
        QVERIFY(too_short.hint.find("--sequence-length") != std::string::npos);

        std::vector<TokenId> strange = ids_;
        strange[7] = 50;
        const Error outside = measureImportance(*backend, strange, {.sequence_length = kLength}).error();
        QVERIFY(outside.message.find("token id 50 is outside the vocabulary of 50") != std::string::npos);

        CancelSource source;
        source.cancel();
        QCOMPARE(measureImportance(*backend, ids_, {.sequence_length = kLength}, {}, source.token()).error().code,
                 ErrorCode::Cancelled);

        const FakeModel fake = fakeModel(path("fake"));
        QCOMPARE(measureImportance(*fake.model->backend, ids_, {.sequence_length = kLength}).error().code,
                 ErrorCode::Unsupported);
    }
};

QTEST_GUILESS_MAIN(TestImportance)
#include "test_importance.moc"
