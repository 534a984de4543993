// The corpus report: read, listed, drawn, kept, and made by a job.
#include <QAbstractItemModelTester>
#include <QAction>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QSignalSpy>
#include <QSortFilterProxyModel>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>

#include "engine/base/files.h"
#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/fake_program.h"
#include "ui/jobs/corpussetup.h"
#include "ui/jobs/corpusview.h"

using namespace flextron;
using namespace flextron::ui;
using flextron::test::kLongMs;

namespace {

const QString kText = QStringLiteral(FLEXTRON_SOURCE_DIR "/resources/corpus/tales.txt");

QJsonObject control(double difference, double p)
{
    const QJsonObject against{{"difference", difference}, {"low", 0.1}, {"high", 0.2}, {"p", p}, {"documents", 20}};
    return {{"nll", 2.5}, {"stderr", 0.1}, {"tokens", 9}, {"cost", 0.7}, {"against_routers", against}};
}

QJsonObject row(int layer, const char* block, QJsonArray choices, double first_share)
{
    return {{"text", "tales"},        {"asked", 0.7},
            {"layer", layer},         {"block", block},
            {"choices", choices},     {"shares", QJsonArray{first_share, 1 - first_share}},
            {"dead", QJsonArray()},   {"entropy_between_tokens", 0.5},
            {"router_entropy", 0.25}, {"margin", 0.125}};
}

QJsonObject side(const char* name, double first_share)
{
    const QJsonObject dynamic{{"nll", 2.0},
                              {"stderr", 0.05},
                              {"tokens", 9},
                              {"cost", 0.705},
                              {"uses_its_input", true},
                              {"uniform", control(0.25, 0.00001)},
                              {"shuffled", control(0.11, 0.02)}};
    const QJsonObject fixed{{"nll", 2.1}, {"stderr", 0.05}, {"cost", 0.671}, {"uniform", control(-0.1, 0.5)}};
    return {
        {"model", QJsonObject{{"name", "fake"}}},
        {"routers", name},
        {"cost_basis", "FLOPs"},
        {"rows", QJsonArray{row(0, "heads", {2, 8}, first_share), row(0, "mlp", {16, 64}, first_share),
                            row(1, "mlp", {16, 64}, first_share)}},
        {"stops", QJsonArray{QJsonObject{{"text", "tales"}, {"asked", 0.7}, {"dynamic", dynamic}, {"static", fixed}}}},
        {"verdicts", QJsonArray{"layer 0 heads: no token ever gets 8"}}};
}

QByteArray bytes(const QJsonObject& object)
{
    return QJsonDocument(object).toJson(QJsonDocument::Compact);
}

QByteArray report()
{
    return bytes(side("routers of fake", 0.25));
}

QByteArray twoReports()
{
    QJsonObject both = side("routers of fake", 0.25);
    both.insert("other", side("b.safetensors", 1.0));
    const QJsonObject less{{"difference", -0.1}, {"low", -0.2}, {"high", 0.0}, {"p", 0.04}};
    both.insert("compared", QJsonArray{QJsonObject{{"text", "tales"},
                                                   {"asked", 0.7},
                                                   {"cost", QJsonArray{0.705, 0.72}},
                                                   {"nll", QJsonArray{2.0, 1.9}},
                                                   {"second_less_first", less}}});
    return bytes(both);
}

/// The report with one thing changed in its row 1.
QByteArray damaged(const char* field, const QJsonValue& value)
{
    QJsonObject object = side("routers of fake", 0.25);
    QJsonArray rows = object["rows"].toArray();
    QJsonObject changed = rows[1].toObject();
    changed[QLatin1String(field)] = value;
    rows[1] = changed;
    object["rows"] = rows;
    return bytes(object);
}

} // namespace

class CorpusTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { QLocale::setDefault(QLocale::c()); }
    void init() { test::failOnWarnings(); }

    void aReportIsRead()
    {
        const auto read = parseCorpusReport(report());
        QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
        QCOMPARE(read->model, QStringLiteral("fake"));
        QCOMPARE(read->sides.size(), std::size_t{1});
        const CorpusSide& side = read->sides[0];
        QCOMPARE(side.rows.size(), std::size_t{3});
        QCOMPARE(side.rows[1].choices, (std::vector<int>{16, 64}));
        QCOMPARE(side.rows[1].shares, (std::vector<double>{0.25, 0.75}));
        QCOMPARE(side.stops.size(), std::size_t{2}); // dynamic and static
        QCOMPARE(side.stops[0].cost, 0.705);
        QCOMPARE(side.stops[0].shuffled->p, 0.02);
        QVERIFY(!side.stops[1].shuffled.has_value());
        QCOMPARE(controlText(*side.stops[0].uniform), QStringLiteral("+0.2500 (p < 0.001)"));
        QCOMPARE(controlText(*side.stops[1].uniform), QStringLiteral("-0.1000 (p = 0.500)"));
        QCOMPARE(placesOf(side).size(), std::size_t{1});
        QCOMPARE(rowsAt(side, QStringLiteral("tales"), 0.7).size(), std::size_t{3});
        QVERIFY(rowsAt(side, QStringLiteral("tales"), 0.8).empty());
    }

    void aDamagedReportNamesItsField_data()
    {
        QTest::addColumn<QByteArray>("json");
        QTest::addColumn<QString>("field");
        QTest::newRow("no JSON") << QByteArray("[") << "no JSON object";
        QTest::newRow("no model") << QByteArray("{}") << "name";
        QTest::newRow("shares") << damaged("shares", QJsonArray{0.25}) << "shares";
        QTest::newRow("layer") << damaged("layer", 5000) << "layer";
        QTest::newRow("block") << damaged("block", "ears") << "block";
        QTest::newRow("margin") << damaged("margin", "no") << "margin";
    }
    void aDamagedReportNamesItsField()
    {
        QFETCH(QByteArray, json);
        QFETCH(QString, field);
        const auto read = parseCorpusReport(json);
        QVERIFY(!read.ok());
        QVERIFY2(QString::fromStdString(read.error().message).contains(field), read.error().message.c_str());
    }

    void asCsvInTheCLocale()
    {
        const QLocale before;
        QLocale::setDefault(QLocale(QLocale::German));
        const QStringList lines = toCsv(*parseCorpusReport(twoReports())).split(QLatin1Char('\n'));
        QLocale::setDefault(before);
        QCOMPARE(lines.size(), 8); // heading, three rows of each, and an end
        QCOMPARE(lines[0], QStringLiteral("routers,text,asked,layer,block,choice_1,share_1,choice_2,share_2,entropy_"
                                          "between_tokens,router_entropy,margin"));
        QCOMPARE(lines[1], QStringLiteral("routers of fake,tales,0.7,0,heads,2,0.25,8,0.75,0.5,0.25,0.125"));
    }

    void theTablesAreModels()
    {
        CorpusRowModel rows;
        CorpusStopModel stops;
        QAbstractItemModelTester row_tester(&rows);
        QAbstractItemModelTester stop_tester(&stops);
        const auto two = *parseCorpusReport(twoReports());
        rows.setReport(two);
        stops.setReport(two);
        QCOMPARE(rows.rowCount(), 6);
        QCOMPARE(stops.rowCount(), 4);
        const auto text = [](const QAbstractItemModel& model, int row, int column) {
            return model.index(row, column).data().toString();
        };
        QCOMPARE(text(rows, 1, CorpusRowModel::Shares), QStringLiteral("16: 25.0 %, 64: 75.0 %"));
        QCOMPARE(text(rows, 1, CorpusRowModel::MeanWidth), QStringLiteral("52.0"));
        QCOMPARE(text(rows, 4, CorpusRowModel::Widest), QStringLiteral("100.0 %"));
        QCOMPARE(text(stops, 0, CorpusStopModel::Shuffled), QStringLiteral("+0.1100 (p = 0.020)"));
        QCOMPARE(text(stops, 0, CorpusStopModel::UsesInput), QStringLiteral("yes"));
        QCOMPARE(text(stops, 1, CorpusStopModel::Shuffled), QStringLiteral("–"));
        QSortFilterProxyModel sorted;
        sorted.setSourceModel(&rows);
        sorted.setSortRole(kCorpusSortRole);
        sorted.sort(CorpusRowModel::Widest, Qt::DescendingOrder);
        QCOMPARE(text(sorted, 0, CorpusRowModel::Routers), QStringLiteral("b.safetensors"));
    }

    void aRequestIsACommandLine()
    {
        CorpusRequest request;
        QVERIFY(corpusProblem(request).startsWith(QLatin1String("No text is given")));
        request.texts = {kText, kText};
        request.stops = QStringLiteral("0.8, 0.6");
        request.documents = 5;
        QCOMPARE(corpusProblem(request), QString());
        QCOMPARE(corpusArguments(QStringLiteral("m"), request).join(QLatin1Char(' ')),
                 QStringLiteral("routers m --data tales=%1 tales-2=%1 --stops 0.8,0.6 --limit 5 --json --progress-json")
                     .arg(kText));
        request.stops = QStringLiteral("0.8;0.6");
        QVERIFY(corpusProblem(request).contains(QLatin1String("is no list of stops")));
        request.stops.clear();
        request.other_routers = QStringLiteral("/gone");
        QVERIFY(corpusProblem(request).contains(QLatin1String("/gone is no file")));
    }

    void theViewShowsAndKeepsAReport()
    {
        test::FakeEngine engine;
        test::FakeProgram program;
        Jobs jobs(program.path());
        EngineService service(engine.calls());
        const JobActions actions = makeActions(&jobs);
        QAction convert;
        CorpusView view(&jobs, &service, actions, &convert);
        view.resize(900, 300);
        view.show();
        QCOMPARE(view.page()->state(), StatePage::State::Empty);
        view.restore(twoReports());
        QCOMPARE(view.page()->state(), StatePage::State::Content);
        QCOMPARE(QJsonDocument::fromJson(view.kept()), QJsonDocument::fromJson(twoReports()));
        QVERIFY(view.factsText().contains(QLatin1String("asked 0.70, got 0.705 (FLOPs); uniform +0.2500")));
        QCOMPARE(view.verdicts().size(), 5); // both names, a verdict each, and the comparison
        QVERIFY(view.verdicts().last().contains(QLatin1String("-0.1000 (p = 0.040)")));
        QSignalSpy layer(&view, &CorpusView::layerChosen);
        QTest::keyClick(view.bars(), Qt::Key_End);
        QCOMPARE(layer.last().first().toInt(), 1);
        QVERIFY(view.factsText().startsWith(QLatin1String("Layer 1, MLP: 16 for 25.0 %, 64 for 75.0 %")));
        QVERIFY(view.factsText().contains(QLatin1String("The other routers: 16 for 100.0 %")));
        QTemporaryDir folder;
        QSignalSpy said(&view, &CorpusView::said);
        const QString file = folder.filePath(QStringLiteral("r.json"));
        view.exportTo(file);
        QVERIFY(said.wait(kLongMs));
        QCOMPARE(QByteArray::fromStdString(*readFile(file.toStdString())), twoReports());
        QSignalSpy failed(&view, &CorpusView::failed);
        view.exportTo(folder.filePath(QStringLiteral("none/r.csv")));
        QVERIFY(failed.wait(kLongMs));
        view.restore("{}");
        QCOMPARE(failed.count(), 2);
        QVERIFY(view.report().has_value()); // what is there stays
    }

    void aJobMakesAReport()
    {
        test::FakeEngine engine;
        test::FakeProgram program;
        program.setOutput(report());
        Jobs jobs(program.path());
        EngineService service(engine.calls());
        const JobActions actions = makeActions(&jobs);
        QAction convert;
        CorpusView view(&jobs, &service, actions, &convert);
        QSignalSpy loaded(&service, &EngineService::modelLoaded);
        service.load(QStringLiteral("fake"));
        QVERIFY(loaded.wait(kLongMs));
        CorpusRequest request;
        request.texts = {kText};
        view.make(request);
        QCOMPARE(view.page()->state(), StatePage::State::Loading);
        QTRY_VERIFY_WITH_TIMEOUT(view.report().has_value(), kLongMs);
        QVERIFY(program.calls().last().startsWith(QLatin1String("routers ")));
        // A window that opens later finds the result.
        CorpusView later(&jobs, &service, actions, &convert);
        QTRY_VERIFY_WITH_TIMEOUT(later.report().has_value(), kLongMs);
        // One that fails says why.
        program.setMode("fail");
        later.make(request);
        QTRY_COMPARE_WITH_TIMEOUT(later.page()->state(), StatePage::State::Error, kLongMs);
        QVERIFY(later.page()->message().contains(QLatin1String("the disk is full")));
    }

private:
    static JobActions makeActions(QObject* owner)
    {
        JobActions actions;
        for (QAction** action : {&actions.show, &actions.pause, &actions.go_on, &actions.stop, &actions.resume,
                                 &actions.open_result, &actions.show_run, &actions.discard, &actions.forget})
            *action = new QAction(owner);
        return actions;
    }
};

QTEST_MAIN(CorpusTest)
#include "test_corpus.moc"
