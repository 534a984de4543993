// generate and compare: golden ids, the JSON documents, traces, and a clean standard output.
#include "cli_run.h"

#include <signal.h>

#include "engine/generate/trace.h"

using namespace flextron;

class TestCliWriting final : public QObject {
    Q_OBJECT

    static QJsonArray slice(const QJsonArray& array, qsizetype from, qsizetype to)
    {
        QJsonArray part;
        for (qsizetype index = from; index < qMin(to, array.size()); ++index) part.append(array[index]);
        return part;
    }

private slots:
    void writesTheGoldenIds_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QJsonArray>("prompt");
        QTest::addColumn<QJsonArray>("expected");
        const auto gpt2 = golden("stories-gpt2");
        const auto prompt = gpt2["prompt_ids"].toArray();
        QTest::newRow("stories-gpt2") << "stories-gpt2" << prompt
                                      << slice(gpt2["greedy_ids"].toArray(), prompt.size(), prompt.size() + 60);
        const auto llama = golden("stories260k-llama")["greedy_ids"].toArray();
        QTest::newRow("stories260k-llama") << "stories260k-llama" << slice(llama, 0, 8) << slice(llama, 8, 100);
        for (const char* name :
             {"llama-mha", "llama-gqa-tied", "llama-mqa-headdim", "mistral", "qwen2", "gpt2", "gpt2-untied-inner"}) {
            const auto numbers = golden(QString("golden/") + name);
            const auto row = slice(numbers["input_ids"].toArray()[0].toArray(), 0, 8);
            auto greedy = numbers["greedy_from_first_8_of_row0"].toArray();
            if (slice(greedy, 0, 8) == row) greedy = slice(greedy, 8, greedy.size());
            QTest::newRow(name) << QString("golden/") + name << row << greedy;
        }
    }
    void writesTheGoldenIds()
    {
        QFETCH(QString, model);
        QFETCH(QJsonArray, prompt);
        QFETCH(QJsonArray, expected);
        QVERIFY(!expected.isEmpty());
        const auto run = runCli({"generate", testData(model), "--prompt-ids", idsText(prompt, prompt.size()),
                                 "--max-tokens", QString::number(expected.size()), "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        QCOMPARE(run.object()["prompt_ids"].toArray(), prompt);
        QCOMPARE(run.object()["ids"].toArray(), slice(expected, 0, run.object()["ids"].toArray().size()));
        QVERIFY(run.object()["ids"].toArray().size() == expected.size() || run.object()["stop_reason"] == "stop_id");
    }

    void documentsAGeneration()
    {
        const auto run = runCli({"generate", testData("stories260k-llama"), "-p", "Once upon a time", "--max-tokens",
                                 "12", "--subnet", "mlp 86*5; heads 4*5", "--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto document = run.object();
        for (const char* key : {"prompt_ids", "ids", "text", "stop_reason", "tokens", "timing"})
            QVERIFY2(document.contains(key), key);
        QCOMPARE(document["ids"].toArray().size(), 12);
        QCOMPARE(document["stop_reason"].toString(), "max_tokens");
        const auto tokens = document["tokens"].toArray();
        QCOMPARE(tokens.size(), 12);
        for (qsizetype index = 0; index < tokens.size(); ++index) {
            QCOMPARE(tokens[index]["id"], document["ids"][int(index)]);
            QVERIFY(tokens[index]["logprob"].toDouble(1) <= 0);
            QVERIFY(tokens[index]["piece"].isString());
            QCOMPARE(tokens[index]["mlp"].toArray(), (QJsonArray{86, 86, 86, 86, 86}));
            QCOMPARE(tokens[index]["heads"].toArray(), (QJsonArray{4, 4, 4, 4, 4}));
        }
        QCOMPARE(document["prompt_tokens"].toArray().size(), document["prompt_ids"].toArray().size());
        QVERIFY(document["timing"]["ttft_ms"].toDouble() > 0);
        QVERIFY(document["timing"]["tokens_per_second"].toDouble() > 0);
        QVERIFY(document["timing"]["ms_per_token"]["p95"].toDouble() >=
                document["timing"]["ms_per_token"]["p50"].toDouble());
    }

    void streamsExactlyTheText()
    {
        const QStringList arguments{"generate", testData("stories260k-llama"), "-p", "Once upon a time", "--max-tokens",
                                    "40"};
        const auto streamed = runCli(arguments);
        QVERIFY2(streamed.code == 0 && streamed.err.isEmpty(), streamed.err.constData());
        const auto text = runCli(arguments + QStringList{"--json"}).object()["text"].toString().toUtf8();
        QVERIFY(!text.isEmpty());
        QCOMPARE(streamed.out, text + "\n");
    }

    void readsAPromptFromAFile()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("prompt.txt"), "Once upon a time"));
        const QStringList rest{"--max-tokens", "8", "--json"};
        const auto model = testData("stories260k-llama");
        const auto typed = runCli(QStringList{"generate", model, "-p", "Once upon a time"} + rest).object()["ids"];
        QCOMPARE(runCli(QStringList{"generate", model, "--prompt-file", folder.filePath("prompt.txt")} + rest)
                     .object()["ids"],
                 typed);
        QCOMPARE(
            runCli(QStringList{"generate", model, "--prompt-file", "-"} + rest, "Once upon a time").object()["ids"],
            typed);
    }

    void samplesBySeed()
    {
        const QStringList arguments{"generate",
                                    testData("stories260k-llama"),
                                    "-p",
                                    "Once",
                                    "--max-tokens",
                                    "20",
                                    "--temperature",
                                    "1",
                                    "--top-p",
                                    "0.95",
                                    "--json",
                                    "--seed"};
        const auto first = runCli(arguments + QStringList{"7"}).object()["ids"];
        QCOMPARE(runCli(arguments + QStringList{"7"}).object()["ids"], first);
        QVERIFY(runCli(arguments + QStringList{"8"}).object()["ids"] != first);
    }

    void stopsBeforeAStopText()
    {
        const QStringList arguments{
            "generate", testData("stories260k-llama"), "-p", "Once upon a time", "--max-tokens", "60", "--json"};
        const auto whole = runCli(arguments).object()["text"].toString();
        QVERIFY(whole.contains(" was"));
        const auto stopped = runCli(arguments + QStringList{"--stop", " was"}).object();
        QCOMPARE(stopped["text"].toString(), whole.left(whole.indexOf(" was")));
        QCOMPARE(stopped["stop_reason"].toString(), "stop_text");
    }

    void keepsATrace()
    {
        QTemporaryDir folder;
        const auto file = folder.filePath("trace.safetensors");
        const auto run = runCli({"generate", testData("stories260k-llama"), "-p", "It's a dog", "--max-tokens", "5",
                                 "--trace", file, "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto traces = readTraces(file.toStdString());
        QVERIFY(traces.ok());
        QCOMPARE(traces->size(), std::size_t(1));
        const auto& trace = traces->front();
        const auto document = run.object();
        QCOMPARE(trace.ids().size(),
                 std::size_t(document["prompt_ids"].toArray().size() + document["ids"].toArray().size()));
        QCOMPARE(trace.ids().back(), document["ids"].toArray().last().toInt());
        // The command that makes it again, quoted for a shell.
        QVERIFY(QString::fromStdString(trace.command).contains("-p 'It'\\''s a dog' --max-tokens 5"));
    }

    void comparesPanes()
    {
        QTemporaryDir folder;
        const auto file = folder.filePath("trace.safetensors");
        const auto run = runCli({"compare", testData("stories260k-llama"), "-p", "Once upon a time", "--max-tokens",
                                 "16", "--panes", "0.8,full,mlp 172*2,86*3; heads 8*4,4*1,0.6:uniform,mlp 172; heads 8",
                                 "--trace", file, "--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto panes = run.json().array();
        QCOMPARE(panes.size(), 5);
        const QStringList labels{"0.8", "full", "mlp 172*2,86*3; heads 8*4,4*1", "0.6:uniform", "mlp 172; heads 8"};
        for (int index = 0; index < 5; ++index) {
            const auto pane = panes[index].toObject();
            QCOMPARE(pane["label"].toString(), labels[index]);
            for (const char* key : {"prompt_ids", "ids", "text", "stop_reason", "tokens", "timing", "first_divergence",
                                    "agreement", "kl_to_full", "n"})
                QVERIFY2(pane.contains(key), key);
            QCOMPARE(pane["n"].toInt(), int(panes[1]["ids"].toArray().size()));
            QCOMPARE(pane["baseline"].toBool(), index == 1);
        }
        // The full model, and the same said by its widths, agree with the full model.
        for (const int same : {1, 4}) {
            QVERIFY(panes[same]["first_divergence"].isNull());
            QCOMPARE(panes[same]["agreement"].toDouble(), 1.0);
            QVERIFY(std::abs(panes[same]["kl_to_full"].toDouble()) < 1e-9);
            QCOMPARE(panes[same]["ids"], panes[1]["ids"]);
        }
        QCOMPARE(panes[2]["tokens"][0]["mlp"].toArray(), (QJsonArray{172, 172, 86, 86, 86}));
        QVERIFY(panes[3]["kl_to_full"].toDouble() > 0 && panes[3]["kl_stderr"].toDouble() > 0);
        // Counted by hand from the ids.
        const auto full = panes[1]["ids"].toArray(), other = panes[3]["ids"].toArray();
        qsizetype at = 0;
        while (at < qMin(full.size(), other.size()) && full[at] == other[at]) ++at;
        QCOMPARE(panes[3]["first_divergence"].toInt(-1), at < full.size() ? int(at) : -1);
        const auto traces = readTraces(file.toStdString());
        QVERIFY(traces.ok());
        QCOMPARE(traces->size(), std::size_t(5));
    }

    void comparesPanesForPeople()
    {
        const auto run = runCli({"compare", testData("stories260k-llama"), "-p", "Once upon a time", "--max-tokens",
                                 "10", "--panes", "full,0.7"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        for (const char* part : {"== full", "== 0.7", "the baseline", "tokens a second", "KL to full", "n = 10"})
            QVERIFY2(run.out.contains(part), run.out.constData());
    }

    void keepsWhatWasWrittenWhenInterrupted()
    {
        QTemporaryDir folder;
        QProcess process;
        process.start(cliProgram(),
                      {"generate", testData("stories260k-llama"), "-p", "Once upon a time", "--max-tokens", "100000",
                       "--threads", "1", "--trace", folder.filePath("trace.safetensors")});
        QVERIFY(process.waitForReadyRead(60000));
        ::kill(static_cast<pid_t>(process.processId()), SIGINT);
        const auto run = finished(process);
        QCOMPARE(run.code, 3);
        QVERIFY(run.out.size() > 1);
        const auto traces = readTraces(folder.filePath("trace.safetensors").toStdString());
        QVERIFY(traces.ok());
        QCOMPARE(traces->front().stop_reason, "cancelled");
        QVERIFY(traces->front().records.size() > 4);
    }

    void endsQuietlyWhenNobodyReadsOn()
    {
        const auto run = runShell("set -o pipefail; seq 20000 | " + cliProgram() + " tokenize " +
                                  testData("stories260k-llama") + " --text - | head -n 1");
        QVERIFY2(run.code == 0, run.err.constData());
        QCOMPARE(run.out, QByteArray("1\t<s>\n"));
        QCOMPARE(run.err, QByteArray());
    }
};

QTEST_GUILESS_MAIN(TestCliWriting)
#include "test_cli_writing.moc"
