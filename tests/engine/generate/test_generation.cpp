// The loop that writes text, on a backend without a model: what is read when, where a text ends, and what a record
// says.
#include <QTest>

#include <cmath>
#include <functional>
#include <set>

#include "tests/engine/generate/generation_fixture.h"

using namespace flextron;
using namespace flextron::test;

class TestGeneration final : public GenerationFixture {
    Q_OBJECT

private slots:
    void init() { makeModel(); }

    void recordsAreCompleteAndOfBothMoments()
    {
        Run run = runOf({plan(48, 6)}, settings(10));
        const Trace& trace = run.generation->trace(0);
        QCOMPARE(trace.records.size(), kPrompt.size() + 10);
        QCOMPARE(trace.stop_reason, std::string("max_tokens"));
        for (std::size_t t = 0; t < trace.records.size(); ++t) {
            const TokenRecord& record = trace.records[t];
            QCOMPARE(record.position, static_cast<int>(t));
            QCOMPARE(record.given, t < kPrompt.size());
            QVERIFY(record.read); // the last one too
            QCOMPARE(record.mlp, (std::vector<std::int32_t>(3, 48)));
            QCOMPARE(record.heads, (std::vector<std::int32_t>(3, 6)));
            QCOMPARE(record.layer_ns.size(), std::size_t(3));
            QVERIFY(record.ns > 0);
            QCOMPARE(record.bytes, record.id < 3 ? std::string() : fakePieces()[static_cast<std::size_t>(record.id)]);
            QCOMPARE(record.top.size(), t == 0 ? std::size_t(0) : std::size_t(8));
            QCOMPARE(std::isnan(record.logprob), t == 0);
            QCOMPARE(record.rank >= 0, t > 0);
        }
        QCOMPARE(trace.ids()[2], kPrompt[2]);
        QCOMPARE(trace.label, std::string("pane 0"));
        QCOMPARE(trace.subnet, std::string("mlp 48*3; heads 6*3"));
        QCOMPARE(trace.routing, std::string("uniform"));
        QCOMPARE(trace.layers, 3);
        QCOMPARE(trace.full_mlp, 64);
        QCOMPARE(trace.full_heads, 8);
    }

    // Greedy text by asking the backend one prefix at a time, with a fresh cache for each.

    void textIsWhatTheBackendSays()
    {
        const WidthPlan half = plan(32, 4);
        const Run run = runOf({half}, settings(12));
        std::vector<TokenId> ids = kPrompt;
        while (ids.size() < kPrompt.size() + 12) {
            const auto cache = fake_.backend->newCache(96, {8, 8, 8}).orThrow();
            const StepInput input{cache.get(), ids, &half, LogitsWanted::Last};
            StepOutput output;
            QVERIFY(fake_.backend->step({&input, 1}, {&output, 1}, {}).ok());
            const TokenRecord& record = run.generation->trace(0).records[ids.size()];
            const Sampled expected = sample(output.logits, ids, static_cast<int>(ids.size()), {});
            QCOMPARE(record.id, expected.id);
            QCOMPARE(record.logprob, expected.logprob);
            ids.push_back(expected.id);
        }
        QCOMPARE(run.generation->trace(0).ids(), ids);
        std::string text;
        for (std::size_t t = kPrompt.size(); t < ids.size(); ++t)
            text += fakePieces()[static_cast<std::size_t>(ids[t])];
        if (findInvalidUtf8(text) == std::string::npos && text.find('<') == std::string::npos)
            QCOMPARE(run.generation->text(0), text);
        QCOMPARE(run.streamed[0], run.generation->text(0));
    }

    void chunksOfThePromptDoNotMatter()
    {
        std::vector<TokenId> prompt;
        for (int i = 0; i < 30; ++i) prompt.push_back(3 + i % 30);
        GenerationSettings whole = settings(5);
        whole.prefill_chunk = 64;
        const Run reference = runOf({plan(32, 4), dynamicPlan(0.7)}, whole, prompt);
        for (const int chunk : {1, 7, 30}) {
            GenerationSettings cut = settings(5);
            cut.prefill_chunk = chunk;
            const Run run = runOf({plan(32, 4), dynamicPlan(0.7)}, cut, prompt);
            for (int pane = 0; pane < 2; ++pane)
                compareRecords(run.generation->trace(pane), reference.generation->trace(pane));
        }
    }

