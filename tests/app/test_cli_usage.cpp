// Command lines that make no sense, help, version and completion.
#include "cli_run.h"

#include "engine/base/version.h"

class TestCliUsage final : public QObject {
    Q_OBJECT

private slots:
    void refuses_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QByteArray>("what");
        QTest::addColumn<QByteArray>("hint");
        const QString model = testData("stories260k-llama");
        QTest::newRow("no command") << QStringList{} << QByteArray("subcommand") << QByteArray("flextron --help");
        QTest::newRow("unknown command") << QStringList{"fly"} << QByteArray("there is no command \"fly\"")
                                         << QByteArray("models, info, generate");
        QTest::newRow("unknown option") << QStringList{"info", "--wings"} << QByteArray("--wings")
                                        << QByteArray("flextron info --help");
        QTest::newRow("budget above 1") << QStringList{"info", model, "--budget", "1.5"}
                                        << QByteArray("above 0 and at most 1, found 1.5")
                                        << QByteArray("flextron info --help");
        QTest::newRow("budget 0") << QStringList{"info", model, "--budget", "0"} << QByteArray("found 0")
                                  << QByteArray("--help");
        QTest::newRow("budget NaN") << QStringList{"info", model, "--budget", "nan"} << QByteArray("found nan")
                                    << QByteArray("--help");
        QTest::newRow("two targets") << QStringList{"generate", model, "-p",       "Once",
                                                    "--budget", "0.5", "--params", "0.5"}
                                     << QByteArray("more than one target")
                                     << QByteArray("at most one of --budget, --latency");
        QTest::newRow("count that is none")
            << QStringList{"info", model, "--params", "many"} << QByteArray("many") << QByteArray("");
        QTest::newRow("sub-network that is none")
            << QStringList{"info", model, "--subnet", "mlp wide"} << QByteArray("wide") << QByteArray("");
        QTest::newRow("routing") << QStringList{"info", model, "--routing", "wild"}
                                 << QByteArray("expected dynamic|static|uniform, found wild") << QByteArray("--help");
        QTest::newRow("device") << QStringList{"info", model, "--device", "tpu", "--budget", "0.5"} << QByteArray("tpu")
                                << QByteArray("");
        QTest::newRow("weights that the reference does not hold")
            << QStringList{"generate", model, "-p", "Once", "--weights", "q8", "--dtype", "float32"}
            << QByteArray("--weights q8 and --dtype float32 contradict each other") << QByteArray("leave out one");
        QTest::newRow("weights against dtype")
            << QStringList{"generate", model, "-p", "Once", "--weights", "f32", "--dtype", "bfloat16"}
            << QByteArray("contradict") << QByteArray("leave out one");
        QTest::newRow("threads") << QStringList{"generate", model, "-p", "Once", "--threads", "0"}
                                 << QByteArray("from 1 to 4096, found 0") << QByteArray("--help");
        QTest::newRow("no prompt") << QStringList{"generate", model} << QByteArray("exactly one prompt")
                                   << QByteArray("-p TEXT");
        QTest::newRow("two prompts") << QStringList{"generate", model, "-p", "Once", "--prompt-ids", "1,2"}
                                     << QByteArray("exactly one prompt") << QByteArray("--prompt-ids");
        QTest::newRow("no text") << QStringList{"score", model} << QByteArray("exactly one text")
                                 << QByteArray("--ids-file");
        QTest::newRow("empty pane") << QStringList{"compare", model, "-p", "Once", "--panes", "full,,0.5"}
                                    << QByteArray("an empty part") << QByteArray("write full, a budget");
        QTest::newRow("pane") << QStringList{"compare", model, "-p", "Once", "--panes", "full,half"}
                              << QByteArray("found \"half\"") << QByteArray("write full, a budget");
        QTest::newRow("pane's routing") << QStringList{"compare", model, "-p", "Once", "--panes", "0.5:wild"}
                                        << QByteArray("wild") << QByteArray("write full, a budget");
        QTest::newRow("device to train on") << QStringList{"train",       "--config", model + "/config.json",
                                                           "--tokenizer", model,      "--data",
                                                           "x",           "--tokens", "1000",
                                                           "--out",       "y",        "--device",
                                                           "tpu"}
                                            << QByteArray("\"tpu\"") << QByteArray("choose auto, cpu, cuda");
        QTest::newRow("unknown stage") << QStringList{"convert", model, "--data",   "x",
                                                      "--out",   "y",   "--stages", "importance,magic"}
                                       << QByteArray("\"magic\"")
                                       << QByteArray("the stages are importance, permute, elastic, routers, joint");
        QTest::newRow("stage without text")
            << QStringList{"convert", model, "--out", "y"} << QByteArray("needs a text") << QByteArray("--data");
        QTest::newRow("no --out") << QStringList{"export", model, "--budget", "0.5"} << QByteArray("--out")
                                  << QByteArray("flextron export --help");
        QTest::newRow("model and shape") << QStringList{"bench", model, "--shape", "213M"}
                                         << QByteArray("were both given") << QByteArray("one of the two");
        QTest::newRow("shell") << QStringList{"completion", "cmd"} << QByteArray("bash|zsh|fish, found cmd")
                               << QByteArray("--help");
    }
    void refuses()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QByteArray, what);
        QFETCH(QByteArray, hint);
        const auto run = runCli(arguments);
        VERIFY_FAILS(run, 2, what, hint);
    }

    void everyCommandHasHelpWithAnExample_data()
    {
        QTest::addColumn<QString>("command");
        for (const char* command :
             {"models", "info", "generate", "compare", "score", "tokenize", "train", "train-tokenizer", "convert",
              "profile", "export", "bench", "report", "render", "completion"})
            QTest::newRow(command) << QString(command);
    }
    void everyCommandHasHelpWithAnExample()
    {
        QFETCH(QString, command);
        const auto run = runCli({command, "--help"});
        QCOMPARE(run.code, 0);
        QCOMPARE(run.err, QByteArray());
        QVERIFY2(run.out.contains("Example") && run.out.contains("flextron " + command.toUtf8()), run.out.constData());
        QVERIFY(runCli({"--help"}).out.contains(command.toUtf8()));
    }

    void saysItsVersion()
    {
        const auto run = runCli({"--version"});
        QCOMPARE(run.code, 0);
        QVERIFY(run.out.startsWith(QByteArray("flextron ") + flextron::version));
        QCOMPARE(run.err, QByteArray());
    }

    void completesInBash_data()
    {
        QTest::addColumn<QString>("words");
        QTest::addColumn<QByteArray>("completed");
        QTest::newRow("command") << "flextron gen" << QByteArray("generate\n");
        QTest::newRow("option") << "flextron info --bud" << QByteArray("--budget\n");
        QTest::newRow("closed values") << "flextron compare --routing st" << QByteArray("static\n");
        QTest::newRow("values with a number") << "flextron compare --device cu" << QByteArray("cuda\n");
    }
    void completesInBash()
    {
        QFETCH(QString, words);
        QFETCH(QByteArray, completed);
        const auto run = runShell(
            "source <(" + cliProgram() + " completion bash) && COMP_WORDS=(" + words +
            ") COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _flextron && printf '%s\\n' \"${COMPREPLY[@]}\"");
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        QCOMPARE(run.out, completed);
    }

    void writesCompletionForOtherShells()
    {
        const auto zsh = runCli({"completion", "zsh"});
        QVERIFY(zsh.out.startsWith("#compdef flextron\n") && zsh.out.contains("'--routing[") &&
                zsh.out.contains(":value:(own all recompute)"));
        const auto fish = runCli({"completion", "fish"});
        QVERIFY(fish.out.contains("complete -c flextron -n '__fish_seen_subcommand_from export' -l out -r"));
    }
};

QTEST_GUILESS_MAIN(TestCliUsage)
#include "test_cli_usage.moc"
