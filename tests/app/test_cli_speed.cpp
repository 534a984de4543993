// profile and bench: the rows are there and fit together. How fast is no matter here.
#include "cli_run.h"

class TestCliSpeed final : public QObject {
    Q_OBJECT

private slots:
    void profilesThenMeetsALatency()
    {
        const auto model = testData("stories260k-llama");
        const auto run = runCli({"profile", model, "--checks", "4", "--context", "64", "--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto profile = run.object();
        QVERIFY(!profile["device"].toString().isEmpty());
        QVERIFY(QFile::exists(profile["file"].toString()));
        int mlp = 0, attention = 0;
        for (const auto& entry : profile["entries"].toArray()) {
            QVERIFY(entry.toObject()["ms"].isDouble());
            mlp += entry.toObject()["block"] == "mlp" ? 1 : 0;
            attention += entry.toObject()["block"] == "attention" ? 1 : 0;
        }
        QVERIFY(mlp >= 2 && attention >= 4);
        QCOMPARE(profile["checks"].toArray().size(), 8); // static and dynamic
        double mean = 0, largest = 0;
        for (const auto& check : profile["checks"].toArray()) {
            const double predicted = check.toObject()["predicted_ms"].toDouble(),
                         measured = check.toObject()["measured_ms"].toDouble();
            QVERIFY(predicted > 0 && measured > 0);
            mean += std::abs(predicted - measured) / measured / 8;
            largest = std::max(largest, std::abs(predicted - measured) / measured);
        }
        QVERIFY(std::abs(profile["error"]["mean"].toDouble() - mean) < 1e-9);
        QVERIFY(std::abs(profile["error"]["max"].toDouble() - largest) < 1e-9);

        // With the table, milliseconds are a target.
        const auto info = runCli({"info", model, "--latency", "1000", "--context", "64", "--json"});
        QVERIFY2(info.code == 0, info.err.constData());
        QVERIFY(info.object()["subnet"]["predicted_ms"].toDouble() > 0);
        QCOMPARE(info.object()["subnet"]["cost_basis"].toString(), "latency table");
    }

    void benches()
    {
        const auto run = runCli(
            {"bench", testData("stories260k-llama"), "--repeats", "3", "--context", "32", "--json"});
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        const auto bench = run.object();
        const double limit = bench["memory_limit"]["bytes_per_second"].toDouble();
        QVERIFY(limit > 1e8);
        QStringList names;
        for (const auto& value : bench["rows"].toArray()) {
            const auto row = value.toObject();
            names += row["name"].toString();
            if (row.contains("stop_ms_max")) {
                QVERIFY(row["stop_ms_max"].toDouble() >= row["ms"].toDouble());
                continue;
            }
            QVERIFY(row["tokens_per_second"].toDouble() > 0);
            if (row.contains("change_ms")) {
                QVERIFY(row["change_ms_max"].toDouble() >= row["change_ms"].toDouble());
                QVERIFY(row["resident_bytes_before"].toDouble() > 1e6 && row["resident_bytes_after"].toDouble() > 1e6);
                continue;
            }
            QVERIFY(std::abs(row["share_of_limit"].toDouble() - row["bytes_per_second"].toDouble() / limit) < 1e-9);
            if (row.contains("speed_up"))
                QVERIFY(std::abs(row["share_of_ideal"].toDouble() -
                                 row["speed_up"].toDouble() / row["ideal_speed_up"].toDouble()) < 1e-9);
        }
        for (const char* name :
             {"decode, full", "speed-up at 0.6 of the bytes", "prefill, full", "panes: 1", "panes: 4",
              "switch of the sub-network between two tokens", "stop while reading a prompt"})
            QVERIFY2(names.contains(name), name);
    }
};

QTEST_GUILESS_MAIN(TestCliSpeed)
#include "test_cli_speed.moc"