    void eventsSayWhatChanged()
    {
        GenerationSettings with = settings(2);
        with.prefill_chunk = 3;
        Run run = runOf({plan(64, 8)}, with);
        QCOMPARE(run.events.size(), std::size_t(4)); // two chunks, the first new token, the second
        const auto& event = [&](std::size_t i) -> const PaneEvent& { return run.events[i][0]; };
        QCOMPARE(event(0).read_from, 0);
        QCOMPARE(event(0).read_to, 3);
        QVERIFY(!event(0).predicted);
        QCOMPARE(event(1).read_to, 5);
        QVERIFY(event(1).predicted && !event(1).finished);
        QCOMPARE(event(2).read_from, 5);
        QVERIFY(event(2).predicted && !event(2).finished);
        QCOMPARE(event(3).read_from, 6);
        QCOMPARE(event(3).read_to, 7);
        QVERIFY(!event(3).predicted && event(3).finished);
        QVERIFY(run.generation->step()->empty()); // nothing is left to do
    }

    void noNewTokens()
    {
        Run run = runOf({plan(64, 8)}, settings(0));
        QCOMPARE(run.generation->trace(0).records.size(), kPrompt.size());
        QVERIFY(run.generation->trace(0).records.back().read);
        QCOMPARE(run.generation->trace(0).stop_reason, std::string("max_tokens"));
    }

    void panesTogetherAreEachAlone()
    {
        GenerationSettings with = settings(15);
        with.sampler.temperature = 0.8;
        const std::vector<WidthPlan> plans{plan(64, 8), plan(32, 4), dynamicPlan(0.6),
                                           withOverrides(plan(48, 6), {{6, 1, SubBlock::Mlp, 0}})};
        const Run together = runOf(plans, with);
        for (int pane = 0; pane < 4; ++pane) {
            const Run alone = runOf({plans[static_cast<std::size_t>(pane)]}, with);
            compareRecords(together.generation->trace(pane), alone.generation->trace(0));
            QCOMPARE(together.generation->text(pane), alone.generation->text(0));
        }
        QCOMPARE(firstDivergence(together.generation->trace(0), together.generation->trace(0)), -1);
    }

