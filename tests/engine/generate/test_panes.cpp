// Generation on real models: panes do not touch each other, and widening in mid-text is what it says.
#include <QTest>

#include <cmath>
#include <random>

#include "engine/evaluate/scoring.h"
#include "engine/generate/generation.h"

using namespace flextron;

namespace {

std::shared_ptr<const LoadedModel> load(const char* model)
{
    LoadOptions options;
    options.device.kind = DeviceRequest::Kind::Cpu;
    options.type = ComputeType::Float32;
    return std::make_shared<LoadedModel>(
        loadModel((std::filesystem::path(FLEXTRON_TEST_DATA) / model).string(), options).orThrow());
}

SubNetwork randomSubNetwork(const ModelConfig& config, std::mt19937_64& random)
{
    SubNetwork subnet = fullSubNetwork(config);
    for (int& width : subnet.mlp) width = static_cast<int>(random() % static_cast<std::uint64_t>(width + 1));
    for (std::size_t l = 0; l < subnet.heads.size(); ++l)
        subnet.heads[l] = config.headsPerGroup() *
                          static_cast<int>(random() %
                                           static_cast<std::uint64_t>(config.layers[l].num_key_value_heads + 1));
    return subnet;
}

WidthPlan staticPlan(SubNetwork subnet)
{
    return {std::move(subnet), nullptr, 1.0, nullptr};
}

WidthPlan share(const LoadedModel& model, double part)
{
    const LayerSizes full = model.config().maxSizes();
    const int groups = std::max(1, static_cast<int>(full.num_key_value_heads * part));
    return staticPlan(uniformSubNetwork(model.config(), static_cast<int>(full.intermediate_size * part),
                                        groups * model.config().headsPerGroup()));
}

GenerationSettings settings(int max_tokens, double temperature)
{
    GenerationSettings result;
    result.max_tokens = max_tokens;
    result.stop_at_eos = false;
    result.sampler.temperature = temperature;
    return result;
}

std::unique_ptr<Generation> start(const std::shared_ptr<const LoadedModel>& model, const std::vector<TokenId>& prompt,
                                  const std::vector<WidthPlan>& plans, const GenerationSettings& with)
{
    std::vector<PaneSpec> panes;
    for (const WidthPlan& plan : plans) panes.push_back({"", plan, Routing::Uniform});
    return Generation::start(model, prompt, panes, with).orThrow();
}

void finish(Generation& generation)
{
    while (!generation.finished()) (void)generation.step().orThrow();
}

const char* const kPrompt = "Once upon a time, there was";

} // namespace

class TestPanes final : public QObject {
    Q_OBJECT

    static void models()
    {
        QTest::addColumn<QString>("name");
        QTest::newRow("llama") << "stories260k-llama";
        QTest::newRow("gpt2") << "stories-gpt2";
    }

private slots:
    void panesTogetherAreEachAloneBitForBit_data() { models(); }
    void panesTogetherAreEachAloneBitForBit()
    {
        QFETCH(QString, name);
        const auto model = load(name.toUtf8());
        const auto prompt = model->tokenizer->encode(kPrompt).orThrow();
        std::mt19937_64 random(5);
        std::vector<WidthPlan> plans{staticPlan(fullSubNetwork(model->config()))};
        for (int i = 0; i < 2; ++i) plans.push_back(staticPlan(randomSubNetwork(model->config(), random)));
        const auto routers = std::make_shared<Routers>(
            randomRouters(model->config(), model->checkpoint->choices(), {1.0, 0.7, 0.5}, 8, 3));
        plans.push_back({fullSubNetwork(model->config()), routers, 0.6, nullptr});
        const auto together = start(model, prompt, plans, settings(20, 0.8));
        finish(*together);
        for (std::size_t pane = 0; pane < plans.size(); ++pane) {
            const auto alone = start(model, prompt, {plans[pane]}, settings(20, 0.8));
            finish(*alone);
            const Trace& a = together->trace(static_cast<int>(pane));
            const Trace& b = alone->trace(0);
            QCOMPARE(a.ids(), b.ids());
            for (std::size_t t = 1; t < a.records.size(); ++t) {
                QVERIFY(a.records[t].logprob == b.records[t].logprob); // to the last bit
                QCOMPARE(a.records[t].mlp, b.records[t].mlp);
                QVERIFY(a.records[t].mlp_probabilities == b.records[t].mlp_probabilities);
            }
        }
    }

