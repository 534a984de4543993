// Base training as a job: it learns, it is deterministic, it goes on after kill -9 with the same numbers, and what goes
// wrong leaves the last good state.
#include <ATen/ATen.h>
#include <signal.h>
#include <sys/resource.h>

#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/base/files.h"
#include "engine/model/safetensors.h"
#include "engine/training/trainer.h"
#include "engine/training/training_loop_p.h"
#include "tiny.h"

using namespace flextron;
namespace fs = std::filesystem;

namespace {

TrainOptions tinyOptions(const fs::path& folder)
{
    TrainOptions options;
    options.data.files = {{test::writeText(folder / "text.txt", test::tinyText(300))}};
    options.data.shuffle_window = 16;
    options.data.held_out_share = 0.1;
    options.validation_sequences = 10;
    options.batch = 4;
    options.accumulation = 2;
    options.tokens = 30 * 4 * 2 * 32;
    options.learning_rate = 1e-2;
    options.threads = 1;
    options.checkpoint_every = 7;
    return options;
}

Result<StageReport> train(const fs::path& folder, const TrainOptions& options, const ProgressFn& progress = {},
                          const CancelToken& cancel = {})
{
    return trainBase(test::tinyConfig(false), {}, std::make_shared<test::ByteTokenizer>(true), folder / "out", options,
                     progress, cancel);
}

/// metrics.jsonl without the times.
std::vector<nlohmann::json> metrics(const fs::path& file)
{
    std::vector<nlohmann::json> lines;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(nlohmann::json::parse(line));
        lines.back().erase("seconds");
    }
    return lines;
}

std::string bytes(const fs::path& file)
{
    return readFile(file).orThrow();
}

} // namespace

/// Run as a child that is killed, or goes on where files may not grow: "--die FOLDER STEP", "--small-files FOLDER
/// BYTES".
static int child(const std::string& kind, const fs::path& folder, std::uint64_t number)
{
    TrainOptions options = tinyOptions(folder);
    if (kind == "--small-files") {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{number, number};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        options.resume = true;
    }
    const std::uint64_t tokens_a_step = 4 * 2 * 32;
    const auto result = train(folder, options, [&](const Progress& progress) {
        if (kind == "--die" && progress.done == number * tokens_a_step) ::raise(SIGKILL);
    });
    if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
    return result.ok() ? 0 : 1;
}

class TrainerTest : public QObject {
    Q_OBJECT