    void theSameSubNetworkWritesTheSameText()
    {
        GenerationSettings with = settings(40);
        with.sampler.temperature = 0.8;
        const Run run = runOf({plan(32, 4), plan(32, 4), plan(48, 4)}, with);
        QCOMPARE(run.generation->text(0), run.generation->text(1));
        const int differ = firstDivergence(run.generation->trace(0), run.generation->trace(2));
        QVERIFY(differ >= 0);
        const auto a = run.generation->trace(0).ids();
        const auto b = run.generation->trace(2).ids();
        const auto at = kPrompt.size() + static_cast<std::size_t>(differ);
        QVERIFY(std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(at), b.begin()));
        QVERIFY(a[at] != b[at]);
        with.sampler.seed = 43;
        QVERIFY(runOf({plan(32, 4)}, with).generation->text(0) != run.generation->text(0));
    }

    void stopTexts_data()
    {
        QTest::addColumn<QByteArrayList>("pieces");
        QTest::addColumn<QStringList>("stops");
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("reason");
        QTest::newRow("within a token") << QByteArrayList{"a", "stop", "b"} << QStringList{"to"} << "as"
                                        << "stop_text";
        QTest::newRow("over three tokens") << QByteArrayList{"a", "b", "c", "d"} << QStringList{"abc"} << ""
                                           << "stop_text";
        QTest::newRow("over the end of a token") << QByteArrayList{"x", "st", "end"} << QStringList{"te"} << "xs"
                                                 << "stop_text";
        QTest::newRow("a false start") << QByteArrayList{"s", "t", "x", "s"} << QStringList{"stop"} << "stxs"
                                       << "max_tokens";
        QTest::newRow("a start within a start") << QByteArrayList{"a", "a", "b", "x"} << QStringList{"ab"} << "a"
                                                << "stop_text";
        QTest::newRow("held to the end") << QByteArrayList{"x", "s", "t"} << QStringList{"stop"} << "xst"
                                         << "max_tokens";
        QTest::newRow("the first of two") << QByteArrayList{"a", "b", "c", "d"} << QStringList{"cd", "bc"} << "a"
                                          << "stop_text";
        QTest::newRow("two in one token") << QByteArrayList{"stop"} << QStringList{"op", "to"} << "s"
                                          << "stop_text";
        QTest::newRow("a character of two tokens")
            << QByteArrayList{"a", "\xc3", "\xa4", "b"} << QStringList{"\u00e4"} << "a"
            << "stop_text";
        QTest::newRow("an incomplete character at the end")
            << QByteArrayList{"a", "\xc3"} << QStringList{"b"} << "a\ufffd"
            << "max_tokens";
    }

    void stopTexts()
    {
        QFETCH(QByteArrayList, pieces);
        QFETCH(QStringList, stops);
        QFETCH(QString, text);
        QFETCH(QString, reason);
        int position = static_cast<int>(kPrompt.size());
        for (const QByteArray& piece : pieces) fake_.backend->forced[position++] = idOf(piece);
        GenerationSettings with = settings(static_cast<int>(pieces.size()));
        for (const QString& stop : stops) with.stop_texts.push_back(stop.toStdString());
        Run run = start({plan(64, 8)}, with);
        while (!run.generation->finished()) {
            run.step();
            // At every moment what was streamed is the text, and nothing is ever taken back.
            QCOMPARE(run.streamed[0], run.generation->text(0));
            QVERIFY(text.toStdString().starts_with(run.streamed[0]));
        }
        QCOMPARE(QString::fromStdString(run.generation->text(0)), text);
        QCOMPARE(QString::fromStdString(run.generation->trace(0).stop_reason), reason);
        QVERIFY(run.generation->trace(0).records.back().read);
    }

    void endOfTextStopsAPaneAndOnlyThatPane()
    {
        fake_.backend->forced[8] = 2;
        GenerationSettings with = settings(10);
        with.stop_at_eos = true;
        const Run run = runOf({plan(64, 8), plan(32, 4)}, with);
        QCOMPARE(run.generation->trace(0).stop_reason, std::string("stop_id"));
        QCOMPARE(run.generation->trace(0).records.size(), std::size_t(9));
        QCOMPARE(run.generation->trace(0).records.back().id, 2);
        fake_.backend->forced.clear();
        fake_.backend->forced[8] = 2;
        with.stop_at_eos = false;
        QCOMPARE(runOf({plan(64, 8)}, with).generation->trace(0).stop_reason, std::string("max_tokens"));
    }

    void aFullContextEndsTheText()
    {
        const std::vector<TokenId> prompt(90, 5);
        const Run run = runOf({plan(64, 8)}, settings(50), prompt);
        QCOMPARE(run.generation->trace(0).records.size(), std::size_t(96));
        QCOMPARE(run.generation->trace(0).stop_reason, std::string("context"));
        QVERIFY(run.generation->trace(0).records.back().read);
        // As many as there is room for were asked for: then that is the reason.
        QCOMPARE(runOf({plan(64, 8)}, settings(6), prompt).generation->trace(0).stop_reason, std::string("max_tokens"));
    }

    void cancelLeavesTheStepBefore()
    {
        GenerationSettings with = settings(20);
        with.prefill_chunk = 2;
        const Run undisturbed = runOf({plan(64, 8), dynamicPlan(0.6)}, with);
        for (const int when : {0, 1, 3, 8}) { // while the prompt is read, and while text is written
            Run run = start({plan(64, 8), dynamicPlan(0.6)}, with);
            for (int i = 0; i < when; ++i) run.step();
            const auto before = run.generation->trace(0).records.size();
            const bool read_before = run.generation->trace(0).records[before - 1].read;
            CancelSource source;
            int layers = 0;
            fake_.backend->before_layer = [&](int) {
                if (++layers == 5) source.cancel(); // in the second pane
            };
            const auto result = run.generation->step(source.token());
            fake_.backend->before_layer = nullptr;
            QCOMPARE(result.error().code, ErrorCode::Cancelled);
            QCOMPARE(layers, 5);
            QCOMPARE(run.generation->trace(0).records.size(), before);
            QCOMPARE(run.generation->trace(0).records[before - 1].read, read_before);
            QVERIFY(run.generation->trace(0).stop_reason.empty());
            run.finish(); // and it can go on as if nothing had been
            for (int pane = 0; pane < 2; ++pane)
                compareRecords(run.generation->trace(pane), undisturbed.generation->trace(pane));
        }
    }

    void timing()
    {
        Run run = start({plan(64, 8), plan(16, 2)}, settings(20));
        QCOMPARE(run.generation->timing(0).new_tokens, 0);
        run.finish();
        const PaneTiming wide = run.generation->timing(0);
        const PaneTiming narrow = run.generation->timing(1);
        QCOMPARE(wide.new_tokens, 20);
        // The fake's steps take at least this long in its own time, which is what is counted; drawing a token comes on
        // top.
        QVERIFY(wide.ttft_ms >= 0.1 && wide.p50_ms >= 0.1 && wide.p95_ms >= wide.p50_ms);
        QVERIFY(wide.ttft_ms > narrow.ttft_ms - 1000);
        QVERIFY(wide.tokens_per_second > 0 && wide.tokens_per_second <= 1e4);
    }

    void refusals_data()
    {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        QTest::newRow("empty prompt") << "empty"
                                      << "the prompt is empty"
                                      << "at least one token";
        QTest::newRow("long prompt")
            << "long"
            << "the prompt has 96 tokens; the model's context holds 96, one of them for new text"
            << "shorten the prompt to 95 tokens";
        QTest::newRow("far too long") << "longer"
                                      << "the prompt has 500 tokens"
                                      << "shorten the prompt to 95 tokens";
        QTest::newRow("id outside") << "id"
                                    << "token 1 of the prompt has the id 40; the vocabulary has 40"
                                    << "tokenizer";
        QTest::newRow("no panes") << "panes"
                                  << "without panes"
                                  << "at least one";
        QTest::newRow("plan") << "plan"
                              << ""
                              << "";
        QTest::newRow("sampler") << "sampler"
                                 << "temperature must be"
                                 << "greedy";
        QTest::newRow("empty stop text") << "stop"
                                         << "a stop text is empty"
                                         << "leave it out";
        QTest::newRow("max tokens") << "max"
                                    << "max_tokens is -1"
                                    << "0 or more";
        QTest::newRow("no tokenizer") << "tokenizer"
                                      << "stop texts need a tokenizer, and this model has none: gone"
                                      << "leave the stop texts out";
    }

    void refusals()
    {
        QFETCH(QString, what);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        GenerationSettings with = settings(3);
        std::vector<TokenId> prompt = kPrompt;
        std::vector<WidthPlan> plans{plan(64, 8)};
        if (what == "empty") prompt.clear();
        if (what == "long") prompt.assign(96, 5);
        if (what == "longer") prompt.assign(500, 5);
        if (what == "id") prompt[1] = 40;
        if (what == "panes") plans.clear();
        if (what == "plan") plans[0].subnet.mlp[0] = 65;
        if (what == "sampler") with.sampler.temperature = -1;
        if (what == "stop") with.stop_texts = {""};
        if (what == "max") with.max_tokens = -1;
        if (what == "tokenizer") {
            with.stop_texts = {"x"};
            fake_.model->tokenizer = nullptr;
            fake_.model->tokenizer_problem = "gone";
        }
        const Error error = refusal(prompt, with, plans);
        QCOMPARE(error.code, ErrorCode::InvalidArgument);
        QVERIFY2(has(error.message, message.toStdString()), error.message.c_str());
        QVERIFY2(has(error.hint, hint.toStdString()), error.hint.c_str());
    }

    void withoutATokenizerThereAreIdsOnly()
    {
        fake_.model->tokenizer = nullptr;
        const Run run = runOf({plan(64, 8)}, settings(4));
        QCOMPARE(run.generation->trace(0).records.size(), kPrompt.size() + 4);
        QVERIFY(run.generation->text(0).empty());
    }

    void idsBeyondTheTokenizersVocabulary()
    {
        fake_.model->tokenizer = fakeTokenizer({"<unk>", "<s>", "</s>", "a"});
        const Run run = runOf({plan(64, 8)}, settings(4));
        QCOMPARE(run.generation->trace(0).records.size(), kPrompt.size() + 4);
    }
};

QTEST_APPLESS_MAIN(TestGeneration)
#include "test_generation.moc"
