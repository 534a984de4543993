// Elastic continued training: which sub-networks a step takes, and what the family learns.
#include <ATen/ATen.h>

#include <QTemporaryDir>
#include <QtTest>
#include <algorithm>
#include <set>

#include "engine/base/files.h"
#include "engine/training/elastic_training.h"
#include "tiny_base.h"

using namespace flextron;
namespace fs = std::filesystem;

namespace {

ValidationLoss lossOf(const StageReport& report, const std::string& widths)
{
    for (const ValidationLoss& loss : report.validation)
        if (loss.widths == widths) return loss;
    throw std::runtime_error("no validation of " + widths);
}

} // namespace

class ElasticTrainingTest : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    fs::path root() const { return folder_.path().toStdString(); }

private slots:
    void initTestCase() { test::trainTinyBase(root()); }

    void aStepTakesTheFullTheSmallestAndRandomOnes()
    {
        const ModelConfig config = test::tinyConfig(false);
        const ChoiceSets choices = defaultChoiceSets(config);
        std::set<SubNetwork> uniform, heterogeneous;
        for (int step = 0; step < 200; ++step) {
            const auto subnets = sandwich(config, choices, 6, 7, step);
            QCOMPARE(subnets.size(), 6u);
            QVERIFY(subnets[0] == fullSubNetwork(config));
            QVERIFY(subnets[1] == smallestSubNetwork(config, choices));
            for (const SubNetwork& subnet : subnets) {
                QVERIFY(validateSubNetwork(subnet, config).ok());
                for (const int width : subnet.mlp) QVERIFY(std::ranges::count(choices.mlp_int_list, width) == 1);
                for (const int width : subnet.heads) QVERIFY(std::ranges::count(choices.head_int_list, width) == 1);
            }
            for (const std::size_t i : {2u, 4u}) {
                QVERIFY(subnets[i] == uniformSubNetwork(config, subnets[i].mlp[0], subnets[i].heads[0]));
                uniform.insert(subnets[i]);
            }
            heterogeneous.insert(subnets[3]);
            QVERIFY(sandwich(config, choices, 6, 7, step) == subnets); // of seed and step alone
        }
        QCOMPARE(uniform.size(), choices.mlp_int_list.size() - 2); // the ends are in every step already
        QVERIFY(heterogeneous.size() > 100);
        QVERIFY(sandwich(config, choices, 4, 7, 1) != sandwich(config, choices, 4, 8, 1));
        QCOMPARE(sandwich(config, choices, 1, 7, 1).size(), 1u);
    }

    void randomOnesAreDrawnInOneWayOnly()
    {
        const ModelConfig config = test::tinyConfig(false);
        const ChoiceSets choices = defaultChoiceSets(config);
        const auto same = [&](const SubNetwork& subnet) {
            return subnet == uniformSubNetwork(config, subnet.mlp[0], subnet.heads[0]);
        };
        int heterogeneous = 0;
        for (int step = 0; step < 50; ++step) {
            for (const SubNetwork& subnet : sandwich(config, choices, 6, 7, step, ElasticSampling::Uniform))
                QVERIFY(same(subnet));
            const auto drawn = sandwich(config, choices, 6, 7, step, ElasticSampling::PerLayer);
            QVERIFY(drawn[0] == fullSubNetwork(config) && drawn[1] == smallestSubNetwork(config, choices));
            for (const std::size_t i : {2u, 3u, 4u, 5u}) heterogeneous += same(drawn[i]) ? 0 : 1;
        }
        QVERIFY2(heterogeneous > 150, qPrintable(QString::number(heterogeneous)));
    }

    void subNetworksLearnAndTheFullOneStays()
    {
        TrainOptions options = test::tinyOptions(root(), 40);
        ElasticOptions none;
        options.learning_rate = 1e-9; // what the base's sub-networks are worth
        const StageReport before = trainElastic(root() / "base", root() / "before", options, none).orThrow();
        options.learning_rate = 5e-3;
        ElasticOptions elastic;
        elastic.distill = 0.5;
        elastic.base_training_tokens = 123456;
        const StageReport after = trainElastic(root() / "base", root() / "elastic", options, elastic).orThrow();

        QVERIFY(lossOf(after, "smallest").loss < lossOf(before, "smallest").loss - 0.5);
        QVERIFY(lossOf(after, "uniform").loss < lossOf(before, "uniform").loss - 0.1);
        QVERIFY(lossOf(after, "full").loss < lossOf(before, "full").loss + 0.05);
        QCOMPARE(lossOf(after, "full").cost, 1.0);
        QVERIFY(lossOf(after, "smallest").cost < lossOf(after, "uniform").cost);

        const auto checkpoint = Checkpoint::open(root() / "elastic").orThrow();
        QVERIFY(checkpoint->elastic());
        QCOMPARE(checkpoint->record().stages.back().name, std::string("elastic"));
        QCOMPARE(checkpoint->record().stages.back().tokens, after.tokens);
        QCOMPARE(checkpoint->record().base_training_tokens, std::int64_t{123456});
        const std::string metrics = readFile(root() / "elastic/metrics.jsonl").orThrow();
        for (const char* key : {"\"loss_full\"", "\"loss_smallest\"", "\"loss_random_1\"", "\"loss_random_2\"",
                                "\"divergence\"", "\"validation\""})
            QVERIFY2(metrics.find(key) != std::string::npos, key);
    }

    void theFrozenBaseCanTeachAndTheFullModelCanWeighMore()
    {
        TrainOptions options = test::tinyOptions(root(), 10);
        ElasticOptions elastic;
        elastic.full_share = 0.4;
        elastic.distill_base = 2;
        trainElastic(root() / "base", root() / "taught", options, elastic).orThrow();
        const std::string metrics = readFile(root() / "taught/metrics.jsonl").orThrow();
        QVERIFY(metrics.find("\"divergence_base\"") != std::string::npos);
        elastic.base = root() / "nowhere";
        QCOMPARE(trainElastic(root() / "base", root() / "no", options, elastic).error().code, ErrorCode::NotFound);
        elastic.full_share = 1;
        QCOMPARE(trainElastic(root() / "base", root() / "no", options, elastic).error().code,
                 ErrorCode::InvalidArgument);
    }

    /// Training FLOPs are those of the slices, not of full passes.
    void theRecordCountsTheFlopsOfTheSlices()
    {
        TrainOptions options = test::tinyOptions(root(), 2);
        ElasticOptions elastic;
        elastic.sub_networks = 1;
        const auto full = trainElastic(root() / "base", root() / "one", options, elastic).orThrow();
        elastic.sub_networks = 2;
        const auto both = trainElastic(root() / "base", root() / "two", options, elastic).orThrow();
        QVERIFY(both.training_flops > 1.1 * full.training_flops && both.training_flops < 1.8 * full.training_flops);
        QCOMPARE(both.tokens, full.tokens); // a token counts once, however many sub-networks it goes through
    }

    void anInterruptedStageGoesOnWithTheSameNumbers()
    {
        TrainOptions options = test::tinyOptions(root(), 12);
        trainElastic(root() / "base", root() / "whole", options, {}).orThrow();
        CancelSource cancel;
        const auto stop = [&](const Progress& progress) {
            if (progress.done >= progress.total / 2) cancel.cancel();
        };
        QCOMPARE(trainElastic(root() / "base", root() / "parts", options, {}, stop, cancel.token()).error().code,
                 ErrorCode::Cancelled);
        options.resume = true;
        trainElastic(root() / "base", root() / "parts", options, {}).orThrow();
        QVERIFY(readFile(root() / "parts/model.safetensors").orThrow() ==
                readFile(root() / "whole/model.safetensors").orThrow());
    }
};

QTEST_GUILESS_MAIN(ElasticTrainingTest)
#include "test_elastic_training.moc"