    static fs::path pathOf(const QTemporaryDir& folder) { return folder.path().toStdString(); }
    static QProcess& runChild(QProcess& process, const QStringList& arguments)
    {
        process.start(QCoreApplication::applicationFilePath(), arguments);
        if (!process.waitForFinished(120'000)) qFatal("the child does not end");
        return process;
    }

private slots:
    void itLearnsAndIsDeterministic()
    {
        const QTemporaryDir first, second;
        const StageReport report = train(pathOf(first), tinyOptions(pathOf(first))).orThrow();
        QCOMPARE(report.steps, 30);
        QCOMPARE(report.tokens, 30 * 4 * 2 * 32);
        QCOMPARE(report.validation.size(), 1u);
        QCOMPARE(report.validation[0].file, std::string("text.txt"));
        QVERIFY2(report.validation[0].loss < 2.8, std::to_string(report.validation[0].loss).c_str()); // from ln 260
        QVERIFY(report.training_flops > 0);

        train(pathOf(second), tinyOptions(pathOf(second))).orThrow();
        QVERIFY(bytes(pathOf(first) / "out/model.safetensors") == bytes(pathOf(second) / "out/model.safetensors"));
        const auto lines = metrics(pathOf(first) / "out/metrics.jsonl");
        QCOMPARE(lines.size(), 30u);
        QVERIFY(lines == metrics(pathOf(second) / "out/metrics.jsonl"));
        for (const char* key : {"stage", "step", "tokens", "loss", "learning_rate", "gradient_norm"})
            QVERIFY2(lines[3].contains(key), key);
        QCOMPARE(lines[29]["step"], 30);
        QVERIFY(std::abs(lines[0]["loss"].get<double>() - std::log(260.0)) < 0.1);
        QVERIFY(!fs::exists(pathOf(first) / "out.job"));
    }

    void afterAKillItGoesOnWithTheSameNumbers_data()
    {
        QTest::addColumn<int>("step");
        QTest::newRow("before the first saved state") << 3;
        QTest::newRow("right after one") << 14;
        QTest::newRow("between two") << 19;
    }
    void afterAKillItGoesOnWithTheSameNumbers()
    {
        QFETCH(int, step);
        const QTemporaryDir whole, killed;
        train(pathOf(whole), tinyOptions(pathOf(whole))).orThrow();
        QProcess process;
        runChild(process, {"--die", killed.path(), QString::number(step)});
        QCOMPARE(process.exitStatus(), QProcess::CrashExit);
        QVERIFY(!fs::exists(pathOf(killed) / "out"));

        TrainOptions options = tinyOptions(pathOf(killed));
        options.resume = true;
        train(pathOf(killed), options).orThrow();
        QVERIFY(metrics(pathOf(killed) / "out/metrics.jsonl") == metrics(pathOf(whole) / "out/metrics.jsonl"));
        QVERIFY(bytes(pathOf(killed) / "out/model.safetensors") == bytes(pathOf(whole) / "out/model.safetensors"));
    }

    void cancellingSavesTheState()
    {
        const QTemporaryDir whole, folder;
        train(pathOf(whole), tinyOptions(pathOf(whole))).orThrow();
        TrainOptions options = tinyOptions(pathOf(folder));
        options.checkpoint_every = 0;
        CancelSource cancel;
        const auto result = train(
            pathOf(folder), options,
            [&](const Progress& progress) {
                if (progress.done >= 11u * 4 * 2 * 32) cancel.cancel();
            },
            cancel.token());
        QCOMPARE(result.error().code, ErrorCode::Cancelled);

        const auto again = train(pathOf(folder), options);
        QCOMPARE(again.error().code, ErrorCode::InvalidArgument);
        QVERIFY(again.error().message.find("holds an interrupted run") != std::string::npos);
        QVERIFY(again.error().hint.find("--resume") != std::string::npos);

        options.resume = true;
        options.batch = 8;
        const auto other = train(pathOf(folder), options);
        QVERIFY2(other.error().message.find("\"batch\" was 4 then and is 8 now") != std::string::npos,
                 other.error().message.c_str());
        options.batch = 4;
        train(pathOf(folder), options).orThrow();
        QVERIFY(bytes(pathOf(folder) / "out/model.safetensors") == bytes(pathOf(whole) / "out/model.safetensors"));
    }

    void oneProgramAtATimeWorksOnAJob()
    {
        const QTemporaryDir folder;
        const TrainOptions options = tinyOptions(pathOf(folder));
        const std::filesystem::path job = jobFolderFor(options, pathOf(folder) / "out");
        std::filesystem::create_directories(job);
        {
            const FolderLock held(job);
            const auto second = train(pathOf(folder), options);
            QCOMPARE(second.error().code, ErrorCode::InvalidArgument);
            QVERIFY2(second.error().message.find("another program is at work") != std::string::npos,
                     second.error().message.c_str());
            QVERIFY(std::filesystem::is_empty(job)); // it left everything alone
        }
        train(pathOf(folder), options).orThrow();
    }

    void aLossThatIsNoNumberStopsWithTheLastGoodState()
    {
        const QTemporaryDir folder;
        TrainOptions options = tinyOptions(pathOf(folder));
        options.learning_rate = 1e30;
        options.warm_up_share = 1;
        options.checkpoint_every = 1;
        const auto result = train(pathOf(folder), options);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(result.error().message.find("is not a finite number in step") != std::string::npos,
                 result.error().message.c_str());
        QVERIFY(result.error().hint.find("lower learning rate") != std::string::npos);
        const auto state = SafetensorsFile::open(pathOf(folder) / "out.job/state.safetensors").orThrow();
        for (const auto& [name, tensor] : state.tensors())
            if (tensor.dtype == DType::Float32) QVERIFY2(checkFinite(tensor, name).ok(), name.c_str());
        QVERIFY(!fs::exists(pathOf(folder) / "out"));
    }

    void aFullDiskStopsWithTheLastGoodState()
    {
        const QTemporaryDir folder;
        QProcess killed;
        runChild(killed, {"--die", folder.path(), "8"});
        const fs::path state = pathOf(folder) / "out.job/state.safetensors";
        const std::string before = bytes(state);
        QVERIFY(before.size() > 200'000);
        QProcess small; // the next state fails in the middle of the file
        runChild(small, {"--small-files", folder.path(), "100000"});
        QCOMPARE(small.exitCode(), 1);
        const QByteArray message = small.readAllStandardError();
        QVERIFY2(message.contains("state.safetensors"), message.constData());
        QVERIFY(bytes(state) == before);
        for (const auto& entry : fs::directory_iterator(state.parent_path()))
            QVERIFY2(entry.path().extension() != ".partial", entry.path().c_str());
    }

    void optionsThatMakeNoSenseAreRefused_data()
    {
        QTest::addColumn<int>("which");
        QTest::addColumn<QString>("message");
        QTest::newRow("tokens") << 0 << "training tokens must be above 0";
        QTest::newRow("rate") << 1 << "learning rate must be above 0";
        QTest::newRow("length") << 2 << "sequence length of 64 is more than the model's context of 32";
        QTest::newRow("out") << 3 << "it already exists";
        QTest::newRow("validation") << 4 << "less validation text than one sequence";
    }
    void optionsThatMakeNoSenseAreRefused()
    {
        QFETCH(int, which);
        QFETCH(QString, message);
        const QTemporaryDir folder;
        TrainOptions options = tinyOptions(pathOf(folder));
        if (which == 0) options.tokens = 0;
        if (which == 1) options.learning_rate = -1;
        if (which == 2) options.data.sequence_length = 64;
        if (which == 3) {
            fs::create_directories(pathOf(folder) / "out");
            test::writeText(pathOf(folder) / "out/mine.txt", "x");
        }
        if (which == 4) options.validation_files = {test::writeText(pathOf(folder) / "v.txt", "short")};
        const auto result = train(pathOf(folder), options);
        QCOMPARE(result.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(QString::fromStdString(result.error().message).contains(message), result.error().message.c_str());
    }
};

int main(int count, char** values)
{
    if (count == 4) return child(values[1], values[2], std::stoull(values[3]));
    QCoreApplication application(count, values);
    TrainerTest test;
    return QTest::qExec(&test, count, values);
}
#include "test_trainer.moc"
