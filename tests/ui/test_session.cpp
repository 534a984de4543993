// Session files: what goes in comes out, and what contradicts itself is refused with its place.
#include <QLocale>
#include <QTemporaryDir>
#include <QTest>

#include "tests/engine/support/fake_backend.h"
#include "ui/data/panemath.h"
#include "ui/window/session.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

Session example()
{
    Session session;
    session.model_name = QStringLiteral("stories");
    session.model_folder = QStringLiteral("/models/stories “é”");
    session.prompt = QStringLiteral("Once\n\"upon\" a time");
    session.settings.sampler = {0.8, 40, 0.95, 0.05, 1.1, 0xfedcba9876543210u};
    session.settings.max_tokens = 77;
    session.settings.stop_text = QStringLiteral("The end");
    session.settings.mode = RunMode::Read;
    session.ran = true;
    session.live = {QStringLiteral("budget"),
                    0.6180339887498949,
                    {},
                    QStringLiteral("dynamic"),
                    QStringLiteral(R"([{"token":3,"layer":1,"block":"mlp","width":0}])")};
    session.pins = {
        {PaneSlot::PinA,
         QStringLiteral("small"),
         {QStringLiteral("subnet"), 1, QStringLiteral("mlp 16*3; heads 2*3"), QStringLiteral("uniform"), {}},
         {}},
        {PaneSlot::PinC, QStringLiteral("other"), {}, {1, 5, 9}}};
    session.selection.pane = PaneSlot::PinC;
    session.selection.primary = 18;
    session.selection.layer = 3;
    session.pace = QStringLiteral("slow10");
    session.corpus_report = QByteArray("{\"model\": \"é\"}");
    session.notes = QStringLiteral("# Notes\n[half](set:budget=0.5)");
    session.geometry = QByteArray("\0\1\xff geometry", 12);
    session.layout = QByteArray("layout");
    session.boxes = {{QStringLiteral("heatmapQuantity"), 2}};
    return session;
}

} // namespace

