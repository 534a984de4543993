// Routers: the target code, the networks' arithmetic, and their file.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/model/safetensors.h"
#include "engine/routing/routers.h"

using namespace flextron;

namespace {

ModelConfig makeConfig()
{
    ModelConfig config;
    config.hidden_size = 12;
    config.head_dim = 3;
    config.vocab_size = 20;
    config.max_position_embeddings = 64;
    config.layers.assign(3, LayerSizes{4, 4, 64});
    return config;
}

const ChoiceSets kChoices{{16, 32, 64}, {1, 2, 3, 4}};
const std::vector<double> kStops{1.0, 0.8, 0.5};

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

bool same(const LinearWeights& a, const LinearWeights& b)
{
    return a.in == b.in && a.out == b.out && a.weight == b.weight && a.bias == b.bias;
}
bool same(const RouterNetwork& a, const RouterNetwork& b)
{
    return same(a.hidden, b.hidden) && same(a.output, b.output);
}

} // namespace

class TestRouters final : public QObject {
    Q_OBJECT

    [[nodiscard]] std::filesystem::path path(const char* name) const
    {
        return std::filesystem::path(folder_.path().toStdString()) / name;
    }
    QTemporaryDir folder_;

private slots:
    void targetCodeBlendsNeighbouringStops_data()
    {
        QTest::addColumn<double>("budget");
        QTest::addColumn<QList<double>>("expected");
        QTest::newRow("a stop") << 0.8 << QList<double>{0, 1, 0};
        QTest::newRow("the first") << 1.0 << QList<double>{1, 0, 0};
        QTest::newRow("the last") << 0.5 << QList<double>{0, 0, 1};
        QTest::newRow("a quarter below a stop") << 0.95 << QList<double>{0.75, 0.25, 0};
        QTest::newRow("a third above a stop") << 0.6 << QList<double>{0, 1.0 / 3, 2.0 / 3};
        QTest::newRow("above all") << 1.5 << QList<double>{1, 0, 0};
        QTest::newRow("below all") << 0.1 << QList<double>{0, 0, 1};
    }
    void targetCodeBlendsNeighbouringStops()
    {
        QFETCH(double, budget);
        QFETCH(QList<double>, expected);
        const std::vector<float> code = targetCode(budget, kStops);
        QCOMPARE(code.size(), std::size_t(3));
        for (int i = 0; i < 3; ++i)
            QVERIFY(std::abs(static_cast<double>(code[static_cast<std::size_t>(i)]) - expected[i]) < 1e-6);
    }
    void targetCodeWithoutStopsIsEmpty() { QVERIFY(targetCode(0.5, {}).empty()); }

    void logitsAreLinearLeakyLinear()
    {
        RouterNetwork router;
        router.hidden = {2, 2, {1, 2, -3, 1}, {0.5f, -1}};
        router.output = {2, 3, {1, 0, 0, 1, 2, 2}, {0, 0, 1}};
        // Inner: 1*1 + 2*2 + 0.5 = 5.5; -3 + 2 - 1 = -2, which leaks to -0.2.
        const std::vector<float> logits = routerLogits(router, {1, 2});
        QCOMPARE(logits.size(), std::size_t(3));
        QCOMPARE(logits[0], 5.5f);
        QCOMPARE(logits[1], -0.2f);
        QCOMPARE(logits[2], 11.6f);
    }

    void softmaxSumsToOneAndIsStable()
    {
        const std::vector<float> shares = softmax({1000.0f, 1000.0f + std::log(3.0f), -1000.0f});
        QVERIFY(std::abs(shares[0] - 0.25f) < 1e-4f);
        QVERIFY(std::abs(shares[1] - 0.75f) < 1e-4f);
        QCOMPARE(shares[2], 0.0f);
        QVERIFY(softmax({}).empty());
    }

