// The latency table: its arithmetic, its file, and what measuring finds on a backend whose times are known.
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <fstream>
#include <random>

#include "engine/base/files.h"
#include "engine/latency/measure_p.h"
#include "tests/engine/support/fake_backend.h"

using namespace flextron;
using namespace flextron::test;

namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

LatencyTable makeTable()
{
    LatencyTable table;
    table.fingerprint = "0123456789abcdef";
    table.device = "some CPU, 2 threads";
    table.measured_at = "2024-07-21T12:00:00Z";
    table.repeats = 7;
    table.mlp_widths = {0, 16, 64};
    table.head_counts = {0, 2, 8};
    table.contexts = {32, 96};
    table.fixed_ms = 0.7;
    table.mlp_ms = {0, 0.11, 0.31};
    table.attention_own_ms = {{0, 0.13, 0.4}, {0, 0.15, 0.5}};
    table.attention_all_ms = {{0.02, 0.17, 0.4}, {0.02, 0.2, 0.5}};
    table.router_ms = 0.01;
    table.router_inter_dim = 32;
    table.noise = 0.03;
    return table;
}

SubNetwork layers(std::vector<int> mlp, std::vector<int> heads)
{
    return {std::move(mlp), std::move(heads)};
}

bool near(double a, double b, double tolerance = 1e-9)
{
    return std::abs(a - b) <= tolerance;
}

} // namespace

class TestLatencyTable final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    [[nodiscard]] fs::path path(const std::string& name) const { return fs::path(folder_.path().toStdString()) / name; }

    /// A fake whose elapsed time is the clock.
    struct Fake {
        FakeModel model;
        ClockMs clock;
    };
    [[nodiscard]] Fake fake(const std::string& name) const
    {
        Fake result{fakeModel(path(name)), {}};
        result.clock = [backend = result.model.backend] { return backend->elapsedMs(); };
        return result;
    }
    static MeasureOptions options(std::vector<int> contexts, int repeats = 5)
    {
        MeasureOptions result;
        result.contexts = std::move(contexts);
        result.repeats = repeats;
        result.quick = false;
        return result;
    }

