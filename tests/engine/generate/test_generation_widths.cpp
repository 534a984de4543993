// Widths that change in mid-text: overrides, dynamic routing, and what becomes of the keys and values.
#include <QTest>

#include <cmath>
#include <functional>
#include <set>

#include "tests/engine/generate/generation_fixture.h"

using namespace flextron;
using namespace flextron::test;

class TestGenerationWidths final : public GenerationFixture {
    Q_OBJECT

private slots:
    void init() { makeModel(); }

    void overridesAreHonouredInPromptAndText()
    {
        const Run run = runOf(
            {withOverrides(plan(32, 4), {{2, 1, SubBlock::Mlp, 64}, {7, Override::kAll, SubBlock::Attention, 0}})},
            settings(6));
        const Trace& trace = run.generation->trace(0);
        QCOMPARE(trace.records[2].mlp, (std::vector<std::int32_t>{32, 64, 32}));
        QCOMPARE(trace.records[3].mlp, (std::vector<std::int32_t>{32, 32, 32}));
        QCOMPARE(trace.records[7].heads, (std::vector<std::int32_t>{0, 0, 0}));
        QVERIFY(has(trace.overrides, "\"width\":64"));
    }

    void dynamicRoutingIsRecorded()
    {
        const WidthPlan dynamic = dynamicPlan(0.6);
        const Run run = runOf({dynamic}, settings(30));
        const Trace& trace = run.generation->trace(0);
        QCOMPARE(trace.routing, std::string("dynamic"));
        QCOMPARE(trace.budget, 0.6);
        std::set<std::vector<std::int32_t>> seen;
        for (const TokenRecord& record : trace.records) {
            seen.insert(record.mlp);
            QCOMPARE(record.mlp_probabilities.size(), 3 * trace.choices.mlp_int_list.size());
            for (std::size_t l = 0; l < 3; ++l) {
                const auto from = record.mlp_probabilities.begin() +
                                  static_cast<std::ptrdiff_t>(l * trace.choices.mlp_int_list.size());
                const std::vector<float> shares(from,
                                                from + static_cast<std::ptrdiff_t>(trace.choices.mlp_int_list.size()));
                QCOMPARE(record.mlp[l], trace.choices.mlp_int_list[static_cast<std::size_t>(argmax(shares))]);
            }
        }
        QVERIFY(seen.size() > 3); // tokens differ
    }

    void wideningWithAllKeysIsOnlyAnotherWidth()
    {
        GenerationSettings with = settings(12);
        with.kv = KvPolicy::All;
        Run run = start({plan(32, 4)}, with);
        for (int i = 0; i < 6; ++i) run.step();
        const auto read = run.generation->trace(0).records.size() - 1; // the last one is not read yet
        QVERIFY(run.generation->setPlan(0, plan(64, 8)).ok());
        run.finish();
        const Trace& trace = run.generation->trace(0);
        for (std::size_t t = 0; t < trace.records.size(); ++t) QCOMPARE(trace.records[t].mlp[0], t < read ? 32 : 64);
        QCOMPARE(trace.subnet, std::string("mlp 64*3; heads 8*3"));
        // The same as one run whose overrides say so token by token.
        std::vector<Override> entries;
        for (std::size_t t = 0; t < read; ++t) {
            entries.push_back({static_cast<int>(t), Override::kAll, SubBlock::Mlp, 32});
            entries.push_back({static_cast<int>(t), Override::kAll, SubBlock::Attention, 4});
        }
        const Run forced = runOf({withOverrides(plan(64, 8), entries)}, with);
        compareRecords(trace, forced.generation->trace(0));
    }

    void wideningWithOwnKeysIsRefused()
    {
        GenerationSettings with = settings(12);
        with.kv = KvPolicy::Own;
        Run run = start({plan(32, 4)}, with);
        for (int i = 0; i < 4; ++i) run.step();
        const auto refused = run.generation->setPlan(0, plan(64, 8));
        QCOMPARE(refused.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(has(refused.error().message,
                     "layer 0 would use 8 heads, but this text's keys and values are kept for 4 only"),
                 refused.error().message.c_str());
        QVERIFY(has(refused.error().hint, "recompute"));
        // A wider MLP, fewer heads and the first heads again need no other keys.
        QVERIFY(run.generation->setPlan(0, plan(64, 4)).ok());
        QVERIFY(run.generation->setPlan(0, plan(64, 2)).ok());
        QVERIFY(run.generation->setPlan(0, plan(32, 4)).ok());
        run.finish();
        QVERIFY(run.generation->kvBytes() < runOf({plan(64, 8)}, with).generation->kvBytes());
        QCOMPARE(run.generation->trace(0).subnet, std::string("mlp 32*3; heads 4*3"));
    }

    void wideningWithRecomputeReadsThePrefixAgain()
    {
        GenerationSettings with = settings(12);
        with.kv = KvPolicy::Recompute;
        with.prefill_chunk = 4;
        Run run = start({plan(32, 4)}, with);
        for (int i = 0; i < 6; ++i) run.step();
        const std::vector<TokenId> prefix = run.generation->trace(0).ids();
        const float logprob = run.generation->trace(0).records[3].logprob;
        QVERIFY(run.generation->setPlan(0, plan(64, 8)).ok());
        run.step();
        QCOMPARE(run.events.back()[0].read_from, 0);
        QCOMPARE(run.events.back()[0].read_to, 4);
        run.finish();
        const Trace& trace = run.generation->trace(0);
        QCOMPARE(trace.records[3].logprob, logprob); // it was predicted then
        // The rest is what a fresh run at the new widths writes after the same tokens.
        GenerationSettings rest = settings(static_cast<int>(kPrompt.size() + 12 - prefix.size()));
        const Run fresh = runOf({plan(64, 8)}, rest, prefix);
        QCOMPARE(fresh.generation->trace(0).ids(), trace.ids());
        for (std::size_t t = 0; t < trace.records.size(); ++t) {
            QCOMPARE(trace.records[t].mlp, fresh.generation->trace(0).records[t].mlp);
            if (t >= prefix.size()) QCOMPARE(trace.records[t].logprob, fresh.generation->trace(0).records[t].logprob);
        }
        // Narrowing needs nothing read again.
        Run narrower = start({plan(64, 8)}, with);
        for (int i = 0; i < 6; ++i) narrower.step();
        QVERIFY(narrower.generation->setPlan(0, plan(32, 4)).ok());
        narrower.step();
        QVERIFY(narrower.events.back()[0].read_from > 0);
    }

    void kvPolicyNames()
    {
        QVERIFY(*parseKvPolicy("own") == KvPolicy::Own && *parseKvPolicy("all") == KvPolicy::All &&
                *parseKvPolicy("recompute") == KvPolicy::Recompute);
        QVERIFY(has(parseKvPolicy("some").error().hint, "own, all or recompute"));
    }
};

QTEST_APPLESS_MAIN(TestGenerationWidths)
#include "test_generation_widths.moc"