    void marginAndEntropy_data()
    {
        QTest::addColumn<QList<float>>("probabilities");
        QTest::addColumn<double>("margin");
        QTest::addColumn<double>("entropy");
        QTest::newRow("sure") << QList<float>{0, 1, 0} << 1.0 << 0.0;
        QTest::newRow("torn between two") << QList<float>{0.5f, 0, 0.5f} << 0.0 << std::log(2.0);
        QTest::newRow("no idea") << QList<float>{0.25f, 0.25f, 0.25f, 0.25f} << 0.0 << std::log(4.0);
        QTest::newRow("second one last") << QList<float>{0.1f, 0.6f, 0.3f} << 0.3
                                         << -(0.1 * std::log(0.1) + 0.6 * std::log(0.6) + 0.3 * std::log(0.3));
        QTest::newRow("one choice") << QList<float>{1} << 1.0 << 0.0;
    }
    void marginAndEntropy()
    {
        QFETCH(QList<float>, probabilities);
        QFETCH(double, margin);
        QFETCH(double, entropy);
        const std::vector<float> values(probabilities.begin(), probabilities.end());
        QVERIFY(std::abs(static_cast<double>(routerMargin(values)) - margin) < 1e-6);
        QVERIFY(std::abs(static_cast<double>(routerEntropy(values)) - entropy) < 1e-6);
    }

    void argmaxTakesTheFirstOfEquals() { QCOMPARE(argmax({1, 5, 5, 2}), 1); }

    void randomRoutersFitAndDependOnTheSeed()
    {
        const Routers a = randomRouters(makeConfig(), kChoices, kStops, 8, 1);
        QCOMPARE(a.mlp.size(), std::size_t(3));
        QCOMPARE(a.heads[0].hidden.in, 12 + 3);
        QCOMPARE(a.heads[0].output.out, 4);
        QCOMPARE(a.mlp[2].output.out, 3);
        QCOMPARE(a.fixed->hidden.in, 3);
        QCOMPARE(a.fixed->output.out, 3 * 7);
        QVERIFY(a.dynamic());
        QVERIFY(same(a.mlp[1], randomRouters(makeConfig(), kChoices, kStops, 8, 1).mlp[1]));
        QVERIFY(!same(a.mlp[1], randomRouters(makeConfig(), kChoices, kStops, 8, 2).mlp[1]));
        QVERIFY(!same(a.mlp[1], a.mlp[2]));
        // Normal numbers: mean 0, variance 1/inputs.
        const std::vector<float>& weights = a.fixed->output.weight;
        const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
        double variance = 0.0;
        for (const float w : weights) variance += (w - mean) * (w - mean) / static_cast<double>(weights.size());
        QVERIFY(std::abs(mean) < 0.1);
        QVERIFY(std::abs(variance * 8 - 1.0) < 0.3);
    }

    void roundTrip_data()
    {
        QTest::addColumn<bool>("dynamic");
        QTest::addColumn<bool>("fixed");
        QTest::newRow("both") << true << true;
        QTest::newRow("dynamic") << true << false;
        QTest::newRow("static") << false << true;
    }
    void roundTrip()
    {
        QFETCH(bool, dynamic);
        QFETCH(bool, fixed);
        Routers routers = randomRouters(makeConfig(), kChoices, kStops, 8, 5);
        if (!dynamic) routers.heads.clear(), routers.mlp.clear();
        if (!fixed) routers.fixed.reset();
        QVERIFY(writeRouters(path("r.safetensors"), routers).ok());
        const auto read = readRouters(path("r.safetensors"), makeConfig(), kChoices);
        QVERIFY2(read.ok(), read ? "" : read.error().message.c_str());
        const Routers& back = **read;
        QCOMPARE(back.budget_list, kStops);
        QCOMPARE(back.choices, kChoices);
        QCOMPARE(back.router_inter_dim, 8);
        QCOMPARE(back.dynamic(), dynamic);
        QCOMPARE(back.fixed.has_value(), fixed);
        QCOMPARE(back.heads.size(), routers.heads.size());
        for (std::size_t l = 0; l < back.mlp.size(); ++l)
            QVERIFY(same(back.heads[l], routers.heads[l]) && same(back.mlp[l], routers.mlp[l]));
        if (fixed) QVERIFY(same(*back.fixed, *routers.fixed));
    }

