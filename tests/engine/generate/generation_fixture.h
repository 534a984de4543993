// Generations on a backend without a model, for the tests of the loop that writes text.
#pragma once

#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/generate/generation.h"
#include "tests/engine/support/fake_backend.h"

namespace flextron::test {

inline bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

inline TokenId idOf(const char* piece)
{
    const auto pieces = fakePieces();
    return static_cast<TokenId>(std::find(pieces.begin(), pieces.end(), piece) - pieces.begin());
}

inline GenerationSettings settings(int max_tokens)
{
    GenerationSettings result;
    result.max_tokens = max_tokens;
    result.stop_at_eos = false;
    return result;
}

inline WidthPlan plan(int mlp, int heads)
{
    return {uniformSubNetwork(fakeConfig(), mlp, heads), nullptr, 1.0, nullptr};
}

inline WidthPlan dynamicPlan(double budget)
{
    const ModelConfig config = fakeConfig();
    const auto routers = std::make_shared<Routers>(
        randomRouters(config, defaultChoiceSets(config), {1.0, 0.75, 0.5}, 8, 4));
    return {uniformSubNetwork(config, 32, 4), routers, budget, nullptr};
}

inline WidthPlan withOverrides(WidthPlan base, const std::vector<Override>& entries)
{
    auto overrides = std::make_shared<Overrides>();
    for (const Override& entry : entries) overrides->add(entry);
    base.overrides = overrides;
    return base;
}

inline const std::vector<TokenId> kPrompt{1, 7, 9, 12, 5};

/// A generation and everything it said.
struct Run {
    std::unique_ptr<Generation> generation;
    std::vector<std::string> streamed;
    std::vector<std::vector<PaneEvent>> events;

    void step()
    {
        auto result = generation->step().orThrow();
        for (const PaneEvent& event : result) streamed[static_cast<std::size_t>(event.pane)] += event.text;
        events.push_back(std::move(result));
    }
    void finish()
    {
        while (!generation->finished()) step();
    }
};

class GenerationFixture : public QObject {
protected:
    [[nodiscard]] Run start(std::vector<WidthPlan> plans, GenerationSettings with,
                            std::vector<TokenId> prompt = kPrompt) const
    {
        std::vector<PaneSpec> panes;
        for (WidthPlan& each : plans)
            panes.push_back({"pane " + std::to_string(panes.size()), std::move(each), Routing::Uniform});
        Run run;
        run.streamed.resize(panes.size());
        run.generation = Generation::start(fake_.model, std::move(prompt), std::move(panes), std::move(with)).orThrow();
        return run;
    }
    [[nodiscard]] Run runOf(std::vector<WidthPlan> plans, GenerationSettings with,
                            std::vector<TokenId> prompt = kPrompt) const
    {
        Run run = start(std::move(plans), std::move(with), std::move(prompt));
        run.finish();
        return run;
    }
    [[nodiscard]] Error refusal(std::vector<TokenId> prompt, GenerationSettings with,
                                std::vector<WidthPlan> plans) const
    {
        std::vector<PaneSpec> panes;
        for (WidthPlan& each : plans) panes.push_back({"", std::move(each), Routing::Uniform});
        return Generation::start(fake_.model, std::move(prompt), std::move(panes), std::move(with)).error();
    }

    /// Everything but times.
    static void compareRecords(const Trace& a, const Trace& b)
    {
        QCOMPARE(a.ids(), b.ids());
        for (std::size_t t = 0; t < a.records.size(); ++t) {
            const TokenRecord& x = a.records[t];
            const TokenRecord& y = b.records[t];
            QVERIFY(x.logprob == y.logprob || (std::isnan(x.logprob) && std::isnan(y.logprob)));
            QCOMPARE(x.rank, y.rank);
            QCOMPARE(x.heads, y.heads);
            QCOMPARE(x.mlp, y.mlp);
            QCOMPARE(x.mlp_probabilities, y.mlp_probabilities);
            QCOMPARE(x.read, y.read);
        }
    }

    /// A model of its own for each test function.
    void makeModel()
    {
        fake_ = fakeModel(std::filesystem::path(folder_.path().toStdString()) / QTest::currentTestFunction() /
                          std::to_string(++models_));
    }

    FakeModel fake_;

private:
    QTemporaryDir folder_;
    int models_ = 0;
};

} // namespace flextron::test
