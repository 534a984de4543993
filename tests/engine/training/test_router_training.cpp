// Routers in training: the straight-through choice, masks against slices, costs, and what each stage may change.
#include <ATen/ATen.h>

#include <QTemporaryDir>
#include <QtTest>
#include <set>

#include "engine/base/files.h"
#include "engine/model/cost.h"
#include "engine/routing/target.h"
#include "engine/training/elastic_training.h"
#include "engine/training/router_stage_p.h"
#include "engine/training/surrogate_training.h"
#include "tiny_base.h"

using namespace flextron;
namespace fs = std::filesystem;

namespace {

const std::vector<double> kStops{1, 0.8, 0.6};

struct Fixture {
    ModelConfig config = test::tinyConfig(false);
    ChoiceSets choices = defaultChoiceSets(config);
    ReferenceWeights weights = randomWeights(config, 3);
    TrainableRouters routers = newRouters(config, choices, kStops, 8, 1.0, 5);
    CostShares costs = CostShares::of(config, choices, flopCost(config));
    at::Tensor ids = (at::arange(2 * 24, at::kLong) * 37 % 251).view({2, 24});
};

ValidationLoss lossOf(const StageReport& report, const std::string& widths, double target)
{
    for (const ValidationLoss& loss : report.validation)
        if (loss.widths == widths && loss.target == target) return loss;
    throw std::runtime_error("no validation of " + widths);
}

/// By the FLOPs of one sub-block at a time: independent of how the stage counted.
void recordedChoicesComeToTheRecordedCost(const Checkpoint& checkpoint)
{
    const ModelConfig& config = checkpoint.config();
    const ChoiceSets& choices = checkpoint.choices();
    CostOptions options;
    options.kv = KvRule::All;
    options.context = std::min(options.context, config.max_position_embeddings);
    const auto share = [&](const SubNetwork& subnet) { return flopShare(subnet, config, options); };
    int dynamic = 0;
    for (const RecordedLoss& loss : checkpoint.record().losses) {
        QCOMPARE(loss.choice_means.empty(), loss.routing != "dynamic");
        if (loss.choice_means.empty()) continue;
        ++dynamic;
        const SubNetwork full = fullSubNetwork(config);
        double cost = share(full);
        std::size_t at = 0;
        const auto block = [&](std::vector<int> SubNetwork::*widths, std::size_t layer, const std::vector<int>& list) {
            double sum = 0;
            for (const int choice : list) {
                SubNetwork subnet = full;
                (subnet.*widths)[layer] = choice;
                cost -= loss.choice_means[at] * (share(full) - share(subnet));
                sum += loss.choice_means[at++];
            }
            QVERIFY(std::abs(sum - 1) < 1e-5); // each token chose one
        };
        for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
            block(&SubNetwork::heads, layer, choices.head_int_list);
            block(&SubNetwork::mlp, layer, choices.mlp_int_list);
        }
        QCOMPARE(at, loss.choice_means.size());
        QVERIFY2(std::abs(cost - loss.cost) < 1e-4, (std::to_string(cost) + " " + std::to_string(loss.cost)).c_str());
    }
    QVERIFY(dynamic > 0);
}

} // namespace

class RouterTrainingTest : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    fs::path root() const { return folder_.path().toStdString(); }

    static RouterOptions tinyRouters()
    {
        RouterOptions options;
        options.budget_list = kStops;
        options.router_inter_dim = 8;
        return options;
    }

