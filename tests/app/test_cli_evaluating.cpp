// evaluate, routers and pareto: numbers that other parts of the program and other programs give too.
#include "cli_run.h"

#include <QXmlStreamReader>

#include <cmath>

#include "engine/latency/latency_table.h"
#include "engine/model/checkpoint.h"
#include "engine/routing/routers.h"

using namespace flextron;

class TestCliEvaluating final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    QString stories_;
    QTemporaryDir routed_; ///< a copy of the model, with routers of random weights and such a surrogate
    QString table_;        ///< of a machine that there is not

    static std::filesystem::path path(const QString& name) { return name.toStdString(); }

    static std::shared_ptr<const Checkpoint> checkpoint()
    {
        return Checkpoint::open(path(testData("stories260k-llama"))).orThrow();
    }

    static void writeRandomRouters(const QString& file, std::uint64_t seed)
    {
        const auto model = checkpoint();
        Routers routers = randomRouters(model->config(), model->choices(), {1.0, 0.8, 0.5}, 8, seed);
        const int inputs = routers.fixed->output.out;
        routers.surrogate.emplace();
        routers.surrogate->network.hidden = {
            inputs, 1, std::vector<float>(static_cast<std::size_t>(inputs), 0.0f), {0}};
        // Every choice but the widest costs 0.02 nats: the sum of what the one-hots miss.
        for (int i = 0; i < inputs; ++i)
            if (i % 4 != 3) routers.surrogate->network.hidden.weight[static_cast<std::size_t>(i)] = 0.02f;
        routers.surrogate->network.output = {1, 1, {1}, {0}};
        writeRouters(path(file), routers).orThrow();
    }

