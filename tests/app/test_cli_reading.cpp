// models, info, tokenize and score on the test models, against numbers of other implementations.
#include "cli_run.h"

class TestCliReading final : public QObject {
    Q_OBJECT

private slots:
    void listsModels()
    {
        // Opening one by path puts it into the recent list of this test's own home.
        QCOMPARE(runCli({"generate", testData("stories260k-llama"), "-p", "Once", "--max-tokens", "1"}).code, 0);
        const auto run = runCli({"models", "--json"});
        QCOMPARE(run.code, 0);
        QJsonObject found;
        for (const auto& entry : run.json().array())
            if (entry.toObject()["name"] == "stories260k-llama") found = entry.toObject();
        QCOMPARE(found["path"].toString(), testData("stories260k-llama"));
        QCOMPARE(found["family"].toString(), "llama");
        QCOMPARE(found["parameters"].toInt(), 260032);
        QCOMPARE(found["bundled"].toBool(true), false);
    }

    void describesAModel()
    {
        const auto run = runCli({"info", testData("stories260k-llama"), "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto info = run.object();
        for (const char* key :
             {"family", "config", "parameters", "choice_sets", "budgets", "tokenizer", "files", "training"})
            QVERIFY2(info.contains(key), key);
        QCOMPARE(info["family"].toString(), "llama");
        QCOMPARE(info["elastic"].toBool(true), false);
        QCOMPARE(info["config"]["num_hidden_layers"].toInt(), 5);
        QCOMPARE(info["config"]["num_attention_heads"].toInt(), 8);
        QCOMPARE(info["config"]["num_key_value_heads"].toInt(), 4);
        QCOMPARE(info["choice_sets"]["head_int_list"].toArray(), (QJsonArray{2, 4, 6, 8}));
        QCOMPARE(info["choice_sets"]["mlp_int_list"].toArray().last().toInt(),
                 info["config"]["intermediate_size"].toInt());
        QCOMPARE(info["tokenizer"]["kind"].toString(), "SentencePiece BPE");
        QCOMPARE(info["tokenizer"]["vocab_size"].toInt(), 512);
        QVERIFY(!info.contains("subnet"));
        QStringList names;
        for (const auto& file : info["files"].toArray()) names += file.toObject()["name"].toString();
        QVERIFY(names.contains("model.safetensors") && names.contains("config.json"));
    }

    void describesASubNetwork()
    {
        const auto run = runCli(
            {"info", testData("stories260k-llama"), "--subnet", "mlp 86*5; heads 4*5", "--context", "64", "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto subnet = run.object()["subnet"].toObject();
        QCOMPARE(subnet["mlp"].toArray(), (QJsonArray{86, 86, 86, 86, 86}));
        QCOMPARE(subnet["heads"].toArray(), (QJsonArray{4, 4, 4, 4, 4}));
        // By hand: embedding 512*64, norms 11*64, and in each layer Q and O 2*64*32, K and V 2*64*16, MLP 3*64*86.
        const int layers = 5 * (2 * 64 * 32 + 2 * 64 * 16 + 3 * 64 * 86);
        QCOMPARE(subnet["parameters"].toInt(), 512 * 64 + 11 * 64 + layers);
        // float32: one row of the embedding, the whole as the output head.
        QCOMPARE(subnet["weight_bytes"].toInt(), 4 * (64 + 512 * 64 + 11 * 64 + layers));
        QVERIFY(subnet["flops_per_token"].toInt() > 2 * layers);
        QVERIFY(subnet.contains("predicted_ms"));
        QVERIFY(subnet["share"].toDouble() > 0 && subnet["share"].toDouble() < 1);
    }

    void describesAModelForPeople()
    {
        const auto run = runCli({"info", testData("stories-gpt2"), "--budget", "0.8"});
        QVERIFY2(run.code == 0, run.err.constData());
        for (const char* part : {"gpt2", "byte-level BPE, 2048 tokens", "sub-network", "MLP choices"})
            QVERIFY2(run.out.contains(part), run.out.constData());
        QVERIFY(run.err.isEmpty());
    }

    void describesAModelWithoutTokenizer()
    {
        const auto run = runCli({"info", testData("golden/llama-mha"), "--json"});
        QCOMPARE(run.code, 0);
        QVERIFY(run.object()["tokenizer"].isNull());
        QVERIFY(run.object()["tokenizer_problem"].toString().contains("tokenizer.model"));
    }

    void tokenizes_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QJsonArray>("ids");
        for (const auto& vector : golden("stories-gpt2")["tokenizer"].toArray())
            QTest::addRow("gpt2: %s", qPrintable(vector.toObject()["text"].toString().left(20)))
                << "stories-gpt2" << vector.toObject()["text"].toString().toUtf8()
                << vector.toObject()["ids"].toArray();
    }
    void tokenizes()
    {
        QFETCH(QString, model);
        QFETCH(QByteArray, text);
        QFETCH(QJsonArray, ids);
        const auto run = runCli({"tokenize", testData(model), "--text", "-", "--json"}, text);
        QVERIFY2(run.code == 0, run.err.constData());
        QCOMPARE(run.object()["ids"].toArray(), ids);
        QCOMPARE(run.object()["pieces"].toArray().size(), ids.size());
        if (ids.isEmpty()) return;
        const auto back = runCli({"tokenize", testData(model), "--decode", "--write-special", "--ids-file", "-"},
                                 QJsonDocument(ids).toJson());
        QCOMPARE(back.out, text + "\n");
    }

    void listsPiecesALineEach()
    {
        const auto run = runCli({"tokenize", testData("stories260k-llama"), "--ids", "1,403,407"});
        QCOMPARE(run.code, 0);
        QCOMPARE(run.out.count('\n'), 3);
        QVERIFY(run.out.startsWith("1\t<s>\n403\t"));
    }

    void scoresAsTheOtherImplementation_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("ids");
        QTest::addColumn<QJsonArray>("nll");
        const auto gpt2 = golden("stories-gpt2");
        QTest::newRow("stories-gpt2") << "stories-gpt2" << idsText(gpt2["greedy_ids"].toArray(), 100)
                                      << gpt2["nll_of_first_100"].toArray();
        for (const char* name : {"llama-mha", "llama-gqa-tied", "mistral", "qwen2", "gpt2"}) {
            const auto numbers = golden(QString("golden/") + name);
            const auto row = numbers["input_ids"].toArray()[0].toArray();
            QTest::newRow(name) << QString("golden/") + name << idsText(row, row.size())
                                << numbers["nll"].toArray()[0].toArray();
        }
    }
    void scoresAsTheOtherImplementation()
    {
        QFETCH(QString, model);
        QFETCH(QString, ids);
        QFETCH(QJsonArray, nll);
        const auto run = runCli({"score", testData(model), "--ids", ids, "--per-token", "--top-k", "3", "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        const auto score = run.object();
        const auto found = score["nll"].toArray();
        QCOMPARE(found.size(), nll.size());
        double sum = 0;
        for (qsizetype index = 0; index < nll.size(); ++index) {
            QVERIFY2(std::abs(found[index].toDouble() - nll[index].toDouble()) < 1e-4,
                     qPrintable(QString::number(index)));
            sum += nll[index].toDouble();
        }
        QCOMPARE(score["tokens"].toInt(), int(nll.size()));
        QVERIFY(std::abs(score["nll_sum"].toDouble() - sum) < 1e-2);
        QVERIFY(std::abs(score["nll_mean"].toDouble() * double(nll.size()) - score["nll_sum"].toDouble()) < 1e-9 * sum);
        QVERIFY(std::abs(score["perplexity"].toDouble() / std::exp(score["nll_mean"].toDouble()) - 1) < 1e-9);
        const auto top = score["top"].toArray();
        QCOMPARE(top.size(), nll.size());
        for (const auto& entries : top) QCOMPARE(entries.toArray().size(), 3);
        const auto best = top[0].toArray();
        QVERIFY(best.at(0)["logprob"].toDouble() >= best.at(1)["logprob"].toDouble());
    }

    void scoresTheSameTextByAnyWay()
    {
        const QByteArray text = "Once upon a time, there was a little girl named Lily.";
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("text.txt"), text));
        const auto by_file =
            runCli({"score", testData("stories260k-llama"), "--text", folder.filePath("text.txt"), "--json"}).object();
        const auto ids = runCli({"tokenize", testData("stories260k-llama"), "--text", "-", "--json"}, text)
                             .object()["ids"]
                             .toArray();
        const auto by_ids =
            runCli({"score", testData("stories260k-llama"), "--ids", idsText(ids, ids.size()), "--json"}).object();
        QVERIFY(by_file["tokens"].toInt() > 10);
        QCOMPARE(by_ids["nll_sum"], by_file["nll_sum"]);
        QCOMPARE(by_file["tokens"].toInt(), int(ids.size()) - 1);
        QVERIFY(by_file["bits_per_byte"].toDouble() > 0);
    }

    void anOverrideChangesTheScore()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("skip.json"), R"([{"layer": 0, "block": "mlp", "width": 0}])"));
        QVERIFY(writeBytes(folder.filePath("none.json"), "[]"));
        const QStringList score{"score", testData("golden/llama-mha"), "--ids", "1,2,3,4,5,6", "--json"};
        const auto plain = runCli(score).object()["nll_sum"].toDouble();
        QCOMPARE(
            runCli(score + QStringList{"--overrides", folder.filePath("none.json")}).object()["nll_sum"].toDouble(),
            plain);
        const auto skipped = runCli(score + QStringList{"--overrides", folder.filePath("skip.json")});
        QVERIFY2(skipped.code == 0, skipped.err.constData());
        QVERIFY(std::abs(skipped.object()["nll_sum"].toDouble() - plain) > 1e-6);
    }
};

QTEST_GUILESS_MAIN(TestCliReading)
#include "test_cli_reading.moc"
