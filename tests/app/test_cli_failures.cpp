// What goes wrong while running: one line that names it, one that says what to do, exit code 1; or 3 for Ctrl+C.
#include "cli_run.h"

#include <signal.h>

class TestCliFailures final : public QObject {
    Q_OBJECT

private slots:
    void saysWhatIsWrong_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QByteArray>("input");
        QTest::addColumn<QByteArray>("what");
        const QString model = testData("stories260k-llama");
        const auto row = [](const char* name, const QStringList& arguments, const QByteArray& what,
                            const QByteArray& input = {}) { QTest::newRow(name) << arguments << input << what; };
        row("no such model", {"info", "/no/such/model"}, "/no/such/model");
        row("no such bundled model", {"generate", "no-such-name", "-p", "x"}, "no-such-name");
        row("a folder without a model", {"info", testData("golden")}, "config.json");
        row("no such text", {"score", model, "--text", "/no/such/text"}, "/no/such/text");
        row("no such sub-network file", {"score", model, "--ids", "1,2", "--overrides", "/no/such/file"},
            "/no/such/file");
        row("overrides that are no JSON", {"score", model, "--ids", "1,2", "--overrides", testData("README.md")},
            "README.md");
        row("empty prompt", {"generate", model, "-p", ""}, "the prompt is empty");
        row("empty prompt file", {"generate", model, "--prompt-file", "-"}, "-: the prompt is empty");
        row("prompt that is no UTF-8", {"generate", model, "--prompt-file", "-"}, "-: ", "Once \xff upon");
        row("text that is no UTF-8", {"score", model, "--text", "-"}, "-: ", "Once \xff upon");
        row("tokenizing what is no UTF-8", {"tokenize", model, "--text", "-"}, "-: ", "\xc3");
        row("id outside the vocabulary", {"generate", model, "--prompt-ids", "1,512"}, "512");
        row("negative id", {"score", model, "--ids-file", "-"}, "-5", "1 -5 3");
        row("id that is none", {"score", model, "--ids-file", "-"}, "entry 2: expected a token id, found x", "1 x 3");
        row("one token has no loss", {"score", model, "--ids", "1"}, "");
        row("prompt longer than the context", {"generate", model, "--prompt-file", "-"}, "512",
            QByteArray("Once upon a time ").repeated(400));
        row("no tokenizer", {"generate", testData("golden/llama-mha"), "-p", "x"}, "this model has no tokenizer");
        row("target below the floor", {"info", model, "--budget", "0.001"}, "");
        row("unwritable --out", {"export", model, "--budget", "0.8", "--out", testData("README.md") + "/out"},
            "README.md");
        row("unwritable --trace", {"generate", model, "-p", "x", "--trace", "/no/such/folder/trace"},
            "/no/such/folder");
        row("permute without importance",
            {"convert", model, "--stages", "permute", "--out", QDir::tempPath() + "/flextron-not-written"},
            "importance");
        row("no GPU", {"generate", model, "-p", "x", "--device", "cuda:63"}, "");
        row("no GPU to train on",
            {"train", "--config", model + "/config.json", "--tokenizer", model, "--data", testData("README.md"),
             "--tokens", "1000", "--device", "cuda:63", "--out", QDir::tempPath() + "/flextron-not-written"},
            "");
    }
    void saysWhatIsWrong()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QByteArray, input);
        QFETCH(QByteArray, what);
        const auto run = runCli(arguments, input);
        VERIFY_FAILS(run, 1, what, "");
        QVERIFY(!QFile::exists(QDir::tempPath() + "/flextron-not-written"));
    }

    void refusesATruncatedFile()
    {
        QTemporaryDir folder;
        copyModel("stories260k-llama", folder);
        QFile weights(folder.filePath("model.safetensors"));
        QVERIFY(weights.resize(weights.size() / 2));
        VERIFY_FAILS(runCli({"generate", folder.path(), "-p", "x"}), 1, "model.safetensors", "");
    }

    void refusesDamagedCompressedText_data()
    {
        QTest::addColumn<QByteArray>("magic");
        QTest::addColumn<QByteArray>("what");
        QTest::newRow("xz") << QByteArray("\xfd"
                                          "7zXZ\0",
                                          6)
                            << QByteArray("the xz data is damaged");
        QTest::newRow("gzip") << QByteArray("\x1f\x8b\x08") << QByteArray("the gzip data is damaged");
        QTest::newRow("zstd") << QByteArray("\x28\xb5\x2f\xfd") << QByteArray("the zstd data is damaged");
    }
    void refusesDamagedCompressedText()
    {
        QFETCH(QByteArray, magic);
        QFETCH(QByteArray, what);
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("data"), magic + QByteArray(100, 'x')));
        const auto run = runCli({"convert", testData("stories260k-llama"), "--data", folder.filePath("data"), "--out",
                                 folder.filePath("out")});
        VERIFY_FAILS(run, 1, what, "download or copy it again");
        QCOMPARE(QDir(folder.path()).entryList(QDir::AllEntries | QDir::NoDotAndDotDot | QDir::Hidden),
                 QStringList{"data"});
    }

    void refusesUnusableCalibrationText_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("what");
        QTest::newRow("short") << QByteArray("Once.") << QByteArray("");
        QTest::newRow("empty") << QByteArray() << QByteArray("text.txt: holds less text");
        QTest::newRow("separators alone")
            << QByteArray("<|endoftext|>\n\n<|endoftext|>\n") << QByteArray("text.txt: holds less text");
        QTest::newRow("no UTF-8") << QByteArray("Once.\n<|endoftext|>\nUp\xffon") << QByteArray("document 2");
    }
    void refusesUnusableCalibrationText()
    {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, what);
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("text.txt"), text));
        const auto run = runCli({"convert", testData("stories260k-llama"), "--data", folder.filePath("text.txt"),
                                 "--out", folder.filePath("out")});
        VERIFY_FAILS(run, 1, what, "");
        QCOMPARE(QDir(folder.path()).entryList(QDir::AllEntries | QDir::NoDotAndDotDot | QDir::Hidden),
                 QStringList{"text.txt"});
    }

    void goesOnWithNoOtherChoices()
    {
        QTemporaryDir folder;
        QVERIFY(writeBytes(folder.filePath("text.txt"),
                           QByteArray("Once upon a time there was a fox.\n<|endoftext|>\n").repeated(40)));
        const QStringList how{
            "convert", testData("stories260k-llama"), "--data", folder.filePath("text.txt"), "--sequences",
            "2",       "--sequence-length",           "32"};
        QVERIFY(QDir(folder.path()).mkdir("out.work")); // as an interrupted conversion leaves it
        QCOMPARE(
            runCli(how + QStringList{"--stages", "importance,permute", "--out", folder.filePath("out.work/sorted")})
                .code,
            0);
        const auto run = runCli(how +
                                QStringList{"--out", folder.filePath("out"), "--resume", "--choices-mlp", "32,172"});
        VERIFY_FAILS(run, 1, "out.work/sorted was begun with other choices", "same ones");
    }

    void saysThatTheDiskIsFull()
    {
        if (!QFile::exists("/dev/full")) QSKIP("this system has no /dev/full");
        const auto run = runShell(cliProgram() + " completion bash > /dev/full");
        VERIFY_FAILS(run, 1, "standard output: No space left", "free some space");
    }

    void endsOnInterrupt()
    {
        QTemporaryDir folder;
        QProcess process;
        process.start(cliProgram(), {"bench", testData("stories260k-llama"), "--repeats", "100000", "--context", "16"});
        QVERIFY(process.waitForStarted());
        QTest::qWait(4000); // on a busy machine it may take long to be up
        QCOMPARE(process.state(), QProcess::Running);
        ::kill(static_cast<pid_t>(process.processId()), SIGINT);
        const auto run = finished(process);
        QCOMPARE(run.code, 3);
        QCOMPARE(run.out, QByteArray());
        QCOMPARE(run.err, QByteArray("flextron: error: cancelled\n"));
    }

    void aCancelledConversionLeavesNothing()
    {
        QTemporaryDir folder;
        QVERIFY(
            writeBytes(folder.filePath("text.txt"), QByteArray("Once upon a time there was a dog.\n").repeated(60000)));
        QProcess process;
        process.start(cliProgram(), {"convert", testData("stories260k-llama"), "--data", folder.filePath("text.txt"),
                                     "--sequences", "100000", "--out", folder.filePath("out")});
        QVERIFY(process.waitForStarted());
        QTest::qWait(4000); // on a busy machine it may take long to be up
        QCOMPARE(process.state(), QProcess::Running);
        ::kill(static_cast<pid_t>(process.processId()), SIGINT);
        QCOMPARE(finished(process).code, 3);
        QCOMPARE(QDir(folder.path()).entryList(QDir::AllEntries | QDir::NoDotAndDotDot | QDir::Hidden),
                 QStringList{"text.txt"});
    }
};

QTEST_GUILESS_MAIN(TestCliFailures)
#include "test_cli_failures.moc"
