// What shares of cost are counted in, and that every command says so: a budget of 0.6 is not the same network before
// and after a machine was measured.
#include "cli_run.h"

#include "engine/model/checkpoint.h"
#include "engine/routing/routers.h"

#include <QRegularExpression>

using namespace flextron;

class TestCliCosts final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    const QString model_ = testData("stories260k-llama");
    QString text_;
    QString table_; ///< measured here, with one thread

    [[nodiscard]] QString cache(const QString& name) const { return folder_.filePath(name); }
    static void use(const QString& cache) { qputenv("XDG_CACHE_HOME", cache.toUtf8()); }

private slots:
    void initTestCase()
    {
        text_ = folder_.filePath("text.txt");
        QVERIFY(writeBytes(text_, "Once upon a time there was a little dog.\n"));
        // The same table in both caches, in one of them as an older version left it.
        for (const char* name : {"measured", "outdated"}) {
            use(cache(name));
            const auto run = runCli({"profile", model_, "--threads", "1", "--checks", "0", "--json"});
            QVERIFY2(run.code == 0, run.err.constData());
            table_ = run.object()["file"].toString();
        }
        QFile file(table_);
        QVERIFY(file.open(QIODevice::ReadOnly));
        QByteArray bytes = file.readAll();
        QVERIFY(bytes.contains("\"format_version\": 3"));
        bytes.replace("\"format_version\": 3", "\"format_version\": 2");
        QVERIFY(writeBytes(table_, bytes));
        table_.replace("/outdated/", "/measured/");
    }

    void saysWhatIsCounted_data()
    {
        QTest::addColumn<QString>("cache");
        QTest::addColumn<QStringList>("options");
        QTest::addColumn<QString>("basis"); // a regular expression
        const QStringList none;
        const QString day = "\\d{4}-\\d\\d-\\d\\d\\)";
        QTest::newRow("never measured") << "empty" << none
                                        << "FLOPs \\(no latency table for this set-up yet: flextron profile\\)";
        QTest::newRow("measured") << "measured" << none << "latency \\(table of this machine, " + day;
        QTest::newRow("other threads") << "measured" << QStringList{"--threads", "2"} << "FLOPs \\(no latency table";
        QTest::newRow("FLOPs") << "measured" << QStringList{"--cost", "flops"} << "FLOPs,";
        QTest::newRow("milliseconds") << "new" << QStringList{"--cost", "ms"} << "latency \\(table of this machine, ";
        QTest::newRow("outdated") << "outdated" << none
                                  << "FLOPs \\(the latency table is out of date: [a-z ]+: flextron profile\\)";
        QTest::newRow("outdated, measured anew")
            << "outdated" << QStringList{"--cost", "ms"} << "latency \\(table of this machine, " + day;
        QTest::newRow("of another set-up") << "empty" << QStringList{"--threads", "2", "--table", table_}
                                           << "latency \\(table of [^,]+(, \\d+ threads?)?, " + day;
    }
    void saysWhatIsCounted()
    {
        QFETCH(QString, cache);
        QFETCH(QStringList, options);
        QFETCH(QString, basis);
        use(this->cache(cache));
        if (!options.contains("--threads"))
            options << "--threads"
                    << "1";
        const auto run = runCli(QStringList{"info", model_, "--budget", "0.7"} + options);
        QVERIFY2(run.code == 0, run.err.constData());
        const QString last = QString(run.out).trimmed().section('\n', -1);
        QVERIFY2(last.contains(QRegularExpression("% of the full model's " + basis)), qPrintable(last));
        // --json says the same in a word.
        const auto json = runCli(QStringList{"info", model_, "--budget", "0.7", "--json"} + options).object();
        QCOMPARE(json["subnet"]["cost_basis"].toString() == "FLOPs", basis.startsWith("FLOPs"));
    }

    void everyCommandSaysIt_data()
    {
        QTest::addColumn<QStringList>("command");
        const auto row = [](const QStringList& command) { QTest::newRow(qPrintable(command[0])) << command; };
        row({"info", model_, "--budget", "0.7"});
        row({"score", model_, "--text", text_, "--budget", "0.7"});
        row({"evaluate", model_, "--task", "perplexity", "--data", text_, "--budget", "0.7"});
        row({"compare", model_, "-p", "Once", "--max-tokens", "2", "--panes", "full,0.7"});
        row({"pareto", model_, "--data", text_, "--budgets", "0.7"});
        row({"export", model_, "--budget", "0.7"});
    }
    void everyCommandSaysIt()
    {
        QFETCH(QStringList, command);
        use(cache("measured"));
        if (command[0] == "export") command << "--out" << folder_.filePath("by-ms");
        const auto by_ms = runCli(command + QStringList{"--threads", "1", "--table", table_});
        QVERIFY2(by_ms.code == 0, by_ms.err.constData());
        QVERIFY2(by_ms.out.contains(" the full model's latency (table of this machine, "), by_ms.out.constData());
        if (command[0] == "export") command.last() = folder_.filePath("by-flops");
        const auto by_flops = runCli(command + QStringList{"--threads", "1", "--cost", "flops"});
        QVERIFY2(by_flops.code == 0, by_flops.err.constData());
        QVERIFY2(by_flops.out.contains(" the full model's FLOPs") && !by_flops.out.contains("latency"),
                 by_flops.out.constData());
    }

    // The stops of routers are shares of FLOPs, so their report counts in these unless it is told otherwise.
    void routersAreCountedInFlops()
    {
        use(cache("measured"));
        QTemporaryDir routed;
        copyModel("stories260k-llama", routed);
        const std::filesystem::path folder = routed.path().toStdString();
        const auto model = Checkpoint::open(folder).orThrow();
        writeRouters(folder / "routers.safetensors", randomRouters(model->config(), model->choices(), {1.0, 0.5}, 8, 1))
            .orThrow();
        const QStringList command{"routers",   routed.path(), "--data",      "a=" + text_,
                                  "--threads", "1",           "--resamples", "1"};
        const auto by_flops = runCli(command);
        QVERIFY2(by_flops.code == 0, by_flops.err.constData());
        QVERIFY2(by_flops.out.contains("the full model's FLOPs"), by_flops.out.constData());
        const auto by_ms = runCli(command + QStringList{"--cost", "ms"});
        QVERIFY2(by_ms.code == 0, by_ms.err.constData());
        QVERIFY2(by_ms.out.contains("the full model's latency (table of this machine, "), by_ms.out.constData());
        QVERIFY2(by_ms.out.contains("asked for 0.500"), by_ms.out.constData());
    }

    void contradictions_data()
    {
        QTest::addColumn<QStringList>("command");
        QTest::addColumn<QByteArray>("what");
        QTest::newRow("milliseconds") << QStringList{"info", model_, "--latency", "1"} << QByteArray("milliseconds");
        QTest::newRow("a table") << QStringList{"info", model_, "--table", table_} << QByteArray("--table");
        QTest::newRow("search for milliseconds")
            << QStringList{"search", model_, "--latency", "1", "--data", text_} << QByteArray("milliseconds");
        QTest::newRow("pareto with a table")
            << QStringList{"pareto", model_, "--data", text_, "--table", table_} << QByteArray("--table");
    }
    void contradictions()
    {
        QFETCH(QStringList, command);
        QFETCH(QByteArray, what);
        VERIFY_FAILS(runCli(command + QStringList{"--cost", "flops"}), 2, what, "leave out one");
    }
};

QTEST_GUILESS_MAIN(TestCliCosts)
#include "test_cli_costs.moc"
