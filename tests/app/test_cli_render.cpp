// render: every view of a real run as a figure, without a display; what it lacks is said as by any command.
#include "cli_run.h"

class TestCliRender final : public QObject {
    Q_OBJECT

    static QByteArray contentOf(const QString& file)
    {
        QFile opened(file);
        return opened.open(QIODevice::ReadOnly) ? opened.readAll() : QByteArray();
    }

    [[nodiscard]] QString path(const char* name) const { return folder_.filePath(QLatin1String(name)); }

private slots:
    void initTestCase()
    {
        const auto run = runCli({"compare", "flextron-stories", "-p", "Once upon a time", "--panes", "full,0.6:dynamic",
                                 "--max-tokens", "30", "--trace", path("run.safetensors"), "--json"});
        QVERIFY2(run.code == 0, run.err.constData());
        tokens_ = run.json().array()[1].toObject()["tokens"].toArray();
        given_ = static_cast<int>(run.json().array()[1].toObject()["prompt_ids"].toArray().size());
    }

    void drawsEveryView_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QByteArray>("columns");
        QTest::newRow("heatmap") << QStringList{"heatmap"} << QByteArray("token,id,text,layer,mlp_neurons");
        QTest::newRow("heatmap of compute")
            << QStringList{"heatmap", "--quantity", "compute", "--model", "flextron-stories"}
            << QByteArray("token,id,text,layer,share_of_flops");
        QTest::newRow("layers") << QStringList{"layers"} << QByteArray("layer,mlp_mean,mlp_lowest");
        QTest::newRow("text") << QStringList{"text", "--colour", "difference"}
                              << QByteArray("token,id,text,given,loss_difference_nats");
        QTest::newRow("why") << QStringList{"why", "--token", "6", "--layer", "3"}
                             << QByteArray("sub_block,width,probability,used");
        QTest::newRow("budget") << QStringList{"budget", "--model", "flextron-stories"}
                                << QByteArray("token,id,text,chosen_share,running_mean,asked");
        QTest::newRow("anatomy") << QStringList{"anatomy", "--layer", "2", "--model", "flextron-stories"}
                                 << QByteArray("sub_block,unit,used,importance");
    }
    void drawsEveryView()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QByteArray, columns);
        for (const char* ending : {"svg", "pdf", "png"}) {
            const QString file = path("figure.") + QLatin1String(ending);
            const auto run = runCli(QStringList{"render"} + arguments +
                                    QStringList{"--trace", path("run.safetensors"), "--width", "174", "--out", file});
            QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
            QCOMPARE(run.out, (file + "\n" + path("figure.csv") + "\n" + path("figure.json") + "\n").toUtf8());
            QVERIFY(contentOf(file).size() > 1000);
            QVERIFY2(contentOf(path("figure.csv")).startsWith(columns), contentOf(path("figure.csv")).left(80));
            const QJsonObject sidecar = QJsonDocument::fromJson(contentOf(path("figure.json"))).object();
            QVERIFY(sidecar["command"].toString().startsWith("flextron render " + arguments[0]));
            QVERIFY(sidecar["trace_command"].toString().startsWith("flextron compare flextron-stories"));
            QCOMPARE(sidecar["pane"].toString(), QStringLiteral("0.6:dynamic"));
            QCOMPARE(sidecar["model_hash"].toString().size(), 16);
            QCOMPARE(sidecar["seed"].toString(), QStringLiteral("42"));
        }
    }

    void theDataAreThoseOfTheRun()
    {
        const auto run = runCli({"render", "heatmap", "--quantity", "heads", "--trace", path("run.safetensors"),
                                 "--out", path("heads.svg"), "--pane", "1"});
        QVERIFY2(run.code == 0, run.err.constData());
        const QList<QByteArray> rows = contentOf(path("heads.csv")).split('\n');
        for (qsizetype token = 0; token < tokens_.size(); ++token) {
            const QJsonArray heads = tokens_[token].toObject()["heads"].toArray();
            for (qsizetype layer = 0; layer < heads.size(); ++layer) {
                const QByteArray row = rows[1 + (given_ + token) * heads.size() + layer];
                QCOMPARE(row.split(',').last().toInt(), heads[layer].toInt());
            }
        }
    }

    void writesTheFigureAloneWhereAsked()
    {
        const auto run = runCli(
            {"render", "layers", "--trace", path("run.safetensors"), "--out", path("alone.svg"), "--no-data"});
        QCOMPARE(run.out, path("alone.svg").toUtf8() + "\n");
        QVERIFY(!QFile::exists(path("alone.csv")) && !QFile::exists(path("alone.json")));
    }

    void refuses_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("code");
        QTest::addColumn<QByteArray>("what");
        QTest::addColumn<QByteArray>("hint");
        const QStringList files{"--trace", path("run.safetensors"), "--out", path("x.svg")};
        const auto row = [](const char* name) -> QTestData& { return QTest::newRow(name); };
        row("a view") << QStringList{"render", "picture"} + files << 2 << QByteArray("expected heatmap|layers")
                      << QByteArray("render --help");
        row("an ending") << QStringList{"render", "heatmap", "--trace", path("run.safetensors"), "--out", path("x.bmp")}
                         << 1 << QByteArray(".svg, .pdf or .png") << QByteArray("one of these");
        row("a pane") << QStringList{"render", "heatmap", "--pane", "0.5"} + files << 1 << QByteArray("no pane \"0.5\"")
                      << QByteArray("full, 0.6:dynamic");
        row("a layer") << QStringList{"render", "why", "--layer", "8"} + files << 1 << QByteArray("layers 0 to 7")
                       << QByteArray("one of these");
        row("a width") << QStringList{"render", "heatmap", "--width", "4"} + files << 2
                       << QByteArray("expected millimetres from 40 to 400") << QByteArray("render --help");
        row("no model") << QStringList{"render", "budget"} + files << 1 << QByteArray("the budget needs the model")
                        << QByteArray("--model");
        row("another model") << QStringList{"render", "budget", "--model", testData("stories-gpt2")} + files << 1
                             << QByteArray("was made by flextron-stories") << QByteArray("that made the trace");
        row("several texts") << QStringList{"render", "pareto"} + files << 1 << QByteArray("on one text")
                             << QByteArray("flextron pareto");
        row("no trace") << QStringList{"render", "heatmap", "--trace", path("none"), "--out", path("x.svg")} << 1
                        << QByteArray("none") << QByteArray("");
    }
    void refuses()
    {
        QFETCH(QStringList, arguments);
        QFETCH(int, code);
        QFETCH(QByteArray, what);
        QFETCH(QByteArray, hint);
        const auto run = runCli(arguments);
        VERIFY_FAILS(run, code, what, hint);
        QVERIFY(!QFile::exists(path("x.svg")) && !QFile::exists(path("x.csv")));
    }

private:
    QTemporaryDir folder_;
    QJsonArray tokens_;
    int given_ = 0;
};

QTEST_GUILESS_MAIN(TestCliRender)
#include "test_cli_render.moc"