private slots:
    void sumsAndInterpolates_data()
    {
        QTest::addColumn<int>("mlp");
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("context");
        QTest::addColumn<bool>("own");
        QTest::addColumn<double>("layer_ms");
        QTest::newRow("entries") << 64 << 8 << 32 << true << 0.31 + 0.4;
        QTest::newRow("longest context") << 64 << 8 << 96 << true << 0.31 + 0.5;
        QTest::newRow("nothing") << 0 << 0 << 32 << true << 0.0;
        QTest::newRow("nothing, all keys") << 0 << 0 << 32 << false << 0.02;
        QTest::newRow("between widths") << 40 << 2 << 32 << true << 0.21 + 0.13;
        QTest::newRow("below the first width") << 8 << 0 << 32 << true << 0.055;
        QTest::newRow("between heads") << 0 << 4 << 32 << true << 0.13 + 0.27 / 3;
        QTest::newRow("between contexts") << 0 << 8 << 64 << true << 0.45;
        QTest::newRow("between both") << 0 << 4 << 64 << true << ((0.13 + 0.27 / 3) + (0.15 + 0.35 / 3)) / 2;
        QTest::newRow("before the first context") << 0 << 8 << 1 << true << 0.4;
        QTest::newRow("beyond the last context") << 0 << 8 << 160 << true << 0.6;
        QTest::newRow("all keys") << 16 << 2 << 96 << false << 0.11 + 0.2;
    }
    void sumsAndInterpolates()
    {
        QFETCH(int, mlp);
        QFETCH(int, heads);
        QFETCH(int, context);
        QFETCH(bool, own);
        QFETCH(double, layer_ms);
        const double ms = makeTable().predictMs(layers({mlp, mlp, mlp}, {heads, heads, heads}), context,
                                                own ? KvRule::Own : KvRule::All);
        QVERIFY2(near(ms, 0.7 + 3 * layer_ms), std::to_string(ms).c_str());
    }

    void layersAreAddedEachWithItsOwnWidths()
    {
        const double ms = makeTable().predictMs(layers({64, 0, 16}, {0, 8, 2}), 32, KvRule::Own);
        QVERIFY(near(ms, 0.7 + 0.31 + (0.4) + (0.11 + 0.13)));
    }

    void oneContextServesAll()
    {
        LatencyTable table = makeTable();
        table.contexts = {32};
        table.attention_own_ms.pop_back();
        for (const int context : {1, 32, 500})
            QVERIFY(near(table.predictMs(layers({0}, {8}), context, KvRule::Own), 1.1));
    }

    // The fake's step is a sum of known parts: measuring must find each.
    void measuringFindsTheKnownTimes()
    {
        const Fake subject = fake("known");
        const LatencyTable table = measureLatencyWith(*subject.model.backend, options({16, 64}), subject.clock, {}, {});
        const FakeTimes times;
        QVERIFY(near(table.fixed_ms, times.fixed_ns * 1e-6));
        QCOMPARE(table.contexts, (std::vector<int>{16, 64}));
        QCOMPARE(table.mlp_widths.front(), 0);
        QCOMPARE(table.mlp_widths.back(), 64);
        for (std::size_t i = 0; i < table.mlp_widths.size(); ++i)
            QVERIFY(near(table.mlp_ms[i], times.neuron_ns * table.mlp_widths[i] * 1e-6));
        for (std::size_t c = 0; c < 2; ++c)
            for (std::size_t i = 0; i < table.head_counts.size(); ++i) {
                const int heads = table.head_counts[i];
                const double used = heads * (times.head_ns + times.head_context_ns * table.contexts[c]);
                QVERIFY(near(table.attention_own_ms[c][i], (used + times.kv_head_ns * heads) * 1e-6));
                QVERIFY(near(table.attention_all_ms[c][i], (used + times.kv_head_ns * 8) * 1e-6));
            }
        QVERIFY(near(table.router_ms, 0.0)); // the fake's routers take no time
        QVERIFY(near(table.noise, 0.0));
        QCOMPARE(table.repeats, 5);
        QCOMPARE(table.fingerprint, latencyFingerprint(*subject.model.backend));
        QCOMPARE(table.revision, subject.model.backend->revision());
        QVERIFY(!table.device.empty());
        QCOMPARE(table.measured_at.size(), std::size_t(20));
    }

    // And so its prediction for any sub-network is what a step takes.
    void predictionEqualsAStep()
    {
        const Fake subject = fake("predicted");
        const FakeBackend& backend = *subject.model.backend;
        const LatencyTable table = measureLatencyWith(backend, options({16, 64}), subject.clock, {}, {});
        std::mt19937_64 random(2);
        for (int trial = 0; trial < 20; ++trial) {
            WidthPlan plan;
            for (int l = 0; l < 3; ++l) {
                plan.subnet.mlp.push_back(static_cast<int>(random() % 65));
                plan.subnet.heads.push_back(2 * static_cast<int>(random() % 5));
            }
            const bool own = trial % 2 == 0;
            const auto cache = backend.newCache(40, own ? plan.subnet.heads : std::vector<int>{8, 8, 8}).orThrow();
            const std::vector<TokenId> tokens(39, 5);
            const StepInput prefix{cache.get(), tokens, &plan, LogitsWanted::None};
            const StepInput next{cache.get(), std::span(tokens).first(1), &plan, LogitsWanted::Last};
            StepOutput output;
            QVERIFY(backend.step({&prefix, 1}, {&output, 1}, {}).ok());
            QVERIFY(backend.step({&next, 1}, {&output, 1}, {}).ok());
            QVERIFY(near(table.predictMs(plan.subnet, 40, own ? KvRule::Own : KvRule::All), output.ns * 1e-6));
        }
    }

    // A machine that gets a third slower while it is measured, step by step.
    void driftCancels()
    {
        const Fake subject = fake("drift");
        int steps = 0;
        subject.model.backend->slowness = [&steps] { return 1.0 + ++steps / 3000.0; };
        const LatencyTable table = measureLatencyWith(*subject.model.backend, options({16}, 15), subject.clock, {}, {});
        QVERIFY(steps > 200);
        const double ratio = table.mlp_ms.back() / (100.0 * 64 * 1e-6);
        const double middle = 1.0 + steps / 6000.0;
        QVERIFY2(std::abs(ratio / middle - 1.0) < 0.1, std::to_string(ratio).c_str());
        QVERIFY(table.noise > 0.0);
    }

    // One step in ten takes five times as long: medians do not see it.
    void outliersDoNotCount()
    {
        const Fake subject = fake("outliers");
        std::mt19937_64 random(4);
        subject.model.backend->slowness = [&random] { return random() % 10 == 0 ? 5.0 : 1.0; };
        const LatencyTable table = measureLatencyWith(*subject.model.backend, options({16}, 25), subject.clock, {}, {});
        QVERIFY(near(table.fixed_ms, 0.1));
        QVERIFY(near(table.mlp_ms.back(), 0.0064));
    }

    void quickMeasuresLess()
    {
        const Fake subject = fake("quick");
        MeasureOptions quick = options({8, 16, 32, 64}, 15);
        quick.quick = true;
        const LatencyTable table = measureLatencyWith(*subject.model.backend, quick, subject.clock, {}, {});
        QCOMPARE(table.contexts, (std::vector<int>{8, 64}));
        QCOMPARE(table.repeats, kMostQuickRounds); // the fake is fast
        subject.model.backend->slowness = [] { return 1000.0; };
        const LatencyTable slow = measureLatencyWith(*subject.model.backend, quick, subject.clock, {}, {});
        QCOMPARE(slow.repeats, kLeastQuickRounds);
        QVERIFY(near(slow.fixed_ms, 1000 * table.fixed_ms, 1e-6));
    }

    // Routers take their own time, once for every layer.
    void routersAreCountedWhereTheyChoose()
    {
        LatencyTable table = makeTable();
        table.router_ms = 0.05;
        const SubNetwork subnet = layers({64, 16, 0}, {2, 8, 0});
        const double widths = table.predictMs(subnet, 32, KvRule::All);
        QVERIFY(near(table.predictMs(subnet, 32, KvRule::All, /*routed=*/true), widths + 3 * 0.05));
    }

    // Stopped in its second context, it keeps the first, and goes on from there.
    void aStoppedMeasurementGoesOn()
    {
        const Fake subject = fake("resumed");
        MeasureOptions resumed = options({16, 32, 64}, 3);
        resumed.resume = path("partial/table.json");
        CancelSource source;
        const auto stop = [&](const Progress& p) {
            if (p.done == 7) source.cancel();
        };
        QVERIFY(!measureLatency(*subject.model.backend, resumed, stop, source.token()).ok());
        QCOMPARE(readLatencyTable(resumed.resume)->contexts, (std::vector<int>{16}));
        std::vector<Progress> seen;
        const LatencyTable table = measureLatencyWith(*subject.model.backend, resumed, subject.clock,
                                                      [&](const Progress& p) { seen.push_back(p); }, {});
        QCOMPARE(seen.size(), std::size_t(10));
        QCOMPARE(table.contexts, (std::vector<int>{16, 32, 64}));
        QCOMPARE(table.attention_all_ms.size(), std::size_t(3));
        QVERIFY(!fs::exists(resumed.resume));
    }

    void contextsBeyondTheModelsAreItsLongest()
    {
        const Fake subject = fake("long");
        QCOMPARE(measureLatencyWith(*subject.model.backend, options({64, 256, 512}), subject.clock, {}, {}).contexts,
                 (std::vector<int>{64, 96}));
    }

    void progressAndCancel()
    {
        const Fake subject = fake("cancel");
        std::vector<Progress> seen;
        (void)measureLatencyWith(*subject.model.backend, options({16, 32}, 3), subject.clock,
                                 [&](const Progress& p) { seen.push_back(p); }, {});
        QCOMPARE(seen.size(), std::size_t(10)); // two contexts of two warm-up rounds and three more
        QCOMPARE(seen.back().done, seen.back().total);
        CancelSource source;
        const auto result = measureLatency(
            *subject.model.backend, options({16}, 3), [&](const Progress&) { source.cancel(); }, source.token());
        QCOMPARE(result.error().code, ErrorCode::Cancelled);
    }

    void badOptions()
    {
        const Fake subject = fake("bad");
        QVERIFY(has(measureLatency(*subject.model.backend, options({16}, 0)).error().message, "at least 1 repeat"));
        QVERIFY(has(measureLatency(*subject.model.backend, options({0}, 3)).error().message, "a context of 0 tokens"));
        QVERIFY(has(measureLatency(*subject.model.backend, options({}, 3)).error().message, "no context length"));
    }

    void checkFindsAStaleTable()
    {
        const Fake subject = fake("stale");
        FakeBackend& backend = *subject.model.backend;
        const LatencyTable table = measureLatencyWith(backend, options({16, 64}), subject.clock, {}, {});
        const StaleCheck fresh = checkLatencyTableWith(table, backend, subject.clock, {});
        QVERIFY(near(fresh.worst_ratio, 1.0, 1e-6));
        QVERIFY(!fresh.stale);
        for (const auto& [slowness, stale] :
             std::vector<std::pair<double, bool>>{{1.1, false}, {1.3, true}, {0.7, true}}) {
            backend.slowness = [slowness = slowness] { return slowness; };
            const StaleCheck check = checkLatencyTableWith(table, backend, subject.clock, {});
            QVERIFY(near(check.worst_ratio, slowness, 1e-6));
            QCOMPARE(check.stale, stale);
        }
        LatencyTable other = table;
        other.fingerprint = "another";
        QCOMPARE(checkLatencyTable(other, backend).error().code, ErrorCode::InvalidArgument);
        CancelSource source;
        source.cancel();
        QCOMPARE(checkLatencyTable(table, backend, source.token()).error().code, ErrorCode::Cancelled);
    }

    void fileRoundTrip()
    {
        const LatencyTable table = makeTable();
        const fs::path file = path("deep/er/table.json");
        QVERIFY(writeLatencyTable(file, table).ok());
        const auto read = readLatencyTable(file);
        QVERIFY2(read.ok(), read ? "" : read.error().message.c_str());
        QCOMPARE(read->fingerprint, table.fingerprint);
        QCOMPARE(read->revision, table.revision);
        QCOMPARE(read->device, table.device);
        QCOMPARE(read->measured_at, table.measured_at);
        QCOMPARE(read->repeats, table.repeats);
        QCOMPARE(read->mlp_widths, table.mlp_widths);
        QCOMPARE(read->head_counts, table.head_counts);
        QCOMPARE(read->contexts, table.contexts);
        QCOMPARE(read->fixed_ms, table.fixed_ms);
        QCOMPARE(read->mlp_ms, table.mlp_ms);
        QCOMPARE(read->attention_own_ms, table.attention_own_ms);
        QCOMPARE(read->attention_all_ms, table.attention_all_ms);
        QCOMPARE(read->router_ms, table.router_ms);
        QCOMPARE(read->router_inter_dim, table.router_inter_dim);
        QCOMPARE(read->noise, table.noise);
    }

    void damagedFiles_data()
    {
        QTest::addColumn<QString>("from");
        QTest::addColumn<QString>("to");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* name, const char* from, const char* to, const char* message,
                            ErrorCode code = ErrorCode::Corrupt) {
            QTest::newRow(name) << from << to << static_cast<int>(code) << message;
        };
        row("syntax", "{", "", "table.json");
        row("version", "\"format_version\": 3", "\"format_version\": 4", "format version 4", ErrorCode::Unsupported);
        row("ancient", "\"format_version\": 3", "\"format_version\": 1", "format version 1", ErrorCode::Unsupported);
        row("no revision", "\"revision\"", "\"revison\"", "revision");
        row("missing key", "\"fixed_ms\"", "\"fixd_ms\"", "fixed_ms");
        row("negative time", "0.31", "-0.31", "mlp_ms");
        row("text for a time", "0.31", "\"0.31\"", "mlp_ms");
        row("too few times", "0.31", "0.31, 0.4", "a list of 3 times");
        row("widths descend", "16", "99", "mlp_widths");
        row("no zero", "\"head_counts\": [\n    0", "\"head_counts\": [\n    1", "a list that begins with 0");
        row("no repeats", "\"repeats\": 7", "\"repeats\": 0", "repeats");
    }
    void damagedFiles()
    {
        QFETCH(QString, from);
        QFETCH(QString, to);
        QFETCH(int, code);
        QFETCH(QString, message);
        QVERIFY(writeLatencyTable(path("good.json"), makeTable()).ok());
        std::string text = readFile(path("good.json")).orThrow();
        QVERIFY(has(text, from.toStdString()));
        text.replace(text.find(from.toStdString()), static_cast<std::size_t>(from.size()), to.toStdString());
        QVERIFY(writeFile(path("table.json"), text).ok());
        const auto result = readLatencyTable(path("table.json"));
        QVERIFY(!result);
        QVERIFY2(has(result.error().message, message.toStdString()) && has(result.error().message, "table.json"),
                 result.error().message.c_str());
        QCOMPARE(static_cast<int>(result.error().code), code);
    }

    // Tables outlive the layouts and kernels that they measured.
    void anOutdatedTableIsSaidToBe_data()
    {
        QTest::addColumn<int>("format");
        QTest::addColumn<int>("revision"); // of the backend now; the table is of 1
        QTest::addColumn<QString>("problem");
        QTest::newRow("as it was") << 3 << 1 << "";
        QTest::newRow("other kernels since") << 3 << 2 << "out of date";
        QTest::newRow("before there were revisions") << 2 << 1 << "out of date";
        QTest::newRow("a format to come") << 4 << 1 << "format version 4";
        QTest::newRow("never measured") << 0 << 1 << "no latency table for this set-up yet";
    }
    void anOutdatedTableIsSaidToBe()
    {
        QFETCH(int, format);
        QFETCH(int, revision);
        QFETCH(QString, problem);
        qputenv("XDG_CACHE_HOME", folder_.filePath(QString("cache of ") + QTest::currentDataTag()).toUtf8());
        const Fake subject = fake(std::string("outdated ") + QTest::currentDataTag());
        FakeBackend& backend = *subject.model.backend;
        const LatencyTable table = measureLatencyWith(backend, options({16}), subject.clock, {}, {});
        const fs::path file = latencyTablePath(table.fingerprint);
        if (format > 0) {
            QVERIFY(writeLatencyTable(file, table).ok());
            std::string text = readFile(file).orThrow();
            const std::string key = "\"format_version\": ";
            text.replace(text.find(key) + key.size(), 1, std::to_string(format));
            if (format == 2) text.erase(text.find("\"revision\""), std::string("\"revision\": 1,").size());
            QVERIFY(writeFile(file, text).ok());
        }
        backend.timing_revision = revision;
        const auto cached = cachedLatencyTable(backend);
        QCOMPARE(cached.ok(), problem.isEmpty());
        if (cached) return;
        QVERIFY2(has(cached.error().message, problem.toStdString()), cached.error().message.c_str());
        QVERIFY(has(cached.error().hint, "flextron profile"));
        if (revision == 2) // what was cut short is not gone on with, either, and nothing is checked against it
            QCOMPARE(checkLatencyTable(table, backend).error().code, ErrorCode::InvalidArgument);
    }

    void noFile() { QCOMPARE(readLatencyTable(path("none.json")).error().code, ErrorCode::NotFound); }

    void fingerprintTellsModelsApart()
    {
        const auto print = [&](const char* name, const ModelConfig& config) {
            return latencyFingerprint(*fakeModel(path(name), config).backend);
        };
        const std::string original = print("f1", fakeConfig());
        QCOMPARE(original.size(), std::size_t(16));
        QCOMPARE(print("f2", fakeConfig()), original);
        ModelConfig wider = fakeConfig();
        wider.layers[0].intermediate_size = wider.layers[1].intermediate_size = wider.layers[2].intermediate_size = 96;
        QVERIFY(print("f3", wider) != original);
        ModelConfig deeper = fakeConfig();
        deeper.layers.push_back(deeper.layers.front());
        QVERIFY(print("f4", deeper) != original);
        QVERIFY(has(latencyTablePath(original).string(), "flextron/latency/" + original + ".json"));
    }

    // On a real clock: only that it works.
    void realClock()
    {
        const Fake subject = fake("real");
        const auto table = measureLatency(*subject.model.backend, options({16}, 3));
        QVERIFY(table.ok());
        QVERIFY(table->fixed_ms > 0);
        QVERIFY(checkLatencyTable(*table, *subject.model.backend).ok());
    }
};

QTEST_APPLESS_MAIN(TestLatencyTable)
#include "test_latency_table.moc"
