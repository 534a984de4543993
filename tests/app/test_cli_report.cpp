// report: one page that says what --json says. tests/report uses it in a browser.
#include "cli_run.h"

class TestCliReport final : public QObject {
    Q_OBJECT

    static QByteArray contentOf(const QString& file)
    {
        QFile opened(file);
        return opened.open(QIODevice::ReadOnly) ? opened.readAll() : QByteArray();
    }
    static QJsonObject dataOf(const QByteArray& page)
    {
        const QByteArray begin("<script type=\"application/json\" id=\"data\">");
        const qsizetype from = page.indexOf(begin) + begin.size();
        return QJsonDocument::fromJson(page.mid(from, page.indexOf("</script>", from) - from)).object();
    }

private slots:
    void thePageHasTheNumbersOfTheRun()
    {
        const QTemporaryDir folder;
        const QString file = folder.filePath("r.html");
        const auto run = runCli({"report", "flextron-stories", "-p", "Once </script> upon \"a\" time", "--stops",
                                 "full,0.7:static,0.6:dynamic", "--max-tokens", "10", "--seed", "5", "--temperature",
                                 "0.8", "--out", file, "--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        QCOMPARE(run.object()["file"].toString(), file);
        const QByteArray page = contentOf(file);
        QVERIFY(page.size() < 2'000'000);
        const QJsonObject data = dataOf(page);
        QVERIFY(data["command"].toString().startsWith("flextron report flextron-stories -p 'Once </script>"));
        QCOMPARE(data["sampler"].toObject()["seed"].toString(), QStringLiteral("5"));
        QCOMPARE(data["prompt"].toString(), QStringLiteral("Once </script> upon \"a\" time"));
        const QJsonArray told = run.object()["panes"].toArray();
        const QJsonArray shown = data["panes"].toArray();
        QCOMPARE(shown.size(), 3);
        for (qsizetype i = 0; i < 3; ++i) {
            const QJsonObject pane = shown[i].toObject();
            const QJsonObject expected = told[i].toObject();
            QString text;
            for (const QJsonValue& piece : pane["texts"].toArray()) text += piece.toString();
            QCOMPARE(text, data["prompt"].toString() + expected["text"].toString());
            QCOMPARE(pane["given"].toInt(), expected["prompt_ids"].toArray().size());
            QVERIFY(qAbs(pane["agreement"].toObject()["kl"].toDouble() - expected["kl_to_full"].toDouble()) < 1e-5);
            QCOMPARE(pane["agreement"].toObject()["n"].toInt(), expected["n"].toInt());
            QVERIFY(pane["alone_ms"].toDouble() > 0);
            QVERIFY(pane["alone_measured"].toBool());
            // The full model has read all of the pane's own text.
            QCOMPARE(pane["full_logprob"].toArray().size(), pane["ids"].toArray().size());
            QVERIFY(pane.contains("mlp_share"));
            QCOMPARE(pane.contains("mlp_margin"), i == 2);
        }
        // Of the full model itself, the difference is what two ways of reading differ by.
        const QJsonObject full = shown[0].toObject();
        for (qsizetype i = 1; i < full["ids"].toArray().size(); ++i)
            QVERIFY(qAbs(full["logprob"].toArray()[i].toDouble() - full["full_logprob"].toArray()[i].toDouble()) <
                    0.02);
    }

    void printsTheFile()
    {
        const QTemporaryDir folder;
        const QString file = folder.filePath("r.html");
        const auto run = runCli({"report", testData("stories260k-llama"), "--prompt-ids", "1,2,3", "--stops", "full",
                                 "--max-tokens", "4", "--no-alone", "--out", file});
        QVERIFY2(run.code == 0, run.err.constData());
        QCOMPARE(run.out, file.toUtf8() + "\n");
        QVERIFY(dataOf(contentOf(file))["panes"].toArray()[0].toObject()["alone_ms"].isNull());
    }

    void refuses_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("code");
        QTest::addColumn<QByteArray>("what");
        QTest::addColumn<QByteArray>("hint");
        const QStringList start{"report", testData("stories260k-llama"), "-p", "x"};
        QTest::newRow("no file") << start << 2 << QByteArray("--out is required") << QByteArray("report --help");
        QTest::newRow("no folder") << start + QStringList{"--out", "/nowhere/r.html"} << 1
                                   << QByteArray("cannot write r.html") << QByteArray("existing folder");
        QTest::newRow("no stop") << start + QStringList{"--out", "r.html", "--stops", "full,fast"} << 2
                                 << QByteArray("--stops: expected full, a budget") << QByteArray("write full");
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

QTEST_GUILESS_MAIN(TestCliReport)
#include "test_cli_report.moc"
