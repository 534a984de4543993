// Tasks in their official files: what is asked, what counts as right, and every log-probability against Hugging Face
// transformers (tests/data/eval/make_goldens.py, which writes the tasks' texts down once more).
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>

#include <cmath>

#include "engine/base/files.h"
#include "engine/evaluate/choice.h"
#include "engine/evaluate/task_formats_p.h"
#include "tests/engine/support/expect.h"

using namespace flextron;
using namespace flextron::test;

namespace {

const std::filesystem::path kData = testData() / "eval";

TaskFiles filesOf(TaskName name)
{
    TaskFiles files;
    switch (name) {
    case TaskName::ArcEasy: files.data = {kData / "arc_easy.jsonl"}; break;
    case TaskName::Lambada: files.data = {kData / "lambada_openai.jsonl"}; break;
    case TaskName::Piqa: files.data = {kData / "piqa_valid.jsonl"}; break;
    case TaskName::Winogrande: files.data = {kData / "winogrande_xl_dev.jsonl"}; break;
    case TaskName::Hellaswag: files.data = {kData / "hellaswag_val.jsonl"}; break;
    case TaskName::Mmlu:
        files.data = {kData / "mmlu/test/anatomy_test.csv", kData / "mmlu/test/astronomy_test.csv"};
        break;
    }
    return files;
}

TaskName named(const QString& name)
{
    return valueOf(parseTaskName(name.section(' ', 0, 0).toStdString()));
}

} // namespace

class TestTasks final : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;

    [[nodiscard]] std::filesystem::path write(const char* name, const QByteArray& text) const
    {
        const auto file = std::filesystem::path(folder_.path().toStdString()) / name;
        succeed(writeFile(file, text.toStdString()));
        return file;
    }

