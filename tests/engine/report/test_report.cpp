// The report's page: nothing in it can be anything but text, its numbers are the trace's, and it keeps to its size.
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>

#include <cmath>

#include "engine/model/cost.h"
#include "engine/report/report.h"
#include "tests/ui/support/small_trace.h"

using namespace flextron;

namespace {

const QByteArray kDataBegin = "<script type=\"application/json\" id=\"data\">";

/// The page's own tags, and none that came with the data: the number of "<" with any text is that with harmless text.
qsizetype tags(const QByteArray& page)
{
    return page.count('<');
}

Report smallReport()
{
    Report report;
    report.panes.resize(2);
    report.panes[0].name = "full";
    report.panes[1].name = "0.5";
    for (ReportPane& pane : report.panes) {
        pane.trace = test::smallTrace();
        pane.trace.model = "small";
        pane.trace.model_hash = "0123456789abcdef";
        pane.reference = pane.trace;
    }
    report.panes[1].trace.records[2].id = 9;
    return report;
}

QByteArray pageOf(const Report& report)
{
    return QByteArray::fromStdString(reportPage(report).orThrow());
}

QJsonObject dataOf(const QByteArray& page)
{
    const qsizetype begin = page.indexOf(kDataBegin) + kDataBegin.size();
    const QByteArray json = page.mid(begin, page.indexOf("</script>", begin) - begin);
    return QJsonDocument::fromJson(json).object();
}

QJsonObject paneOf(const QByteArray& page, int index)
{
    return dataOf(page)["panes"].toArray()[index].toObject();
}

/// Many tokens in many layers, every time and margin another.
Report largeReport(int tokens, int layers)
{
    Report report;
    ReportPane pane;
    pane.name = "full";
    pane.trace = test::smallTrace();
    pane.trace.layers = layers;
    const TokenRecord like = pane.trace.records[1];
    pane.trace.records.clear();
    for (int token = 0; token < tokens; ++token) {
        TokenRecord record = like;
        record.position = token;
        const auto count = static_cast<std::size_t>(layers);
        record.mlp.assign(count, 16);
        record.heads.assign(count, 4);
        record.layer_ns.assign(count, 1'234'567.0F + static_cast<float>(token));
        record.mlp_margin.assign(count, 0.123F);
        record.head_margin.assign(count, 0.456F);
        pane.trace.records.push_back(record);
    }
    report.panes.push_back(pane);
    return report;
}

} // namespace

