// convert and export: what they write, and that it computes the same.
#include "cli_run.h"

class TestCliCheckpoints final : public QObject {
    Q_OBJECT

    static QByteArray stories()
    {
        QByteArray text;
        for (int story = 0; story < 30; ++story)
            text += "Once upon a time there was a little girl named Lily. She had " + QByteArray::number(story) +
                    " red balls and loved to play with them in the park.\nOne day, a dog came.\n<|endoftext|>\n";
        return text;
    }

    static QJsonArray losses(const QString& model, const QStringList& target = {})
    {
        return runCli(QStringList{"score", model} +
                      QStringList{"--ids", "1,403,407,261,378,432,286,261,400,5", "--per-token", "--json"} + target)
            .object()["nll"]
            .toArray();
    }

    static double largestDifference(const QJsonArray& a, const QJsonArray& b)
    {
        if (a.isEmpty() || a.size() != b.size()) return 1e9;
        double largest = 0;
        for (qsizetype index = 0; index < a.size(); ++index)
            largest = std::max(largest, std::abs(a[index].toDouble() - b[index].toDouble()));
        return largest;
    }

private slots:
    void convertsByImportance()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("stories.txt"), stories()));
        const auto base = testData("stories260k-llama"), out = folder.filePath("elastic");
        const auto run = runCli({"convert", base, "--data", folder.filePath("stories.txt"), "--out", out, "--sequences",
                                 "8", "--sequence-length", "64", "--choices-mlp", "43,86,172", "--choices-heads", "4,8",
                                 "--base-tokens", "1M", "--stages", "importance,permute", "--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto document = run.object();
        const auto stages = document["stages"].toArray();
        QCOMPARE(stages.size(), 2);
        QCOMPARE(stages[0]["name"].toString(), "importance");
        QCOMPARE(stages[0]["tokens"].toInt(), 8 * 64);
        QCOMPARE(stages[0]["share_of_base_tokens"].toDouble(), 8 * 64 / 1e6);
        QCOMPARE(stages[1]["name"].toString(), "permute");
        QCOMPARE(stages[1]["tokens"].toInt(-1), 0);
        QCOMPARE(document["sorted"].toBool(), true);
        QVERIFY(document["max_logit_difference"].toDouble(1) < 1e-4);

        // The function is what it was; the order of the units is not.
        QVERIFY(largestDifference(losses(out), losses(base)) < 1e-4);
        QVERIFY(largestDifference(losses(out, {"--subnet", "mlp 86; heads 4"}),
                                  losses(base, {"--subnet", "mlp 86; heads 4"})) > 1e-3);
        const auto info = runCli({"info", out, "--json"}).object();
        QCOMPARE(info["elastic"].toBool(), true);
        QCOMPARE(info["choice_sets"]["mlp_int_list"].toArray(), (QJsonArray{43, 86, 172}));
        QCOMPARE(info["choice_sets"]["head_int_list"].toArray(), (QJsonArray{4, 8}));
        QCOMPARE(info["training"]["sorted"].toBool(), true);
        QCOMPARE(info["training"]["base_training_tokens"].toInt(), 1000000);
        QCOMPARE(info["training"]["calibration"].toString(), "stories.txt");
        QCOMPARE(info["dtype"], runCli({"info", base, "--json"}).object()["dtype"]);
        QVERIFY(!info["tokenizer"].isNull());
    }

    void stagesCanBeRunOneByOne()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("stories.txt"), stories()));
        const QStringList how{"--data", folder.filePath("stories.txt"), "--sequences", "8", "--sequence-length", "64"};
        const auto base = testData("stories260k-llama"), both = folder.filePath("both"),
                   first = folder.filePath("first"), second = folder.filePath("second");
        QCOMPARE(runCli(QStringList{"convert", base, "--out", both, "--stages", "importance,permute"} + how).code, 0);
        QCOMPARE(runCli(QStringList{"convert", base, "--out", first, "--stages", "importance"} + how).code, 0);
        QCOMPARE(runCli({"info", first, "--json"}).object()["training"]["sorted"].toBool(true), false);
        const auto run = runCli({"convert", first, "--out", second, "--stages", "permute"});
        QVERIFY2(run.code == 0, run.err.constData());
        const QStringList half{"--subnet", "mlp 86; heads 4"};
        QVERIFY(largestDifference(losses(second, half), losses(both, half)) < 1e-9);
    }

    /// What another program follows a conversion by.
    void tellsItsProgressAsJsonLines()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("stories.txt"), stories()));
        const QStringList command{"convert",
                                  testData("stories260k-llama"),
                                  "--data",
                                  folder.filePath("stories.txt"),
                                  "--out",
                                  folder.filePath("sorted"),
                                  "--stages",
                                  "importance,permute",
                                  "--sequences",
                                  "4",
                                  "--sequence-length",
                                  "64",
                                  "--json",
                                  "--progress-json"};
        const auto events = [](const CliRun& run) {
            QList<QJsonObject> found;
            for (const auto& line : run.err.split('\n'))
                if (!line.isEmpty()) found.push_back(QJsonDocument::fromJson(line).object());
            return found;
        };
        const auto estimate = runCli(command + QStringList{"--dry-run"});
        QCOMPARE(estimate.code, 0);
        QVERIFY(estimate.object()["stages"].toArray()[0].toObject()["seconds"].toDouble() > 0); // sorting alone, too
        const auto run = runCli(command);
        QCOMPARE(run.code, 0);
        QCOMPARE(run.object()["sorted"].toBool(), true); // standard output is as ever
        const auto lines = events(run);
        QVERIFY(lines.size() > 2);
        QSet<QString> stages;
        for (const auto& line : lines) {
            QVERIFY2(!line.isEmpty(), run.err.constData());
            if (line["event"].toString() != "progress") continue;
            stages.insert(line["stage"].toString());
            QVERIFY(line["total"].toDouble() == 0 || line["done"].toDouble() <= line["total"].toDouble());
        }
        QVERIFY(stages.contains("measuring importance"));
        QCOMPARE(lines.last(), (QJsonObject{{"event", "end"}, {"code", 0}}));

        const auto refused = runCli(command); // it is there now
        QCOMPARE(refused.code, 1);
        const auto told = events(refused);
        QCOMPARE(told[told.size() - 2]["event"].toString(), QString("error"));
        QVERIFY(told[told.size() - 2]["message"].toString().contains("exists"));
        QVERIFY(!told[told.size() - 2]["hint"].toString().isEmpty());
        QCOMPARE(told.last()["code"].toInt(), 1);
        const auto senseless = events(runCli({"convert", "--progress-json", "--nonsense"}));
        QCOMPARE(senseless.first()["event"].toString(), QString("error"));
        QCOMPARE(senseless.last()["code"].toInt(), 2);
    }

    /// All stages from one command, on so little text that only the mechanism is tried.
    void convertsInAllStages()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("stories.txt"), stories()));
        const auto base = testData("stories-gpt2"), out = folder.filePath("elastic");
        const QStringList command{"convert",
                                  base,
                                  "--data",
                                  folder.filePath("stories.txt"),
                                  "--out",
                                  out,
                                  "--sequence-length",
                                  "64",
                                  "--sequences",
                                  "8",
                                  "--batch",
                                  "2",
                                  "--base-tokens",
                                  "100K",
                                  "--shuffle-window",
                                  "4",
                                  "--validation",
                                  folder.filePath("stories.txt"),
                                  "--validation-sequences",
                                  "4"};
        const auto plan = runCli(command + QStringList{"--dry-run", "--json"});
        QVERIFY2(plan.code == 0, plan.err.constData());
        QCOMPARE(plan.object()["fits"].toBool(), true);
        QVERIFY(plan.object()["memory_bytes"].toDouble() > 1e7);
        QVERIFY(plan.object()["disk_bytes"].toDouble() > 1e7);
        QVERIFY(!QFile::exists(out) && !QFile::exists(out + ".work") && !QFile::exists(out + ".job"));

        const auto run = runCli(command + QStringList{"--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto document = run.object();
        QStringList names;
        double share = 0;
        const auto stages = document["stages"].toArray(), losses = document["losses"].toArray();
        for (const QJsonValue stage : stages) {
            names.push_back(stage["name"].toString());
            share += stage["share_of_base_tokens"].toDouble();
        }
        QCOMPARE(names.join(","), QString("importance,permute,elastic,routers,joint,surrogate"));
        QVERIFY2(share > 0.06 && share <= 0.0763, QByteArray::number(share).constData());
        QStringList routings;
        for (const QJsonValue loss : losses)
            if (const auto routing = loss["routing"].toString(); !routings.contains(routing))
                routings.push_back(routing);
        routings.sort();
        QCOMPARE(routings.join(","), QString("dynamic,full,static,uniform"));
        QVERIFY(QFile::exists(out + "/routers.safetensors") && QFile::exists(out + "/metrics.jsonl"));
        QVERIFY(!QFile::exists(out + ".work"));
        for (const char* routing : {"dynamic", "static"}) {
            const auto text = runCli(
                {"generate", out, "-p", "Once", "--budget", "0.7", "--routing", routing, "--max-tokens", "4"});
            QVERIFY2(text.code == 0, text.err.constData());
        }
    }

    void exportsAUniformSubNetwork()
    {
        QTemporaryDir folder;
        const auto base = testData("stories260k-llama"), out = folder.filePath("half");
        const QStringList half{"--subnet", "mlp 86; heads 4"};
        const auto run = runCli(QStringList{"export", base, "--out", out, "--json"} + half);
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto document = run.object();
        QCOMPARE(document["form"].toString(), "hugging_face");
        QVERIFY(document["max_logit_difference"].toDouble(1) < 1e-4);
        QVERIFY(!QFile::exists(out + "/flextron.json"));
        QFile config(out + "/config.json");
        QVERIFY(config.open(QIODevice::ReadOnly));
        const auto written = QJsonDocument::fromJson(config.readAll()).object();
        QCOMPARE(written["model_type"].toString(), "llama");
        QCOMPARE(written["intermediate_size"].toInt(), 86);
        QCOMPARE(written["num_attention_heads"].toInt(), 4);
        QCOMPARE(document["parameters"].toInt(),
                 runCli(QStringList{"info", base, "--json"} + half).object()["subnet"]["parameters"].toInt());
        QVERIFY(largestDifference(losses(out), losses(base, half)) < 1e-4);
    }

    void exportsWidthsThatDiffer()
    {
        QTemporaryDir folder;
        const auto base = testData("stories260k-llama"), out = folder.filePath("mixed");
        const QStringList mixed{"--subnet", "mlp 172*2,86*3; heads 8*4,4*1"};
        const auto run = runCli(QStringList{"export", base, "--out", out} + mixed);
        QVERIFY2(run.code == 0, run.err.constData());
        QVERIFY2(run.out.contains("per-layer sizes in flextron.json"), run.out.constData());
        QVERIFY(largestDifference(losses(out), losses(base, mixed)) < 1e-4);
    }

    void exportsATarget()
    {
        QTemporaryDir folder;
        const auto run = runCli(
            {"export", testData("stories-gpt2"), "--params", "0.8", "--out", folder.filePath("small"), "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto full = runCli({"info", testData("stories-gpt2"), "--json"}).object()["parameters"].toDouble();
        QVERIFY(!run.object()["subnet"].toString().isEmpty());
        QVERIFY(run.object()["parameters"].toDouble() <= full);
    }

    void leavesWhatIsThereAlone_data()
    {
        QTest::addColumn<QStringList>("command");
        QTest::newRow("export") << QStringList{"export", testData("stories260k-llama"), "--budget", "0.8"};
        QTest::newRow("convert") << QStringList{"convert", testData("stories260k-llama"), "--data",
                                                testData("README.md")};
    }
    void leavesWhatIsThereAlone()
    {
        QFETCH(QStringList, command);
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("mine.txt"), "mine"));
        const auto run = runCli(command + QStringList{"--out", folder.path()});
        VERIFY_FAILS(run, 1, folder.path().toUtf8(), "");
        QCOMPARE(QDir(folder.path()).entryList(QDir::AllEntries | QDir::NoDotAndDotDot), QStringList{"mine.txt"});
    }
};

QTEST_GUILESS_MAIN(TestCliCheckpoints)
#include "test_cli_checkpoints.moc"