private slots:
    void firstQuestion_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("context");
        QTest::addColumn<QString>("right");
        QTest::addColumn<int>("choices");
        QTest::newRow("arc_easy") << "arc_easy"
                                  << "Question: Which statement best explains why photosynthesis is the foundation of "
                                     "most food webs?\nAnswer:"
                                  << " Sunlight is the source of energy for nearly all ecosystems." << 4;
        QTest::newRow("piqa") << "piqa"
                              << "Question: How do I ready a guinea pig cage for it's new occupants?\nAnswer:"
                              << " Provide the guinea pig with a cage full of a few inches of bedding made of ripped "
                                 "paper strips, you will also need to supply it with a water bottle and a food dish."
                              << 2;
        QTest::newRow("winogrande") << "winogrande"
                                    << "Sarah was a much better surgeon than Maria so Maria"
                                    << " always got the easier cases." << 2;
        QTest::newRow("hellaswag") << "hellaswag"
                                   << "Roof shingle removal: A man is sitting on a roof. he"
                                   << " starts pulling up roofing on a roof." << 4;
    }
    void firstQuestion()
    {
        QFETCH(QString, name);
        QFETCH(QString, context);
        QFETCH(QString, right);
        QFETCH(int, choices);
        const Task task = valueOf(readTask(named(name), filesOf(named(name))));
        const TaskItem& item = task.items.front();
        QCOMPARE(static_cast<int>(item.continuations.size()), choices);
        const auto gold = static_cast<std::size_t>(item.gold);
        QCOMPARE(QString::fromStdString(item.contexts[gold]), context);
        QCOMPARE(QString::fromStdString(item.continuations[gold]), right);
        QCOMPARE(item.characters[gold], static_cast<int>(right.size()) - 1);
    }

    void everyLogProbability_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("shots");
        for (const char* model : {"stories260k-llama", "stories-gpt2"})
            for (const char* name : {"arc_easy", "lambada", "piqa", "winogrande", "hellaswag", "mmlu", "mmlu 2"})
                QTest::addRow("%s, %s", model, name) << model << name << (QString(name).endsWith('2') ? 2 : 0);
    }
    void everyLogProbability()
    {
        QFETCH(QString, model);
        QFETCH(QString, name);
        QFETCH(int, shots);
        QFile file(QString::fromStdString((kData / "goldens.json").string()));
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QJsonArray golden = QJsonDocument::fromJson(file.readAll())[model][name].toArray();
        TaskFiles files = filesOf(named(name));
        files.shots = shots;
        const Task task = valueOf(readTask(named(name), files));
        const LoadedModel loaded = valueOf(loadModel((testData() / model.toStdString()).string(), {}));
        const TaskResult result = valueOf(
            evaluateTask(loaded, {fullSubNetwork(loaded.config()), nullptr, 1.0, nullptr}, task));
        QCOMPARE(static_cast<qsizetype>(result.items.size()), golden.size());
        double right = 0, right_norm = 0;
        for (qsizetype i = 0; i < golden.size(); ++i) {
            const ItemResult& item = result.items[static_cast<std::size_t>(i)];
            QCOMPARE(task.items[static_cast<std::size_t>(i)].gold, golden[i]["gold"].toInt());
            const QJsonArray logprobs = golden[i]["logprobs"].toArray();
            QCOMPARE(static_cast<qsizetype>(item.logprobs.size()), logprobs.size());
            for (qsizetype c = 0; c < logprobs.size(); ++c) {
                const double expected = logprobs[c].toDouble();
                QVERIFY2(std::abs(item.logprobs[static_cast<std::size_t>(c)] - expected) <
                             2e-5 * std::abs(expected) + 2e-4,
                         qPrintable(QString("item %1, choice %2: %3, expected %4")
                                        .arg(i)
                                        .arg(c)
                                        .arg(item.logprobs[static_cast<std::size_t>(c)])
                                        .arg(expected)));
            }
            QCOMPARE(item.chosen, golden[i]["chosen"].toInt());
            QCOMPARE(item.chosen_norm, golden[i]["chosen_norm"].toInt());
            QCOMPARE(item.greedy, golden[i]["greedy"].toBool());
            right += task.greedy() ? item.greedy : item.chosen == golden[i]["gold"].toInt();
            right_norm += item.chosen_norm == golden[i]["gold"].toInt();
        }
        const auto n = static_cast<double>(golden.size());
        QCOMPARE(result.accuracy, right / n);
        // The standard error of a mean of zeros and ones.
        const double p = right / n;
        QVERIFY(std::abs(result.accuracy_stderr - std::sqrt(p * (1 - p) / (n - 1))) < 1e-12);
        QCOMPARE(result.accuracy_norm.has_value(), task.normalised());
        if (task.normalised()) QCOMPARE(*result.accuracy_norm, right_norm / n);
        QCOMPARE(result.perplexity.has_value(), task.greedy());
    }

    void aNarrowerModelAnswersOtherwise()
    {
        const LoadedModel loaded = valueOf(loadModel((testData() / "stories260k-llama").string(), {}));
        const Task task = valueOf(readTask(TaskName::Piqa, filesOf(TaskName::Piqa)));
        const auto at = [&](int mlp, int heads) {
            const WidthPlan plan{uniformSubNetwork(loaded.config(), mlp, heads), nullptr, 1.0, nullptr};
            return valueOf(evaluateTask(loaded, plan, task)).items.front().logprobs.front();
        };
        QVERIFY(std::abs(at(172, 8) - at(86, 4)) > 0.1);
    }

    void hellaswagTexts_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("clean");
        QTest::newRow("heading") << "How to bake [title] Mix"
                                 << "How to bake. Mix";
        QTest::newRow("steps") << " [header] Cut it  well [step] twice "
                               << " Cut it well twice";
        QTest::newRow("not closed") << "a [b"
                                    << "a [b";
        QTest::newRow("over a line end") << "a [b\nc] d"
                                         << "a [b\nc] d";
    }
    void hellaswagTexts()
    {
        QFETCH(QString, text);
        QFETCH(QString, clean);
        // Worked out with Python's str.strip, str.replace and re.sub, as the harness uses them.
        QCOMPARE(QString::fromStdString(cleanHellaswag(text.toStdString())), clean);
    }

    void hellaswagHalvesAreJoined()
    {
        const auto file = write("h.jsonl", R"({"activity_label": "Élan", "ctx_a": "A man sits.", "ctx_b": "élan HE",
 "ctx": "unused", "endings": ["a", "b"], "label": 1})");
        QByteArray one_line = QByteArray::fromStdString(valueOf(readFile(file))).replace('\n', ' ');
        const Task task = valueOf(readTask(TaskName::Hellaswag, {{write("h.jsonl", one_line)}, {}, {}, 0, 0}));
        QCOMPARE(task.items[0].contexts[0], std::string("Élan: A man sits. Élan he"));
    }

    void csv()
    {
        const auto records = parseCsv("a,\"b, \"\"c\"\"\",\"d\ne\"\r\n\n,x,\n");
        QCOMPARE(records.size(), std::size_t(2));
        QCOMPARE(records[0], (std::vector<std::string>{"a", "b, \"c\"", "d\ne"}));
        QCOMPARE(records[1], (std::vector<std::string>{"", "x", ""}));
    }

    void examplesStandInFront()
    {
        TaskFiles files = filesOf(TaskName::Mmlu);
        files.data.resize(1);
        files.shots = 1;
        const Task task = valueOf(readTask(TaskName::Mmlu, files));
        const std::string& context = task.items[0].contexts[0];
        QVERIFY2(
            context.starts_with("The following are multiple choice questions (with answers) about anatomy.\n\n"
                                "What is the embryological origin of the hyoid bone?\nA. The first pharyngeal arch\n"),
            context.c_str());
        QVERIFY2(context.find("\nAnswer: D\n\nA lesion causing") != std::string::npos, context.c_str());
        files.shots = 5;
        VERIFY_FAILURE(readTask(TaskName::Mmlu, files), ErrorCode::InvalidArgument, "4 examples; asked for were 5",
                       "--shots");
        TaskFiles arc = filesOf(TaskName::ArcEasy);
        arc.shots = 1;
        VERIFY_FAILURE(readTask(TaskName::ArcEasy, arc), ErrorCode::InvalidArgument, "need a file", "--examples");
        arc.examples = arc.data.front();
        arc.limit = 2;
        const Task with_examples = valueOf(readTask(TaskName::ArcEasy, arc));
        QCOMPARE(with_examples.items.size(), std::size_t(2));
        QVERIFY(with_examples.items[1].contexts[0].find(
                    "Answer: Sunlight is the source of energy for nearly all ecosystems.\n\nQuestion: ") !=
                std::string::npos);
    }

    void brokenFiles_data()
    {
        QTest::addColumn<QString>("task");
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("message");
        QTest::newRow("syntax") << "arc_easy" << QByteArray("{\"id\":") << "line 1";
        QTest::newRow("no right answer")
            << "arc_easy"
            << QByteArray(R"({"question": {"stem": "q", "choices": [{"text": "a", "label": "A"}]}, "answerKey": "E"})")
            << "answerKey";
        QTest::newRow("one word") << "lambada" << QByteArray(R"({"text": "word"})") << "ends in a word";
        QTest::newRow("no gap") << "winogrande"
                                << QByteArray(R"({"sentence": "a", "option1": "b", "option2": "c", "answer": "1"})")
                                << "a gap";
        QTest::newRow("no answer") << "winogrande"
                                   << QByteArray(R"({"sentence": "_", "option1": "b", "option2": "c", "answer": ""})")
                                   << "\"1\" or \"2\"";
        QTest::newRow("label") << "hellaswag"
                               << QByteArray(R"({"activity_label":"a","ctx":"b","endings":["c","d"],"label":2})")
                               << "index of one of the endings";
        QTest::newRow("fields") << "mmlu" << QByteArray("q,a,b,c,A\n") << "5 fields";
        QTest::newRow("letter") << "mmlu" << QByteArray("q,a,b,c,d,E\n") << "expected A, B, C or D";
        QTest::newRow("labels missing") << "piqa" << QByteArray(R"({"goal": "a", "sol1": "b", "sol2": "c"})")
                                        << "file of labels";
        QTest::newRow("empty") << "arc_easy" << QByteArray("\n") << "no question";
        QTest::newRow("no UTF-8") << "lambada" << QByteArray("{\"text\": \"a \xff\"}") << "no UTF-8";
    }
    void brokenFiles()
    {
        QFETCH(QString, task);
        QFETCH(QByteArray, text);
        QFETCH(QString, message);
        const auto file = write("broken_test.csv", text);
        const auto result = readTask(named(task), {{file}, {}, {}, 0, 0});
        QVERIFY(!result.ok());
        const std::string& told = result.error().message;
        QVERIFY2(told.find(message.toStdString()) != std::string::npos, told.c_str());
        QVERIFY2(told.find("broken_test.csv") != std::string::npos, told.c_str());
    }

    void tooFewLabels()
    {
        const auto data = write("p.jsonl", "{\"goal\":\"a\",\"sol1\":\"b\",\"sol2\":\"c\"}\n"
                                           "{\"goal\":\"a\",\"sol1\":\"b\",\"sol2\":\"c\"}\n");
        const auto labels = write("p-labels.lst", "1\n");
        VERIFY_FAILURE(readTask(TaskName::Piqa, {{data}, {}, {}, 0, 0}), ErrorCode::Corrupt, "has 1 lines only",
                       "belong to the data");
        (void)write("p-labels.lst", "1\n2\n");
        VERIFY_FAILURE(readTask(TaskName::Piqa, {{data}, labels, {}, 0, 0}), ErrorCode::Corrupt,
                       "line 2: expected 0 or 1, found 2", "official");
    }

    void longContextsAreCutAtTheirBeginning()
    {
        const LoadedModel loaded = valueOf(loadModel((testData() / "stories260k-llama").string(), {}));
        std::string story;
        for (int i = 0; i < 400; ++i) story += "Once upon a time ";
        Task task;
        task.name = TaskName::Piqa;
        task.items.push_back({{story, story}, {" there was a girl.", " xq"}, {17, 2}, 0});
        const TaskResult result = valueOf(
            evaluateTask(loaded, {fullSubNetwork(loaded.config()), nullptr, 1.0, nullptr}, task));
        QCOMPARE(result.truncated, 1);
        QCOMPARE(result.accuracy_norm, std::optional(1.0));
    }
};

QTEST_APPLESS_MAIN(TestTasks)
#include "test_tasks.moc"