class ReportTest final : public QObject {
    Q_OBJECT

private slots:
    void textIsNothingButText_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::newRow("the end of a script") << QByteArray("</script><script>alert(1)</script>");
        QTest::newRow("a comment") << QByteArray("<!--<script>");
        QTest::newRow("quotes") << QByteArray("\"'`\\\" onload=\"x");
        QTest::newRow("an entity") << QByteArray("&lt;b&gt;&#39;");
        QTest::newRow("line separators") << QByteArray("a\xE2\x80\xA8"
                                                       "b\xE2\x80\xA9"
                                                       "c\r\n\t\x01");
        QTest::newRow("the raw literal's end") << QByteArray(")page\"");
        QTest::newRow("a template") << QByteArray("${process} %1 {{x}}");
    }
    void textIsNothingButText()
    {
        QFETCH(QByteArray, text);
        const std::string evil = text.toStdString();
        Report report = smallReport();
        const qsizetype harmless = tags(pageOf(report));
        for (ReportPane& pane : report.panes) {
            pane.name += evil;
            pane.command = evil;
            pane.trace.model = evil;
            pane.trace.backend = evil;
            pane.trace.subnet = evil;
            pane.trace.overrides = evil;
            for (TokenRecord& record : pane.trace.records) record.bytes = evil;
        }
        report.command = evil;
        const QByteArray page = pageOf(report);
        QCOMPARE(tags(page), harmless);
        QVERIFY(!page.mid(page.indexOf("<script")).contains("\xE2\x80\xA8")); // a line's end to some scripts
        const QJsonObject data = dataOf(page);
        QCOMPARE(data["command"].toString(), QString::fromUtf8(text));
        QCOMPARE(data["model"].toObject()["name"].toString(), QString::fromUtf8(text));
        for (const QJsonValue& piece : paneOf(page, 1)["texts"].toArray())
            QCOMPARE(piece.toString(), QString::fromUtf8(text));
        const qsizetype title = page.indexOf("<title>");
        QVERIFY(!page.mid(title, page.indexOf("</title>") - title).mid(7).contains('<'));
    }

    void bytesThatAreNoTextBecomeSome()
    {
        Report report = smallReport();
        report.panes[0].trace.records[1].bytes = "\xff\xc3";
        report.panes[0].trace.records[2].bytes = "\xa9!";
        report.panes[0].command = "cat \xff";
        const QByteArray page = pageOf(report);
        const QJsonArray texts = paneOf(page, 0)["texts"].toArray();
        QCOMPARE(texts[0].toString(), QStringLiteral(" dragon"));
        QCOMPARE(texts[1].toString(), QString(QChar(0xfffd)));
        QCOMPARE(texts[2].toString(), QStringLiteral("é!"));
        QCOMPARE(paneOf(page, 0)["command"].toString(), QStringLiteral("cat ") + QChar(0xfffd));
    }

    void numbersAreTheTraces()
    {
        Report report = smallReport();
        ReportPane& narrow = report.panes[1];
        narrow.timing = PaneTiming{12.5, 100, 1.25, 3.5, 2, 0};
        narrow.alone_ms = 0.5;
        narrow.alone_measured = true;
        narrow.agreement = Agreement{7, 0.5, 0.125, 0.25, 0.0625};
        narrow.reference->records[1].logprob = -0.75F;
        const QByteArray page = pageOf(report);
        const QJsonObject pane = paneOf(page, 1);
        QCOMPARE(pane["given"].toInt(), 1);
        QCOMPARE(pane["ids"].toArray(), (QJsonArray{5, 6, 9}));
        QVERIFY(pane["logprob"].toArray()[0].isNull());
        QCOMPARE(pane["logprob"].toArray()[1].toDouble(), -1.0);
        QCOMPARE(pane["full_logprob"].toArray().size(), 2); // the third token is another one
        QCOMPARE(pane["full_logprob"].toArray()[1].toDouble(), -0.75);
        QCOMPARE(pane["rank"].toArray(), (QJsonArray{-1, 2, 0}));
        QCOMPARE(pane["top"].toArray()[1].toArray()[0].toArray(), (QJsonArray{9, -0.5}));
        QCOMPARE(pane["split"].toInt(), 2);
        QVERIFY(paneOf(page, 0)["split"].isNull());
        // Letters stand for the widths in use; the last token was not read.
        QCOMPARE(pane["mlp"].toObject()["values"].toArray(), (QJsonArray{32, 64}));
        QCOMPARE(pane["mlp"].toObject()["rows"].toArray(), (QJsonArray{"11.", "10."}));
        QCOMPARE(pane["heads"].toObject()["rows"].toArray(), (QJsonArray{"11.", "10."}));
        QCOMPARE(pane["layer_us"].toArray()[1].toArray()[0].toInt(), 4000);
        QVERIFY(pane["layer_us"].toArray()[1].toArray()[2].isNull());
        QCOMPARE(pane["timing"].toObject()["p95_ms"].toDouble(), 3.5);
        QCOMPARE(pane["agreement"].toObject()["n"].toInt(), 7);
        QCOMPARE(pane["agreement"].toObject()["kl_stderr"].toDouble(), 0.0625);
        QVERIFY(!pane.contains("mlp_share")); // no configuration was given
        QCOMPARE(dataOf(page)["prompt"].toString(), QStringLiteral(" dragon"));
    }

    void sharesOfComputeAreThoseOfTheCostModel()
    {
        Report report = smallReport();
        ModelConfig config;
        config.hidden_size = 64;
        config.head_dim = 8;
        config.vocab_size = 100;
        config.max_position_embeddings = 64;
        config.layers.assign(2, {8, 8, 64});
        report.config = config;
        const QJsonObject pane = paneOf(pageOf(report), 0);
        const auto flops = [&config](int mlp, int heads) {
            CostOptions options;
            options.kv = KvRule::All;
            return static_cast<double>(costOf({{mlp, 0}, {heads, 0}}, config, options).flops_per_token);
        };
        const double full = flops(64, 8) - flops(0, 0);
        const auto shares = pane["mlp_share"].toArray()[0].toArray();
        QCOMPARE(shares.size(), 2);
        QVERIFY(std::abs(shares[0].toDouble() - (flops(32, 0) - flops(0, 0)) / full) < 1e-5);
        QVERIFY(std::abs(shares[1].toDouble() + pane["heads_share"].toArray()[0].toArray()[1].toDouble() - 1) < 2e-5);
    }

    void aSeedOf64BitsIsWhole()
    {
        Report report = smallReport();
        report.panes[0].trace.sampler.seed = 0xfedcba9876543211U;
        QCOMPARE(dataOf(pageOf(report))["sampler"].toObject()["seed"].toString(),
                 QStringLiteral("18364758544493064721"));
    }

    void loadsNothing()
    {
        const QByteArray page = pageOf(smallReport());
        QVERIFY(page.contains("default-src 'none'"));
        for (const char* way : {"http:", "https:", "src=", "url(", "@import", "fetch(", "XMLHttpRequest", "WebSocket",
                                "innerHTML", "eval(", "document.write"})
            QVERIFY2(!page.contains(way), way);
    }

    void theSameReportIsTheSamePage() { QCOMPARE(pageOf(smallReport()), pageOf(smallReport())); }

    void largeTextsLoseDetailInOrder_data()
    {
        QTest::addColumn<int>("tokens");
        QTest::addColumn<QStringList>("left_out");
        QTest::newRow("small") << 100 << QStringList{};
        QTest::newRow("2,000 tokens") << 2'000 << QStringList{"router margins"};
        QTest::newRow("6,000 tokens") << 6'000 << QStringList{"router margins", "times by layer"};
    }
    void largeTextsLoseDetailInOrder()
    {
        QFETCH(int, tokens);
        QFETCH(QStringList, left_out);
        const QByteArray page = pageOf(largeReport(tokens, 128));
        QVERIFY(page.size() <= 2'000'000);
        QStringList told;
        for (const QJsonValue& part : dataOf(page)["left_out"].toArray()) told << part.toString();
        QCOMPARE(told, left_out);
        QCOMPARE(paneOf(page, 0)["ids"].toArray().size(), tokens);
        QCOMPARE(paneOf(page, 0).contains("layer_us"), !left_out.contains("times by layer"));
        QCOMPARE(paneOf(page, 0).contains("mlp_margin"), !left_out.contains("router margins"));
    }

    void whatCannotFitIsRefusedAndNothingIsWritten()
    {
        const QTemporaryDir folder;
        const std::string file = folder.filePath("report.html").toStdString();
        const auto written = writeReport(file, largeReport(20'000, 128));
        QVERIFY(!written.ok());
        QCOMPARE(written.error().code, ErrorCode::InvalidArgument);
        QVERIFY(written.error().message.find("2000000 bytes") != std::string::npos);
        QVERIFY(written.error().hint.find("fewer tokens") != std::string::npos);
        QVERIFY(!QFile::exists(QString::fromStdString(file)));
        QVERIFY(!reportPage({}).ok());
    }
};

QTEST_GUILESS_MAIN(ReportTest)
#include "test_report.moc"