    void theSurrogateIsKept()
    {
        Routers routers = randomRouters(makeConfig(), kChoices, kStops, 8, 5);
        Surrogate surrogate;
        surrogate.network = randomRouters(makeConfig(), {{16}, {4}}, std::vector<double>(21, 0.5), 6, 9).fixed.value();
        surrogate.network.output = {6, 1, {1, 2, 3, 4, 5, 6}, {0.5f}};
        surrogate.full_loss = 2.25;
        surrogate.relative_error = 0.0125;
        routers.surrogate = surrogate;
        QVERIFY(writeRouters(path("s.safetensors"), routers).ok());
        const auto read = readRouters(path("s.safetensors"), makeConfig(), kChoices);
        QVERIFY2(read.ok(), read ? "" : read.error().message.c_str());
        const Surrogate& back = (**read).surrogate.value();
        QVERIFY(same(back.network, surrogate.network));
        QCOMPARE(back.full_loss, 2.25);
        QCOMPARE(back.relative_error, 0.0125);

        // By hand: the sub-network's choices switch columns of the first matrix on.
        const auto means = choiceMeans({{16, 64, 32}, {4, 1, 2}}, kChoices);
        QCOMPARE(means, (std::vector<float>{0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0}));
        double rise = 0.5;
        for (int row = 0; row < 6; ++row) {
            double inner = surrogate.network.hidden.bias[static_cast<std::size_t>(row)];
            for (const int column : {3, 4, 7, 13, 15, 19})
                inner += surrogate.network.hidden.weight[static_cast<std::size_t>(row * 21 + column)];
            rise += (row + 1) * (inner > 0 ? inner : 0.1 * inner);
        }
        QVERIFY(std::abs(back.predictRise(means) - rise) < 1e-5);
        QVERIFY(std::abs(back.predictLoss(means) - rise - 2.25) < 1e-5);
        const auto outside = guarded([] { return choiceMeans({{17, 64, 32}, {4, 1, 2}}, kChoices); });
        QVERIFY2(has(outside.error().message, "17 MLP neurons"), outside.error().message.c_str());

        routers.surrogate->network.hidden = {20, 6, std::vector<float>(120), std::vector<float>(6)};
        QVERIFY(writeRouters(path("s.safetensors"), routers).ok());
        QVERIFY(has(readRouters(path("s.safetensors"), makeConfig(), kChoices).error().message,
                    "tensor surrogate.hidden.weight has shape [6, 20]; expected [6, 21]"));
    }

    void nothingToWrite()
    {
        QVERIFY(has(writeRouters(path("n.safetensors"), Routers{}).error().message, "no routers"));
    }

    void refusesRoutersOfAnotherModel_data()
    {
        QTest::addColumn<int>("layers");
        QTest::addColumn<int>("hidden");
        QTest::addColumn<QString>("message");
        QTest::newRow("layers") << 4 << 12 << "num_hidden_layers 3; this one has 4";
        QTest::newRow("hidden size") << 3 << 16 << "hidden_size 12; this one has 16";
    }
    void refusesRoutersOfAnotherModel()
    {
        QFETCH(int, layers);
        QFETCH(int, hidden);
        QFETCH(QString, message);
        QVERIFY(writeRouters(path("o.safetensors"), randomRouters(makeConfig(), kChoices, kStops, 8, 5)).ok());
        ModelConfig config = makeConfig();
        config.hidden_size = hidden;
        config.layers.assign(static_cast<std::size_t>(layers), LayerSizes{4, 4, 64});
        const auto result = readRouters(path("o.safetensors"), config, kChoices);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(has(result.error().message, message.toStdString()), result.error().message.c_str());
        QVERIFY(has(result.error().hint, "made for this model"));
    }
    void refusesOtherChoices()
    {
        QVERIFY(writeRouters(path("c.safetensors"), randomRouters(makeConfig(), kChoices, kStops, 8, 5)).ok());
        const auto result = readRouters(path("c.safetensors"), makeConfig(), {{32, 64}, {1, 2, 3, 4}});
        QVERIFY(has(result.error().message, "mlp_int_list [16,32,64]; this one has [32,64]"));
    }