    void theSameSubNetworkTwiceWritesTheSameText_data() { models(); }
    void theSameSubNetworkTwiceWritesTheSameText()
    {
        QFETCH(QString, name);
        const auto model = load(name.toUtf8());
        const auto run = start(model, model->tokenizer->encode(kPrompt).orThrow(),
                               {share(*model, 0.5), share(*model, 0.5), share(*model, 1.0)}, settings(40, 0.8));
        finish(*run);
        QCOMPARE(run->text(0), run->text(1));
        QCOMPARE(firstDivergence(run->trace(0), run->trace(1)), -1);
        QVERIFY(firstDivergence(run->trace(0), run->trace(2)) >= 0);
    }

    // Under K/V of all groups a token's widths are its own affair: the text read in one go, with each token's widths
    // forced, says the same.
    void wideningWithAllKeysEqualsOnePrefill_data() { models(); }
    void wideningWithAllKeysEqualsOnePrefill()
    {
        QFETCH(QString, name);
        const auto model = load(name.toUtf8());
        const auto run = start(model, model->tokenizer->encode(kPrompt).orThrow(), {share(*model, 0.5)},
                               settings(16, 0.0));
        for (int i = 0; i < 8; ++i) (void)run->step().orThrow();
        const WidthPlan full = staticPlan(fullSubNetwork(model->config()));
        QVERIFY(run->setPlan(0, full).ok());
        finish(*run);
        const Trace& trace = run->trace(0);
        auto overrides = std::make_shared<Overrides>();
        for (const TokenRecord& record : trace.records)
            for (int l = 0; l < model->config().numLayers(); ++l) {
                overrides->add({record.position, l, SubBlock::Mlp, record.mlp[static_cast<std::size_t>(l)]});
                overrides->add({record.position, l, SubBlock::Attention, record.heads[static_cast<std::size_t>(l)]});
            }
        QVERIFY(trace.records.front().mlp != trace.records.back().mlp);
        WidthPlan forced = full;
        forced.overrides = overrides;
        const auto prefill = start(model, trace.ids(), {forced}, settings(0, 0.0));
        finish(*prefill);
        for (std::size_t t = 1; t < trace.records.size(); ++t)
            QVERIFY(std::abs(trace.records[t].logprob - prefill->trace(0).records[t].logprob) < 1e-4f);
    }

    // The full model reads along with each pane: the pane's text stays what it is, and what comes out is what reading
    // that text once more, teacher-forced, would say.
    void shadowsSayWhatReadingTheTextAgainWould_data() { models(); }
    void shadowsSayWhatReadingTheTextAgainWould()
    {
        QFETCH(QString, name);
        const auto model = load(name.toUtf8());
        const auto prompt = model->tokenizer->encode(kPrompt).orThrow();
        const std::vector<WidthPlan> plans{share(*model, 1.0), share(*model, 0.75), share(*model, 0.5)};
        GenerationSettings with = settings(24, 0.8);
        const auto plain = start(model, prompt, plans, with);
        finish(*plain);
        with.shadow = true;
        const auto run = start(model, prompt, plans, with);
        std::vector<int> compared(plans.size());
        while (!run->finished())
            for (const PaneEvent& event : run->step().orThrow()) {
                QCOMPARE(event.compared, event.predicted);
                compared[static_cast<std::size_t>(event.pane)] += event.compared ? 1 : 0;
            }
        QVERIFY(run->kvBytes() > plain->kvBytes());
        for (int pane = 0; pane < 3; ++pane) {
            QCOMPARE(run->trace(pane).ids(), plain->trace(pane).ids());
            const Agreement live = run->agreement(pane);
            const Agreement later = compareOnText(*model, run->trace(pane).ids(), static_cast<int>(prompt.size()),
                                                  plans[0], plans[static_cast<std::size_t>(pane)])
                                        .orThrow();
            QCOMPARE(live.tokens, std::int64_t(24));
            QCOMPARE(compared[static_cast<std::size_t>(pane)], 24);
            QCOMPARE(later.tokens, live.tokens);
            QVERIFY(std::abs(live.agreement - later.agreement) < 1e-9);
            QVERIFY(std::abs(live.kl_to_full - later.kl_to_full) < 1e-4);
            QVERIFY(std::abs(live.kl_stderr - later.kl_stderr) < 1e-4);
            QVERIFY(run->timing(pane).shadow_ms > 0);
            QCOMPARE(plain->timing(pane).shadow_ms, 0.0);
            QCOMPARE(plain->agreement(pane).tokens, std::int64_t(0));
        }
        QCOMPARE(run->agreement(0).agreement, 1.0);
        QVERIFY(run->agreement(0).kl_to_full < 1e-6);
        QVERIFY(run->agreement(2).kl_to_full > 0.01);
    }