private slots:
    void initTestCase()
    {
        test::trainTinyBase(root());
        TrainOptions options = test::tinyOptions(root(), 40);
        options.learning_rate = 5e-3;
        trainElastic(root() / "base", root() / "elastic", options, {}).orThrow();
    }

    /// A static router that is sure of its choices: the masked pass is the sliced one, and costs what that costs.
    void masksAgreeWithSlices()
    {
        Fixture f;
        const std::vector<int> picks{0, 2, 3, 1}; // heads and MLP of layer 0, then of layer 1
        f.routers.fixed.output.zero_();
        f.routers.fixed.output_bias.zero_();
        for (std::size_t i = 0; i < picks.size(); ++i)
            f.routers.fixed.output_bias[static_cast<std::int64_t>(i) * 4 + picks[i]] = 5.0;
        SubNetwork subnet = fullSubNetwork(f.config);
        subnet.heads = {f.choices.head_int_list[0], f.choices.head_int_list[3]};
        subnet.mlp = {f.choices.mlp_int_list[2], f.choices.mlp_int_list[1]};
        RoutedWidths masked(f.config, f.routers, f.costs, {0.7, 0.9}, {}, /*fixed=*/true);
        SlicedWidths sliced(subnet);
        const at::Tensor a = trainingLogits(f.weights, f.ids, masked), b = trainingLogits(f.weights, f.ids, sliced);
        QVERIFY((a - b).abs().max().item<double>() < 1e-5);
        CostOptions options;
        options.context = f.config.max_position_embeddings;
        options.kv = KvRule::All;
        for (int i = 0; i < 2; ++i)
            QVERIFY(std::abs(masked.cost()[i].item<double>() - flopShare(subnet, f.config, options)) < 1e-6);
    }

    /// The meta device computes shapes only, and refuses to mix its tensors with the CPU's as a GPU does: what routers
    /// add to a pass, and its gradients, is where the model is.
    void routersWorkWhereTheModelIs_data()
    {
        QTest::addColumn<bool>("training");
        QTest::addColumn<bool>("fixed");
        QTest::newRow("dynamic") << true << false;
        QTest::newRow("static") << true << true;
        QTest::newRow("dynamic, validation") << false << false;
    }
    void routersWorkWhereTheModelIs()
    {
        QFETCH(bool, training);
        QFETCH(bool, fixed);
        Fixture f;
        f.routers.moveTo(at::kMeta);
        f.costs = f.costs.on(at::kMeta);
        for (const TrainedTensor& t : f.routers.trained(1, 1)) t.tensor.set_requires_grad(training);
        ChoiceDraw draw;
        draw.training = training;
        RoutedWidths widths(f.config, f.routers, f.costs, {0.7, 0.9}, draw, fixed);
        const at::Tensor x = at::zeros({2, 24, 32}, at::kMeta);
        at::Tensor loss = at::zeros({}, at::kMeta);
        for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
            const PassWidth width = widths.choose(0, block, x);
            QVERIFY(width.mask.is_meta());
            loss = loss + width.mask.mean();
        }
        loss = loss + widths.cost().mean() + widths.choiceMeans().mean();
        QVERIFY(loss.is_meta());
        if (!training) return;
        loss.backward();
        QVERIFY((fixed ? f.routers.fixed : f.routers.heads[0]).output.grad().is_meta());
    }

    /// A conversion that goes on takes a stage's folder that is there for finished.
    void aStageThatCannotBeWrittenWholeIsNotWritten()
    {
        const StageSource source = openStageSource(root() / "elastic", Device{}, {});
        Routers torn = Fixture{}.routers.exported();
        const fs::path out = root() / "torn";
        torn.heads.clear();
        bool failed = false;
        try {
            writeStageResult(out, source, StageReport{}, DType::Float32, &torn, 0, "{}\n");
        } catch (const Failure&) {
            failed = true;
        }
        QVERIFY(failed);
        QVERIFY(!fs::exists(out));
        writeStageResult(out, source, StageReport{}, DType::Float32, nullptr, 0, "{}\n");
        QCOMPARE(readFile(out / "metrics.jsonl").orThrow(), std::string("{}\n"));
    }

    /// The arithmetic of routers has one definition, routerLogits: the exported routers choose the same there.
    void exportedRoutersChooseTheSame()
    {
        Fixture f;
        for (const TrainedTensor& t : f.routers.trained(1, 1)) t.tensor.normal_(); // choices that differ between tokens
        const Routers exported = f.routers.exported();
        RoutedWidths routed(f.config, f.routers, f.costs, {0.7, 0.9}, {}, false);
        const at::Tensor x = at::randn({2, 24, 32});
        std::set<int> seen;
        for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
            const bool heads = block == SubBlock::Attention;
            const PassWidth width = routed.choose(0, block, x);
            for (int b = 0; b < 2; ++b)
                for (int t = 0; t < 24; ++t) {
                    std::vector<float> input(x[b][t].const_data_ptr<float>(), x[b][t].const_data_ptr<float>() + 32);
                    const auto code = targetCode(b == 0 ? 0.7 : 0.9, kStops);
                    input.insert(input.end(), code.begin(), code.end());
                    const int choice = argmax(routerLogits((heads ? exported.heads : exported.mlp)[0], input));
                    const auto& widths = heads ? f.choices.head_int_list : f.choices.mlp_int_list;
                    QCOMPARE(width.mask[b][t].sum().item<float>(),
                             static_cast<float>(widths[static_cast<std::size_t>(choice)]));
                    seen.insert(choice);
                }
        }
        QCOMPARE(seen.size(), 4u);
    }

    void choicesAreHardForwardsAndSoftBackwards()
    {
        Fixture f;
        setTrainable(f.weights, false);
        for (const TrainedTensor& t : f.routers.trained(1, 1)) t.tensor.set_requires_grad(true);
        ChoiceDraw draw;
        draw.training = true;
        draw.seed = 9;
        RoutedWidths routed(f.config, f.routers, f.costs, {0.7, 0.7}, draw, false);
        const at::Tensor loss = nextTokenLoss(trainingLogits(f.weights, f.ids, routed), f.ids);
        for (const at::Tensor& choice : routed.choices()) {
            QVERIFY(choice.sum(-1).sub(1).abs().max().item<double>() < 1e-5);
            QVERIFY(choice.min().item<double>() > -1e-6 && choice.amax(-1).min().item<double>() > 1 - 1e-5);
        }
        loss.backward();
        for (const TrainedTensor& t : f.routers.trainedDynamic(1)) {
            QVERIFY2(t.tensor.grad().defined(), t.name.c_str());
            if (t.name.ends_with("output_bias")) // every choice, the wider ones too
                QVERIFY2(t.tensor.grad().ne(0).all().item<bool>(), t.name.c_str());
        }
        QVERIFY(!f.routers.fixed.hidden.grad().defined()); // the static router had no part in it
        for (const at::Tensor& tensor : f.weights.parameters()) QVERIFY(!tensor.grad().defined()); // frozen
    }

    /// Costs are whatever adds up: milliseconds of a table as well as FLOPs.
    void aLatencyTableCanBeTheCost()
    {
        Fixture f;
        RouterOptions options;
        options.context = 100;
        LatencyTable table;
        table.mlp_widths = {0, 16, 64};
        table.head_counts = {0, 4};
        table.contexts = {100};
        table.fixed_ms = 2;
        table.mlp_ms = {0, 1, 3};
        table.attention_own_ms = {{0, 1}};
        table.attention_all_ms = {{0.5, 1.5}};
        options.latency = table;
        const CostShares costs = CostShares::of(f.config, f.choices, costFor(f.config, options));
        QVERIFY(std::abs(costs.fixed - (2 + 2 * 0.5) / (2 + 2 * (3 + 1.5))) < 1e-6); // 3 of 11 ms
        QVERIFY(std::abs(costs.heads[3].item<double>() - 1.0 / 11) < 1e-6);
        QVERIFY(std::abs(costs.mlp[0].item<double>() - 1.0 / 11) < 1e-6);
        QVERIFY(std::abs(costs.mlp[3].item<double>() - 3.0 / 11) < 1e-6);
        QVERIFY(std::abs(costs.floor(2) - (3 + 2 * (0.25 + 1)) / 11) < 1e-6);
    }

    /// With a surrogate masks carry no gradients: the model is read without a graph, the routers get theirs from their
    /// choices alone.
    void aSurrogateGetsTheChoicesOnly()
    {
        Fixture f;
        setTrainable(f.weights, false);
        for (const TrainedTensor& t : f.routers.trained(1, 1)) t.tensor.set_requires_grad(true);
        ChoiceDraw draw;
        draw.training = true;
        draw.through_model = false;
        for (const bool fixed : {false, true}) {
            RoutedWidths routed(f.config, f.routers, f.costs, {0.7, 0.7}, draw, fixed);
            QVERIFY(!nextTokenLoss(trainingLogits(f.weights, f.ids, routed), f.ids).requires_grad());
            const at::Tensor means = routed.choiceMeans(); // [2, layers * (4 + 4)]
            QCOMPARE(means.sizes().vec(), (std::vector<std::int64_t>{2, 16}));
            QVERIFY((means.view({2, 4, 4}).sum(-1) - 1).abs().max().item<double>() < 1e-5);
            const SurrogateFit fit(16, 8, 1e-2, 1);
            (fit.predict(means).mean() + routed.cost().mean()).backward();
            QCOMPARE(f.routers.fixed.output.grad().defined(), fixed);
            QVERIFY(f.routers.mlp[1].hidden.grad().defined()); // of the pass before, when fixed
            for (const auto& [name, tensor] : fit.state()) QVERIFY2(!tensor.grad().defined(), name.c_str());
        }
    }

    void theSurrogateLearnsWhatChoicesCost()
    {
        SurrogateFit fit(16, 32, 1e-2, 1);
        at::manual_seed(3);
        const at::Tensor truth = at::rand({16});
        const auto pairs = [&](std::int64_t n) {
            const at::Tensor means = at::one_hot(at::randint(4, {n, 4}, at::kLong), 4).to(at::kFloat).view({n, 16});
            return std::pair{means, at::matmul(means, truth)};
        };
        QCOMPARE(fit.error(), 1.0); // closed until something is known
        for (int i = 0; i < 60; ++i) {
            const auto [means, rises] = pairs(8);
            fit.observe(means, rises, rises + 2);
            fit.learn(16);
        }
        QVERIFY2(fit.error() < 0.02, std::to_string(fit.error()).c_str());
        const auto [means, rises] = pairs(50);
        QVERIFY((fit.predict(means) - rises).abs().max().item<double>() < 0.1);
        const RouterNetwork exported = fit.exported();
        const at::Tensor row = means[7].contiguous();
        const std::vector<float> input(row.const_data_ptr<float>(), row.const_data_ptr<float>() + 16);
        QVERIFY(std::abs(Surrogate{exported, 0, 0}.predictRise(input) - fit.predict(means)[7].item<double>()) < 1e-4);
    }

    void theShuffledControlKeepsWidthsAndCost()
    {
        Fixture f;
        for (const TrainedTensor& t : f.routers.trained(1, 1)) t.tensor.normal_();
        RoutedWidths routed(f.config, f.routers, f.costs, {0.7, 0.9}, {}, false);
        const at::Tensor a = trainingLogits(f.weights, f.ids, routed);
        ShuffledWidths shuffled(routed, f.choices, 1);
        const PassWidth first = shuffled.choose(0, SubBlock::Attention, {});
        const at::Tensor expected = routed.choices()[0].sum(at::IntArrayRef({0, 1})); // tokens by choice
        const at::Tensor widths = first.mask.sum(-1);
        for (int c = 0; c < 4; ++c)
            QCOMPARE(widths.eq(f.choices.head_int_list[static_cast<std::size_t>(c)]).sum().item<float>(),
                     expected[c].item<float>());
        QVERIFY(std::abs(shuffled.cost().mean().item<double>() - routed.cost().mean().item<double>()) < 1e-6);
        ShuffledWidths again(routed, f.choices, 1);
        QVERIFY(!at::allclose(trainingLogits(f.weights, f.ids, again), a));
    }

    void routersLearnTheirTargetsAndTheModelStays()
    {
        TrainOptions options = test::tinyOptions(root(), 300);
        const StageReport report =
            trainRouters(root() / "elastic", root() / "routed", options, tinyRouters()).orThrow();
        QVERIFY(readFile(root() / "routed/model.safetensors").orThrow() ==
                readFile(root() / "elastic/model.safetensors").orThrow());
        for (const char* widths : {"dynamic", "static"}) {
            for (const double target : {0.8, 0.6})
                QVERIFY2(std::abs(lossOf(report, widths, target).cost - target) < 0.1,
                         (widths + std::to_string(lossOf(report, widths, target).cost)).c_str());
            QVERIFY(lossOf(report, widths, 0.8).cost > lossOf(report, widths, 0.6).cost);
        }
        const ValidationLoss dynamic = lossOf(report, "dynamic", 0.6);
        QVERIFY(std::abs(lossOf(report, "dynamic, shuffled", 0.6).cost - dynamic.cost) < 1e-3);

        const auto checkpoint = Checkpoint::open(root() / "routed").orThrow();
        const auto routers =
            readRouters(root() / "routed/routers.safetensors", checkpoint->config(), checkpoint->choices()).orThrow();
        QVERIFY(routers->dynamic() && routers->fixed && routers->budget_list == kStops);
        QVERIFY(checkpoint->record().budget_list == kStops);
        const std::string metrics = readFile(root() / "routed/metrics.jsonl").orThrow();
        for (const char* key : {"\"target\"", "\"cost\"", "\"penalty\"", "\"temperature\"", "\"entropy\"",
                                "\"cost_expected\"", "\"heads_1_4\"", "\"mlp_0_64\"", "\"entropy_mlp_1\""})
            QVERIFY2(metrics.find(key) != std::string::npos, key);
    }

    void routersLearnThroughASurrogateWhileItsGateIsOpen()
    {
        TrainOptions options = test::tinyOptions(root(), 200);
        RouterOptions routers = tinyRouters();
        routers.gradient = RouterGradient::Surrogate;
        routers.surrogate_threshold = 1e-9; // never open
        trainRouters(root() / "elastic", root() / "closed", options, routers).orThrow();
        routers.surrogate_threshold = 0.05;
        const StageReport report = trainRouters(root() / "elastic", root() / "gated", options, routers).orThrow();

        const auto checkpoint = Checkpoint::open(root() / "gated").orThrow();
        const auto read = [&](const char* folder) {
            return readRouters(root() / folder / "routers.safetensors", checkpoint->config(), checkpoint->choices())
                .orThrow();
        };
        const auto untrained = newRouters(checkpoint->config(), checkpoint->choices(), kStops, 8,
                                          tinyRouters().widest_bias, options.seed)
                                   .exported();
        QVERIFY(read("closed")->mlp[0].output.weight == untrained.mlp[0].output.weight); // they rested
        QVERIFY(read("gated")->mlp[0].output.weight != untrained.mlp[0].output.weight);
        QVERIFY(read("gated")->surrogate.has_value());
        QVERIFY(readFile(root() / "gated/model.safetensors").orThrow() ==
                readFile(root() / "elastic/model.safetensors").orThrow());
        QVERIFY(lossOf(report, "dynamic", 0.8).cost > lossOf(report, "dynamic", 0.6).cost);
        QVERIFY2(std::abs(lossOf(report, "dynamic", 0.6).cost - 0.6) < 0.1,
                 std::to_string(lossOf(report, "dynamic", 0.6).cost).c_str());
        recordedChoicesComeToTheRecordedCost(*Checkpoint::open(root() / "gated").orThrow());
        const std::string metrics = readFile(root() / "gated/metrics.jsonl").orThrow();
        for (const char* key : {"\"surrogate_error\"", "\"surrogate_threshold\"", "\"gate_open\":1"})
            QVERIFY2(metrics.find(key) != std::string::npos, key);
        QVERIFY(readFile(root() / "closed/metrics.jsonl").orThrow().find("\"gate_open\":1") == std::string::npos);
    }

    void theSurrogateIsFittedToTheFinishedModel()
    {
        TrainOptions options = test::tinyOptions(root(), 1);
        SurrogateOptions surrogate;
        surrogate.sub_networks = 80;
        surrogate.held_out = 20;
        surrogate.static_rounds = 3;
        const StageReport report = fitSurrogate(root() / "routed", root() / "fitted", options, surrogate).orThrow();
        QCOMPARE(report.tokens, std::int64_t{8 * 32});
        const auto checkpoint = Checkpoint::open(root() / "fitted").orThrow();
        QCOMPARE(checkpoint->record().stages.back().name, std::string("surrogate"));
        // Those of the stage before, since the weights are the same; the static router's are its own new ones.
        const auto before = Checkpoint::open(root() / "routed").orThrow()->record().losses;
        const auto& losses = checkpoint->record().losses;
        QCOMPARE(losses.size(), before.size());
        double last = 0;
        for (const RecordedLoss& loss : losses) {
            const auto old = std::find_if(before.begin(), before.end(), [&](const RecordedLoss& other) {
                return other.routing == loss.routing && other.budget == loss.budget && other.text == loss.text;
            });
            QVERIFY(old != before.end());
            if (loss.routing != "static") QCOMPARE(loss.loss, old->loss);
            if (loss.routing != "static") continue;
            QVERIFY2(loss.cost <= loss.budget + 1e-9 && loss.cost > 0.9 * loss.budget,
                     std::to_string(loss.cost).c_str());
            QVERIFY(loss.loss >= last - 2 * loss.standard_error); // stops descend
            last = loss.loss;
        }
        QVERIFY(last > 0);
        const auto routers =
            readRouters(root() / "fitted/routers.safetensors", checkpoint->config(), checkpoint->choices()).orThrow();
        const Surrogate& fitted = routers->surrogate.value();
        QVERIFY2(fitted.relative_error < 0.1, std::to_string(fitted.relative_error).c_str());
        const auto rise = [&](const SubNetwork& subnet) {
            return fitted.predictRise(choiceMeans(subnet, checkpoint->choices()));
        };
        const ModelConfig& config = checkpoint->config();
        QVERIFY(rise(smallestSubNetwork(config, checkpoint->choices())) > rise(fullSubNetwork(config)) + 0.05);
        QVERIFY(readFile(root() / "fitted/model.safetensors").orThrow() ==
                readFile(root() / "routed/model.safetensors").orThrow());
    }

    void jointFinetuningTrainsBothAndKeepsTheFullModel()
    {
        TrainOptions options = test::tinyOptions(root(), 60);
        options.learning_rate = 2e-3;
        RouterOptions routers = tinyRouters();
        routers.temperature_start = 0.3;
        routers.router_rate = 3;
        const StageReport report = finetuneJointly(root() / "routed", root() / "joint", options, routers).orThrow();
        QVERIFY(readFile(root() / "joint/model.safetensors").orThrow() !=
                readFile(root() / "routed/model.safetensors").orThrow());
        QVERIFY(readFile(root() / "joint/routers.safetensors").orThrow() !=
                readFile(root() / "routed/routers.safetensors").orThrow());
        QVERIFY(lossOf(report, "full", 1).loss < 1.0);
        const auto checkpoint = Checkpoint::open(root() / "joint").orThrow();
        QCOMPARE(checkpoint->record().stages.size(), 3u);
        QCOMPARE(checkpoint->record().stages.back().name, std::string("joint"));
    }

    void anInterruptedStageGoesOnWithTheSameNumbers()
    {
        TrainOptions options = test::tinyOptions(root(), 12);
        trainRouters(root() / "elastic", root() / "whole", options, tinyRouters()).orThrow();
        CancelSource cancel;
        const auto stop = [&](const Progress& progress) {
            if (progress.done >= progress.total / 2) cancel.cancel();
        };
        const auto cut = trainRouters(root() / "elastic", root() / "parts", options, tinyRouters(), stop,
                                      cancel.token());
        QCOMPARE(cut.error().code, ErrorCode::Cancelled);
        options.resume = true;
        trainRouters(root() / "elastic", root() / "parts", options, tinyRouters()).orThrow();
        QVERIFY(readFile(root() / "parts/routers.safetensors").orThrow() ==
                readFile(root() / "whole/routers.safetensors").orThrow());
    }

    void stopsThatCannotBeAreRefused_data()
    {
        QTest::addColumn<QVector<double>>("stops");
        QTest::addColumn<QString>("message");
        QTest::newRow("not from 1") << QVector<double>{0.9, 0.5} << "must descend from 1";
        QTest::newRow("not descending") << QVector<double>{1, 0.6, 0.8} << "must descend from 1";
        QTest::newRow("below the floor") << QVector<double>{1, 0.1} << "the narrowest sub-network costs 0.";
    }
    void stopsThatCannotBeAreRefused()
    {
        QFETCH(QVector<double>, stops);
        QFETCH(QString, message);
        RouterOptions options = tinyRouters();
        options.budget_list.assign(stops.begin(), stops.end());
        const auto result = trainRouters(root() / "elastic", root() / "no", test::tinyOptions(root(), 2), options);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(QString::fromStdString(result.error().message).contains(message), result.error().message.c_str());
        QVERIFY(!fs::exists(root() / "no"));
    }
};

QTEST_GUILESS_MAIN(RouterTrainingTest)
#include "test_router_training.moc"