private slots:
    void initTestCase()
    {
        copyModel("stories260k-llama", routed_);
        writeRandomRouters(routed_.filePath("routers.safetensors"), 1);
        writeRandomRouters(folder_.filePath("other.safetensors"), 2);
        LatencyTable table;
        table.fingerprint = "0123456789abcdef";
        table.device = "another machine";
        table.measured_at = "2026-01-01T00:00:00Z";
        table.repeats = 1;
        table.mlp_widths = {0, 172};
        table.head_counts = {0, 8};
        table.contexts = {64};
        table.fixed_ms = 1;
        table.mlp_ms = {0, 2};
        table.attention_own_ms = {{0, 0.5}};
        table.attention_all_ms = {{0.25, 0.5}};
        table_ = folder_.filePath("table.json");
        writeLatencyTable(path(table_), table).orThrow();
        QByteArray text;
        for (const char* start : {"Once upon a time", "The little dog", "Lily and Tom"}) {
            const auto run = runCli(
                {"generate", testData("stories260k-llama"), "-p", start, "--max-tokens", "60", "--temperature", "0.9"});
            QVERIFY2(run.code == 0, run.err.constData());
            text += run.out + "\n<|endoftext|>\n";
        }
        stories_ = folder_.filePath("stories.txt");
        QVERIFY(writeBytes(stories_, text));
    }

    void answersATask()
    {
        const auto run = runCli({"evaluate", testData("stories260k-llama"), "--task", "piqa", "--data",
                                 testData("eval/piqa_valid.jsonl"), "--per-item", "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto result = run.object();
        for (const char* key : {"task", "n", "accuracy", "accuracy_norm", "stderr", "shots"})
            QVERIFY2(result.contains(key), key);
        QCOMPARE(result["n"].toInt(), 6);
        QFile file(testData("eval/goldens.json"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        const auto golden = QJsonDocument::fromJson(file.readAll())["stories260k-llama"]["piqa"].toArray();
        double right = 0;
        for (const auto& item : golden) right += item.toObject()["chosen"].toInt() == item.toObject()["gold"].toInt();
        QCOMPARE(result["accuracy"].toDouble(), right / 6);
        QCOMPARE(result["items"].toArray().size(), 6);
        QVERIFY(std::abs(result["items"][3]["logprobs"][1].toDouble() - golden[3]["logprobs"][1].toDouble()) < 1e-2);
    }

    void saysItInWords()
    {
        const auto run = runCli({"evaluate", testData("stories-gpt2"), "--task", "lambada", "--limit", "2", "--data",
                                 testData("eval/lambada_openai.jsonl")});
        QVERIFY2(run.code == 0, run.err.constData());
        QVERIFY2(run.out.startsWith("lambada, 2 questions, 0 shots: accuracy 0.0000 +- 0.0000, perplexity "),
                 run.out.constData());
    }

    // The loss on documents against `score`, which reads them one by one.
    void perplexityOfDocuments_data()
    {
        QTest::addColumn<QStringList>("target");
        QTest::newRow("full") << QStringList{};
        QTest::newRow("half") << QStringList{"--budget", "0.6"};
    }
    void perplexityOfDocuments()
    {
        QFETCH(QStringList, target);
        const auto model = testData("stories260k-llama");
        const auto run = runCli(
            QStringList{"evaluate", model, "--task", "perplexity", "--data", stories_, "--json", "--per-item"} +
            target);
        QVERIFY2(run.code == 0, run.err.constData());
        const auto result = run.object();
        QCOMPARE(result["n"].toInt(), 3);
        double sum = 0;
        QFile file(stories_);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const auto documents = file.readAll().split('<');
        for (int d = 0; d < 3; ++d) {
            QByteArray text = documents[d];
            if (d > 0) text = text.mid(text.indexOf('\n') + 1);
            const auto one = folder_.filePath("one.txt");
            QVERIFY(writeBytes(one, text + "<|endoftext|>\n"));
            const auto scored = runCli(QStringList{"score", model, "--text", one, "--json"} + target);
            QVERIFY2(scored.code == 0, scored.err.constData());
            QCOMPARE(result["items"][d]["nll_sum"].toDouble(), scored.object()["nll_sum"].toDouble());
            sum += scored.object()["nll_sum"].toDouble();
        }
        QVERIFY(std::abs(result["nll_mean"].toDouble() - sum / result["tokens"].toDouble()) < 1e-9);
        QVERIFY(result["stderr"].toDouble() > 0);
    }

    void reportsOnRouters()
    {
        const auto run = runCli({"routers", routed_.path(), "--data", "a=" + stories_, "b=" + stories_, "--stops",
                                 "0.5,0.8", "--limit", "2", "--resamples", "200", "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto report = run.object();
        QCOMPARE(report["rows"].toArray().size(), 2 * 2 * 5 * 2); // texts, stops, layers, sub-blocks
        for (const auto& row : report["rows"].toArray()) {
            double sum = 0;
            for (const auto& share : row.toObject()["shares"].toArray()) sum += share.toDouble();
            QVERIFY(std::abs(sum - 1) < 1e-9);
            for (const char* key : {"text", "asked", "layer", "block", "choices", "dead", "entropy_between_tokens",
                                    "router_entropy", "margin"})
                QVERIFY2(row.toObject().contains(key), key);
        }
        QCOMPARE(report["stops"].toArray().size(), 4);
        const auto stop = report["stops"][0].toObject();
        QCOMPARE(stop["asked"].toDouble(), 0.8);
        QCOMPARE(stop["dynamic"]["shuffled"]["against_routers"]["documents"].toInt(), 2);
        QVERIFY(std::abs(stop["dynamic"]["uniform"]["cost"].toDouble() - stop["dynamic"]["cost"].toDouble()) < 0.02);
        QVERIFY(stop["static"]["subnet"].toString().startsWith("mlp "));
        QVERIFY(!report["verdicts"].toArray().isEmpty());
        QVERIFY(!report.contains("compared"));
    }

    void comparesTwoSetsOfRouters()
    {
        const QStringList arguments{
            "routers", routed_.path(), "--data", "a=" + stories_, "--limit",
            "2",       "--resamples",  "100",    "--routers",     folder_.filePath("other.safetensors")};
        const auto run = runCli(arguments + QStringList{"--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto compared = run.object()["compared"].toArray();
        QCOMPARE(compared.size(), 2); // the trained stops below 1
        QVERIFY(std::abs(compared[1]["nll"][1].toDouble() - compared[1]["nll"][0].toDouble() -
                         compared[1]["second_less_first"]["difference"].toDouble()) < 1e-9);
        QVERIFY(run.object()["other"]["routers"].toString().endsWith("other.safetensors"));
        const auto told = runCli(arguments);
        QVERIFY2(told.code == 0, told.err.constData());
        QVERIFY2(told.out.contains("both, dynamic: cost and loss"), told.out.constData());
        QVERIFY2(told.out.contains("a at 0.5: "), told.out.constData());
    }

    void drawsTheParetoFront()
    {
        const auto drawing = folder_.filePath("front.svg");
        const auto run = runCli({"pareto", routed_.path(), "--data", stories_, "--budgets", "1,0.8,0.6", "--table",
                                 table_, "--searched", "--svg", drawing, "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        QCOMPARE(run.object()["device"].toString(), "another machine");
        QStringList routings;
        for (const auto& point : run.object()["points"].toArray()) {
            for (const char* key : {"ms", "parameters", "nll", "perplexity", "stderr"})
                QVERIFY2(point.toObject()[key].isDouble(), key);
            // The made-up table: 1 ms, and in each of five layers up to 2 and 0.5.
            QVERIFY(point.toObject()["ms"].toDouble() <= 1 + 5 * 2.5 + 1e-9);
            routings += point.toObject()["routing"].toString();
        }
        for (const char* routing : {"full", "uniform", "static", "dynamic", "searched"})
            QVERIFY2(routings.contains(routing), routing);
        QFile file(drawing);
        QVERIFY(file.open(QIODevice::ReadOnly));
        QXmlStreamReader svg(&file);
        int circles = 0;
        while (!svg.atEnd())
            if (svg.readNext() == QXmlStreamReader::StartElement)
                circles += svg.name() == QLatin1String("circle") || svg.name() == QLatin1String("rect");
        QVERIFY2(!svg.hasError(), qPrintable(svg.errorString()));
        QVERIFY(circles > routings.size());
    }

    void searches()
    {
        const auto run = runCli(
            {"search", routed_.path(), "--latency", "8", "--table", table_, "--data", stories_, "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto candidates = run.object()["candidates"].toArray();
        QCOMPARE(candidates.size(), 16);
        for (const auto& candidate : candidates) QVERIFY(candidate.toObject()["ms"].toDouble() <= 8 + 1e-9);
        // What it prints is what --subnet takes, and its loss is the one that evaluate measures.
        const auto again = runCli({"evaluate", routed_.path(), "--task", "perplexity", "--data", stories_, "--subnet",
                                   candidates[0].toObject()["subnet"].toString(), "--json"});
        QVERIFY2(again.code == 0, again.err.constData());
        QCOMPARE(again.object()["nll_mean"].toDouble(), candidates[0].toObject()["nll"].toDouble());
    }

    // In words: both numbers, how far the surrogate was off (it claims to err by nothing), and what costs are shares
    // of.
    void tellsInWords_data()
    {
        QTest::addColumn<QStringList>("command");
        QTest::addColumn<QByteArrayList>("parts");
        const QByteArray basis = "cost: share of the full model's latency (table of another machine, 2026-01-01)";
        QTest::newRow("search") << QStringList{"search", routed_.path(), "--budget", "0.8", "--candidates", "3"}
                                << QByteArrayList{" nats (foretold +0.", "the surrogate foretold the first one's loss ",
                                                  ", beyond the 0.0 % ", basis};
        QTest::newRow("routers") << QStringList{"routers", routed_.path(), "--stops", "0.8"} << QByteArrayList{basis};
        QTest::newRow("pareto") << QStringList{"pareto", routed_.path(), "--budgets", "0.8"} << QByteArrayList{basis};
    }
    void tellsInWords()
    {
        QFETCH(QStringList, command);
        QFETCH(QByteArrayList, parts);
        const auto run = runCli(command + QStringList{"--data", stories_, "--table", table_});
        QVERIFY2(run.code == 0, run.err.constData());
        for (const QByteArray& part : parts) QVERIFY2(run.out.contains(part), run.out.constData());
    }

    // 3 widths of 4 of both sub-blocks in five layers: each that is not the widest costs 0.02 nats.
    void qualityTarget_data()
    {
        QTest::addColumn<double>("allowed");
        QTest::addColumn<double>("rise");
        QTest::newRow("heads only, or neurons only") << 0.11 << 0.1;
        QTest::newRow("everything") << 0.21 << 0.2;
        QTest::newRow("too little for anything") << 0.05 << 0.0;
    }
    void qualityTarget()
    {
        QFETCH(double, allowed);
        QFETCH(double, rise);
        const auto run = runCli({"info", routed_.path(), "--quality", QString::number(allowed), "--routing", "uniform",
                                 "--table", table_, "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto subnet = run.object()["subnet"].toObject();
        QCOMPARE(subnet["quality_basis"].toString(), "surrogate");
        QVERIFY2(std::abs(subnet["predicted_rise"].toDouble() - rise) < 1e-6, run.out.constData());
    }

    void latencyOfAnotherMachine()
    {
        const auto run = runCli(
            {"info", routed_.path(), "--latency", "7", "--routing", "uniform", "--table", table_, "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const double ms = run.object()["subnet"]["predicted_ms"].toDouble();
        QVERIFY2(ms <= 7 && ms > 3, run.out.constData());
    }

    void refuses_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("code");
        QTest::addColumn<QByteArray>("what");
        QTest::addColumn<QByteArray>("hint");
        const auto model = testData("stories260k-llama");
        QTest::newRow("no task") << QStringList{"evaluate", model, "--data", "x"} << 2 << QByteArray("--task")
                                 << QByteArray("flextron evaluate --help");
        QTest::newRow("unknown task") << QStringList{"evaluate", model, "--task", "chess", "--data", "x"} << 2
                                      << QByteArray("found chess") << QByteArray("--help");
        QTest::newRow("no such file") << QStringList{"evaluate", model, "--task", "arc_easy", "--data", "nowhere.jsonl"}
                                      << 1 << QByteArray("nowhere.jsonl") << QByteArray("");
        QTest::newRow("another task's file")
            << QStringList{"evaluate", model, "--task", "arc_easy", "--data", testData("eval/piqa_valid.jsonl")} << 1
            << QByteArray("line 1") << QByteArray("");
        QTest::newRow("shots of a text") << QStringList{"evaluate", model,    "--task",  "perplexity",
                                                        "--data",   stories_, "--shots", "2"}
                                         << 2 << QByteArray("no shots") << QByteArray("--shots");
        QTest::newRow("no routers") << QStringList{"routers", model, "--data", "a=" + stories_} << 1
                                    << QByteArray("no routers") << QByteArray("a file of routers");
        QTest::newRow("no goal") << QStringList{"search", model, "--data", stories_} << 2
                                 << QByteArray("exactly one goal") << QByteArray("--quality");
        QTest::newRow("no surrogate") << QStringList{"search", model, "--budget", "0.5", "--data", stories_} << 1
                                      << QByteArray("no surrogate") << QByteArray("trains routers");
        QTest::newRow("another model's table")
            << QStringList{"info", testData("stories-gpt2"), "--latency", "1", "--table", table_} << 1
            << QByteArray("this model has 512 and 4") << QByteArray("measured with this model");
        QTest::newRow("plot that cannot be written")
            << QStringList{"pareto", model, "--data", stories_, "--svg", "/nowhere/at/all.svg"} << 1
            << QByteArray("/nowhere/at") << QByteArray("existing folder");
        QTest::newRow("text without a name") << QStringList{"routers", model, "--data", "=x"} << 2
                                             << QByteArray("expected NAME=FILE") << QByteArray("--data stories=");
        QTest::newRow("name twice") << QStringList{"routers", model, "--data", "a=" + stories_, "a=" + stories_} << 2
                                    << QByteArray("given twice") << QByteArray("differently");
    }
    void refuses()
    {
        QFETCH(QStringList, arguments);
        QFETCH(int, code);
        QFETCH(QByteArray, what);
        QFETCH(QByteArray, hint);
        const auto run = runCli(arguments);
        VERIFY_FAILS(run, code, what, hint);
    }
};

QTEST_APPLESS_MAIN(TestCliEvaluating)
#include "test_cli_evaluating.moc"