    // A pane that reads its text anew has a shadow that need not.
    void shadowsOutliveARecomputedPrefix()
    {
        const auto model = load("stories260k-llama");
        GenerationSettings with = settings(16, 0.0);
        with.kv = KvPolicy::Recompute;
        with.shadow = true;
        const auto run = start(model, model->tokenizer->encode(kPrompt).orThrow(), {share(*model, 0.5)}, with);
        for (int i = 0; i < 6; ++i) (void)run->step().orThrow();
        QVERIFY(run->setPlan(0, share(*model, 1.0)).ok());
        finish(*run);
        QCOMPARE(run->agreement(0).tokens, std::int64_t(16));
    }

    void wideningWithOwnKeysIsRefused_data() { models(); }
    void wideningWithOwnKeysIsRefused()
    {
        QFETCH(QString, name);
        const auto model = load(name.toUtf8());
        GenerationSettings with = settings(8, 0.0);
        with.kv = KvPolicy::Own;
        const auto run = start(model, model->tokenizer->encode(kPrompt).orThrow(), {share(*model, 0.5)}, with);
        (void)run->step().orThrow();
        const auto refused = run->setPlan(0, staticPlan(fullSubNetwork(model->config())));
        QCOMPARE(refused.error().code, ErrorCode::InvalidArgument);
        QVERIFY(refused.error().message.find("keys and values are kept for") != std::string::npos);
        finish(*run);
    }

    void wideningWithRecomputeEqualsAFreshRun_data() { models(); }
    void wideningWithRecomputeEqualsAFreshRun()
    {
        QFETCH(QString, name);
        const auto model = load(name.toUtf8());
        GenerationSettings with = settings(16, 0.0);
        with.kv = KvPolicy::Recompute;
        const auto run = start(model, model->tokenizer->encode(kPrompt).orThrow(), {share(*model, 0.5)}, with);
        for (int i = 0; i < 6; ++i) (void)run->step().orThrow();
        const auto prefix = run->trace(0).ids();
        const WidthPlan full = staticPlan(fullSubNetwork(model->config()));
        QVERIFY(run->setPlan(0, full).ok());
        finish(*run);
        const auto fresh = start(model, prefix, {full},
                                 settings(static_cast<int>(run->trace(0).records.size() - prefix.size()), 0.0));
        finish(*fresh);
        QCOMPARE(run->trace(0).ids(), fresh->trace(0).ids());
        for (std::size_t t = 0; t < prefix.size(); ++t)
            QCOMPARE(run->trace(0).records[t].mlp, fresh->trace(0).records[t].mlp);
        for (std::size_t t = prefix.size(); t < run->trace(0).records.size(); ++t)
            QVERIFY(std::abs(run->trace(0).records[t].logprob - fresh->trace(0).records[t].logprob) < 1e-4f);
    }
};

QTEST_APPLESS_MAIN(TestPanes)
#include "test_panes.moc"