    // Each row changes one thing of a good file.
    void damagedFiles_data()
    {
        QTest::addColumn<QString>("change");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* change, ErrorCode code, const char* message) {
            QTest::newRow(change) << change << static_cast<int>(code) << message;
        };
        row("no metadata", ErrorCode::Corrupt, "this is no file of routers");
        row("newer version", ErrorCode::Unsupported, "format version 2");
        row("broken json", ErrorCode::Corrupt, "damaged.safetensors");
        row("ascending stops", ErrorCode::Corrupt, "shares that descend");
        row("missing tensor", ErrorCode::Corrupt, "tensor layers.1.mlp.output.bias is missing; expected [3]");
        row("wrong shape", ErrorCode::Corrupt,
            "tensor layers.0.heads.hidden.weight has shape [15, 8]; expected [8, 15]");
        row("wrong type", ErrorCode::Corrupt, "tensor static.hidden.bias has type I32; expected F32, F16 or BF16");
        row("not finite", ErrorCode::Corrupt, "tensor layers.2.mlp.hidden.bias holds a number that is not finite");
    }
    void damagedFiles()
    {
        QFETCH(QString, change);
        QFETCH(int, code);
        QFETCH(QString, message);
        QVERIFY(writeRouters(path("good.safetensors"), randomRouters(makeConfig(), kChoices, kStops, 8, 5)).ok());
        auto good = SafetensorsFile::open(path("good.safetensors"));
        std::map<std::string, std::string> metadata = good->metadata();
        std::string& json = metadata.begin()->second;
        const auto replace = [&json](const std::string& from, const std::string& to) {
            QVERIFY(has(json, from));
            json.replace(json.find(from), from.size(), to);
        };
        if (change == "newer version") replace("\"format_version\":1", "\"format_version\":2");
        if (change == "broken json") replace("{", "");
        if (change == "ascending stops") replace("0.8", "0.4");
        std::vector<NamedTensor> tensors;
        std::vector<float> broken(8, std::nanf(""));
        for (auto [name, tensor] : good->tensors()) {
            if (change == "missing tensor" && name == "layers.1.mlp.output.bias") continue;
            if (change == "wrong shape" && name == "layers.0.heads.hidden.weight")
                std::swap(tensor.shape[0], tensor.shape[1]);
            if (change == "wrong type" && name == "static.hidden.bias") tensor.dtype = DType::Int32;
            if (change == "not finite" && name == "layers.2.mlp.hidden.bias")
                tensor.bytes = std::as_bytes(std::span(broken));
            tensors.push_back({name, tensor});
        }
        if (change == "no metadata") metadata.clear();
        QVERIFY(writeSafetensors(path("damaged.safetensors"), tensors, metadata).ok());
        const auto result = readRouters(path("damaged.safetensors"), makeConfig(), kChoices);
        QVERIFY(!result);
        QVERIFY2(has(result.error().message, message.toStdString()), result.error().message.c_str());
        QVERIFY(has(result.error().message, "damaged.safetensors"));
        QCOMPARE(static_cast<int>(result.error().code), code);
    }

    void missingFile()
    {
        QCOMPARE(readRouters(path("none"), makeConfig(), kChoices).error().code, ErrorCode::NotFound);
    }
};

QTEST_APPLESS_MAIN(TestRouters)
#include "test_routers.moc"