class SessionTest final : public QObject {
    Q_OBJECT

private slots:
    void whatGoesInComesOut()
    {
        QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("s.flextron"));
        const Session in = example();
        QVERIFY(writeSession(file, in).ok());
        const auto out = readSession(file);
        QVERIFY2(out.ok(), out.ok() ? "" : out.error().message.c_str());
        QCOMPARE(toJson(*out), toJson(in));
        QCOMPARE(out->settings.sampler.seed, in.settings.sampler.seed); // all 64 bits
        QCOMPARE(out->live.value, in.live.value);
        QCOMPARE(out->geometry, in.geometry);
        QVERIFY(out->pins[1].branch == in.pins[1].branch);
        QVERIFY(out->selection == in.selection);
    }

    void notesMayBeAListOfLines()
    {
        QByteArray json = toJson(example());
        json.replace("\"# Notes\\n[half](set:budget=0.5)\"", "[\"# Notes\", \"[half](set:budget=0.5)\"]");
        QVERIFY(json.contains("\"# Notes\", "));
        const auto out = parseSession(json, QStringLiteral("s"));
        QVERIFY(out.ok());
        QCOMPARE(out->notes, example().notes);
        json.replace("\"# Notes\", ", "3, ");
        QVERIFY(!parseSession(json, QStringLiteral("s")).ok());
    }

    void numbersAreWrittenInTheCLocale()
    {
        QLocale::setDefault(QLocale(QLocale::German));
        const QByteArray json = toJson(example());
        QLocale::setDefault(QLocale::c());
        QVERIFY(json.contains("0.6180339887498949"));
    }

    void aChoiceIsWhatItWas_data()
    {
        QTest::addColumn<int>("kind");
        QTest::addColumn<bool>("by_flops");
        for (int kind = 0; kind < 6; ++kind) QTest::addRow("kind %d", kind) << kind << false;
        QTest::newRow("a share of FLOPs") << static_cast<int>(Target::Kind::Budget) << true;
    }

    void aChoiceIsWhatItWas()
    {
        QFETCH(int, kind);
        QFETCH(bool, by_flops);
        const ModelConfig config = test::fakeConfig();
        PaneChoice in;
        in.target.by_flops = by_flops;
        in.target.kind = static_cast<Target::Kind>(kind);
        in.target.value = 0.7;
        if (in.target.kind == Target::Kind::Explicit) in.target.subnet = uniformSubNetwork(config, 16, 4);
        in.target.routing = Routing::Static;
        auto overrides = std::make_shared<Overrides>();
        overrides->add({3, Override::kAll, SubBlock::Attention, 2});
        in.overrides = overrides;
        const auto out = openChoice(saveChoice(in), config);
        QVERIFY(out.ok());
        QVERIFY(sameChoice(in, *out));
    }

    void aChoiceThatDoesNotFitTheModelIsRefused()
    {
        SavedChoice choice;
        choice.kind = QStringLiteral("subnet");
        choice.subnet = QStringLiteral("mlp 999*3; heads 2*3");
        QVERIFY(!openChoice(choice, test::fakeConfig()).ok());
        choice = {};
        choice.overrides = QStringLiteral(R"([{"layer":99,"block":"mlp","width":0}])");
        QVERIFY(!openChoice(choice, test::fakeConfig()).ok());
    }

    void whatIsWrongIsSaidWithItsPlace_data()
    {
        QTest::addColumn<QByteArray>("from");
        QTest::addColumn<QByteArray>("to");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, const char* from, const char* to, const char* says) {
            QTest::newRow(name) << QByteArray(from) << QByteArray(to) << QString::fromLatin1(says);
        };
        row("another version", R"("flextron_session": 1)", R"("flextron_session": 2)", "reads up to 1");
        row("no session", R"("flextron_session")", R"("something")", "flextron_session: expected a number");
        row("temperature", R"("temperature": 0.8)", R"("temperature": -1)", "sampling.temperature: expected a number");
        row("seed", R"("seed": "18364758544493064720")", R"("seed": "x")", "sampling.seed: expected a whole number");
        row("tokens", R"("max_tokens": 77)", R"("max_tokens": 7.5)", "sampling.max_tokens: expected a whole number");
        row("kind", R"("kind": "budget")", R"("kind": "magic")", "target.kind: expected a kind of target");
        row("routing", R"("routing": "dynamic")", R"("routing": "magic")", "target.routing: expected dynamic");
        row("pin's place", R"("place": 2)", R"("place": 9)", "pins.place: expected a number");
        row("pins twice", R"("place": 2)", R"("place": 0)", "pins.place: expected ascending places");
        row("prompt", R"("prompt": )", R"("prompt": 5, "x": )", "prompt: expected a text");
        row("pane", R"("pane": 4)", R"("pane": 6)", "selection.pane: expected a number");
        row("no JSON", "{", "", "this is no session");
    }

    void whatIsWrongIsSaidWithItsPlace()
    {
        QFETCH(QByteArray, from);
        QFETCH(QByteArray, to);
        QFETCH(QString, says);
        QByteArray json = toJson(example());
        const auto at = json.indexOf(from);
        QVERIFY(at >= 0);
        json.replace(at, from.size(), to);
        const auto session = parseSession(json, QStringLiteral("s.flextron"));
        QVERIFY(!session.ok());
        const QString message = QString::fromStdString(session.error().message);
        QVERIFY2(message.contains(says), qPrintable(message));
        QVERIFY(!session.error().hint.empty());
    }

    void aFileThatIsCutOffAnywhereIsRefused()
    {
        const QByteArray json = toJson(example());
        for (qsizetype size = 0; size + 2 < json.size(); size += 37)
            QVERIFY(!parseSession(json.left(size), QStringLiteral("s")).ok());
    }

    void aFileThatIsNotThereIsSaid()
    {
        const auto session = readSession(QStringLiteral("/no/such/file.flextron"));
        QVERIFY(!session.ok());
        QVERIFY(session.error().message.find("/no/such/file.flextron") != std::string::npos);
    }
};

QTEST_MAIN(SessionTest)
#include "test_session.moc"
