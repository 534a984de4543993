// The parts of training against independent arithmetic: passes, optimizer, learning rate, export.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <QTemporaryDir>
#include <QtTest>
#include <cmath>

#include "engine/training/fast_products_p.h"
#include "engine/training/optimizer_p.h"
#include "engine/training/passes_p.h"
#include "tiny.h"

using namespace flextron;
using flextron::test::tinyConfig;

namespace {

at::Tensor someIds(int batch, int tokens)
{
    return (at::arange(batch * tokens, at::kLong) * 37 % 251).view({batch, tokens});
}

double largestDifference(const at::Tensor& a, const at::Tensor& b)
{
    return (a - b).abs().max().item<double>();
}

} // namespace

class TrainingPartsTest : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { at::set_num_threads(1); } // tests run side by side

    /// The fused attention of training is allowed because it gives the definition's numbers, forward and backward.
    void theTrainingPassAgreesWithTheReference_data()
    {
        QTest::addColumn<bool>("gpt");
        QTest::addColumn<int>("kv_heads");
        QTest::addColumn<int>("window");
        QTest::addColumn<QString>("subnet");
        QTest::newRow("llama, full") << false << 4 << 0 << "mlp 64*2; heads 4*2";
        QTest::newRow("llama, narrow") << false << 4 << 0 << "mlp 16,48; heads 1,3";
        QTest::newRow("grouped queries") << false << 2 << 0 << "mlp 64*2; heads 2,4";
        QTest::newRow("sliding window") << false << 4 << 5 << "mlp 64*2; heads 4*2";
        QTest::newRow("gpt, narrow") << true << 4 << 0 << "mlp 32*2; heads 2*2";
        QTest::newRow("skipped sub-blocks") << false << 4 << 0 << "mlp 0,64; heads 4,0";
    }
    void theTrainingPassAgreesWithTheReference()
    {
        QFETCH(bool, gpt);
        QFETCH(int, kv_heads);
        QFETCH(int, window);
        QFETCH(QString, subnet);
        ModelConfig config = tinyConfig(gpt, kv_heads);
        config.sliding_window = window;
        const ReferenceWeights weights = randomWeights(config, 3);
        for (const at::Tensor& tensor : weights.parameters()) tensor.mul_(4); // scores that are not all alike
        setTrainable(weights, true);
        const SubNetwork widths = parseSubNetwork(subnet.toStdString(), config).orThrow();
        const at::Tensor ids = someIds(2, 24);

        const auto gradients = [&](const at::Tensor& logits) {
            nextTokenLoss(logits, ids).backward();
            std::vector<at::Tensor> all;
            for (const at::Tensor& tensor : weights.parameters()) {
                all.push_back(tensor.grad().defined() ? tensor.grad().clone() : at::zeros_like(tensor));
                tensor.mutable_grad().reset();
            }
            return all;
        };
        const at::Tensor expected = reference::logits(weights,
                                                      reference::forward(weights, ids, reference::layerWidths(widths)));
        SlicedWidths sliced(widths);
        const at::Tensor logits = trainingLogits(weights, ids, sliced);
        QVERIFY2(largestDifference(logits, expected) < 2e-4, "logits");
        const auto expected_gradients = gradients(expected);
        const auto found_gradients = gradients(logits);
        for (std::size_t i = 0; i < found_gradients.size(); ++i)
            QVERIFY(largestDifference(found_gradients[i], expected_gradients[i]) < 2e-4);
    }

    void theLossIsTheMeanCrossEntropyOfTheNextToken()
    {
        const at::Tensor logits = at::zeros({1, 3, 4}); // uniform: ln 4 wherever it is asked
        const at::Tensor ids = at::tensor({0, 3, 1}, at::kLong).view({1, 3});
        QVERIFY(std::abs(nextTokenLoss(logits, ids).item<double>() - std::log(4.0)) < 1e-6);
        at::Tensor sure = logits.clone();
        sure[0][0][3] = 50; // token 1 is predicted at position 0, token 2 is not; position 2 predicts nothing
        sure[0][2][0] = 50;
        QVERIFY(std::abs(nextTokenLoss(sure, ids).item<double>() - std::log(4.0) / 2) < 1e-6);
        QVERIFY(std::abs(lossPerSequence(sure, ids)[0].item<double>() - std::log(4.0) / 2) < 1e-6);
        QVERIFY(std::abs(divergence(sure, sure).item<double>()) < 1e-7);
        QVERIFY(std::abs(divergence(sure, logits).item<double>() - std::log(4.0) / 2) < 1e-4); // sure against uniform
    }

    void adamWMatchesItsFormula()
    {
        TrainOptions options;
        options.weight_decay = 0.2;
        options.clip = 1e9;
        at::Tensor matrix = at::tensor({0.5f, -1.0f, 2.0f, 0.25f}).view({2, 2}).set_requires_grad(true);
        at::Tensor bias = at::tensor({0.5f, -1.0f}).set_requires_grad(true);
        at::Tensor idle = at::tensor({7.0f}).set_requires_grad(true);
        AdamW optimizer({{"matrix", matrix, true}, {"bias", bias, false, 3.0}, {"idle", idle, true}}, options);
        struct Scalar {
            double weight, rate_share, decay, m = 0, v = 0;
        };
        std::vector<Scalar> expected{{0.5, 1, 0.2}, {-1, 1, 0.2}, {2, 1, 0.2}, {0.25, 1, 0.2}, {0.5, 3, 0}, {-1, 3, 0}};
        for (int t = 1; t <= 5; ++t) {
            const double rate = 0.01 * t;
            optimizer.forgetGradients();
            ((matrix * matrix).sum() * 0.5 + (bias * bias).sum() * 0.5).backward(); // the gradient is the weight
            QVERIFY(optimizer.clipGradients() > 0);
            optimizer.step(rate);
            for (Scalar& s : expected) {
                const double g = s.weight;
                s.m = options.beta1 * s.m + (1 - options.beta1) * g;
                s.v = options.beta2 * s.v + (1 - options.beta2) * g * g;
                const double lr = rate * s.rate_share;
                s.weight -= lr * s.decay * s.weight;
                s.weight -= lr * (s.m / (1 - std::pow(options.beta1, t))) /
                            (std::sqrt(s.v / (1 - std::pow(options.beta2, t))) + options.epsilon);
            }
        }
        const at::Tensor all = at::cat({matrix.flatten(), bias}).detach();
        for (int i = 0; i < 6; ++i)
            QVERIFY(std::abs(all[i].item<double>() - expected[static_cast<std::size_t>(i)].weight) < 1e-5);
        QCOMPARE(idle.item<float>(), 7.0f); // no gradient: no decay either
    }

    void gradientsAreClippedTogether()
    {
        TrainOptions options;
        options.clip = 1.0;
        at::Tensor a = at::tensor({3.0f}).set_requires_grad(true);
        at::Tensor b = at::tensor({4.0f}).set_requires_grad(true);
        AdamW optimizer({{"a", a}, {"b", b}}, options);
        ((a * a).sum() * 0.5 + (b * b).sum() * 0.5).backward();
        QVERIFY(std::abs(optimizer.clipGradients() - 5) < 1e-6);
        QVERIFY(std::abs(a.grad().item<double>() - 0.6) < 1e-6 && std::abs(b.grad().item<double>() - 0.8) < 1e-6);
        QVERIFY(std::abs(optimizer.clipGradients() - 1) < 1e-6); // small ones stay
        QVERIFY(std::abs(a.grad().item<double>() - 0.6) < 1e-6);
    }

    void fastProductsAreExactAndGoAway()
    {
        const auto before = at::globalContext().float32MatmulPrecision();
        at::manual_seed(5);
        const at::Tensor a = at::randn({300, 700}), b = at::randn({700, 90});
        const at::Tensor exact = at::mm(a.to(at::kDouble), b.to(at::kDouble));
        const at::Tensor usual = at::mm(a, b);
        {
            const FastProducts products;
            QVERIFY(largestDifference(at::mm(a, b).to(at::kDouble), exact) <
                    8 * largestDifference(usual.to(at::kDouble), exact));
            const auto fast = at::globalContext().float32MatmulPrecision();
            {
                const UsualProducts within; // attention's
                QVERIFY(at::equal(at::mm(a, b), usual));
            }
            QVERIFY(at::globalContext().float32MatmulPrecision() == fast);
        }
        QVERIFY(at::globalContext().float32MatmulPrecision() == before);
        QVERIFY(at::equal(at::mm(a, b), usual));
    }

    void theLearningRateWarmsUpAndFallsAsACosine()
    {
        TrainOptions options;
        options.learning_rate = 2;
        options.final_rate_share = 0.1;
        options.warm_up_share = 0.1;
        QCOMPARE(learningRate(options, 0, 100), 0.2);
        QCOMPARE(learningRate(options, 9, 100), 2.0);
        QCOMPARE(learningRate(options, 10, 100), 2.0);
        QVERIFY(std::abs(learningRate(options, 99, 100) - 0.2) < 1e-12);
        QVERIFY(std::abs(learningRate(options, 10, 21) - (0.2 + 1.8 * 0.5 * (1 + std::cos(M_PI * 8 / 18)))) < 1e-12);
        for (int i = 11; i < 100; ++i) QVERIFY(learningRate(options, i, 100) < learningRate(options, i - 1, 100));
    }

    void randomWeightsFollowTheFamily()
    {
        ModelConfig config = tinyConfig(true);
        config.hidden_size = 256;
        config.head_dim = 64;
        const ReferenceWeights gpt = randomWeights(config, 1);
        const auto deviation = [](const at::Tensor& t) { return t.std().item<double>(); };
        QVERIFY(std::abs(deviation(gpt.layers[0].q) - 0.02) < 0.0005);
        QVERIFY(std::abs(deviation(gpt.layers[0].o) - 0.01) < 0.0005); // 0.02 / sqrt(2 * 2 layers)
        QVERIFY(gpt.layers[1].q_bias.eq(0).all().item<bool>() && gpt.final_norm.eq(1).all().item<bool>());
        QVERIFY(gpt.head.is_same(gpt.embedding));
        const ReferenceWeights again = randomWeights(config, 1), other = randomWeights(config, 2);
        QVERIFY(at::equal(again.layers[1].up, gpt.layers[1].up) && !at::equal(other.layers[1].up, gpt.layers[1].up));
    }

    void aWrittenCheckpointIsReadBackTheSame_data()
    {
        QTest::addColumn<bool>("gpt");
        QTest::addColumn<int>("kv_heads");
        QTest::newRow("llama") << false << 2;
        QTest::newRow("gpt") << true << 4;
    }
    void aWrittenCheckpointIsReadBackTheSame()
    {
        QFETCH(bool, gpt);
        QFETCH(int, kv_heads);
        ModelConfig config = tinyConfig(gpt, kv_heads);
        config.tie_word_embeddings = gpt;
        const ReferenceWeights weights = randomWeights(config, 5);
        const QTemporaryDir folder;
        const auto path = std::filesystem::path(folder.path().toStdString()) / "model";
        writeCheckpoint(path, checkpointContents(weights, DType::Float32)).orThrow();
        const auto checkpoint = Checkpoint::open(path).orThrow();
        const ReferenceWeights read = loadReferenceWeights(*checkpoint, at::kCPU, at::kFloat);
        const auto a = trainedTensors(weights), b = trainedTensors(read);
        QCOMPARE(b.size(), a.size());
        for (std::size_t i = 0; i < a.size(); ++i)
            QVERIFY2(at::equal(a[i].tensor, b[i].tensor) && a[i].name == b[i].name, a[i].name.c_str());
        weights.embedding.mul_(1e7);
        const auto too_large = guarded([&] { checkpointContents(weights, DType::Float16); });
        QVERIFY(too_large.error().message.find("float16 cannot hold") != std::string::npos);
    }
};

QTEST_APPLESS_MAIN(TrainingPartsTest)
#include "test_training_parts.moc"
