// Figures for print: every view of a run, inside its paper at both widths, with exactly the trace's numbers behind it.
#include <QFile>
#include <QFontInfo>
#include <QJsonDocument>
#include <QPainter>
#include <QRegularExpression>
#include <QSvgRenderer>
#include <QTemporaryDir>
#include <QTest>

#include "engine/evaluate/scoring.h"
#include "engine/generate/generation.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/figures/figurefile.h"
#include "ui/figures/figurepen.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr double kMargin = 60;

QByteArray contentOf(const QString& file)
{
    QFile opened(file);
    return opened.open(QIODevice::ReadOnly) ? opened.readAll() : QByteArray();
}

/// Pixels that are not white, inside or outside of the figure's own rectangle on a larger paper.
int ink(const Figure& figure, double width_mm, bool inside)
{
    const double width = width_mm * kUnitsPerMm;
    const QSizeF size(width, figure.height(width));
    QImage paper((size + QSizeF(2 * kMargin, 2 * kMargin)).toSize(), QImage::Format_RGB32);
    paper.fill(Qt::white);
    QPainter painter(&paper);
    painter.translate(kMargin, kMargin);
    figure.paint(painter, size);
    painter.end();
    const QRectF own = QRectF(QPointF(kMargin, kMargin), size).adjusted(-1, -1, 1, 1);
    int count = 0;
    for (int y = 0; y < paper.height(); ++y) {
        for (int x = 0; x < paper.width(); ++x)
            count += paper.pixel(x, y) != 0xffffffffU && own.contains(x + 0.5, y + 0.5) == inside ? 1 : 0;
    }
    return count;
}

} // namespace

class PrintFiguresTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        test::failOnWarnings();
        engine_ = std::make_unique<test::FakeEngine>();
        LoadedModel& model = *engine_->fake.model;
        model.routers = std::make_shared<const Routers>(
            randomRouters(model.config(), model.checkpoint->choices(), {1.0, 0.75, 0.5}, 8, 11));
        model_ = engine_->fake.model;
        WidthPlan full;
        full.subnet = fullSubNetwork(model_->config());
        WidthPlan dynamic = full;
        dynamic.routers = model_->routers;
        dynamic.budget = 0.6;
        const auto prompt = model_->tokenizer->encode(test::kPrompt).orThrow();
        GenerationSettings settings;
        settings.max_tokens = 30;
        settings.stop_at_eos = false;
        const auto run =
            Generation::start(model_, prompt, {{"full", full}, {"0.6", dynamic, Routing::Dynamic}}, settings).orThrow();
        while (!run->finished()) static_cast<void>(run->step().orThrow());
        for (int pane = 0; pane < 2; ++pane) source_.traces.push_back(run->trace(pane));
        source_.pane = 1;
        source_.full = source_.traces[0];
        source_.checkpoint = model_->checkpoint;
        source_.layer = 1;
        for (const WidthPlan& plan : {full, dynamic}) {
            read_.traces.push_back(scoreText(*model_, source_.traces[0].ids(), plan).orThrow().trace);
            read_.traces.back().label = plan.dynamic() ? "0.6" : "full";
        }
    }

    void everyViewFitsItsPaper_data()
    {
        QTest::addColumn<int>("view");
        QTest::addColumn<double>("width");
        for (const FigureView view : kFigureViews) {
            for (const double width : {kColumnMm, kPageMm})
                QTest::addRow("%s %.0f mm", qPrintable(figureViewId(view)), width) << static_cast<int>(view) << width;
        }
    }
    void everyViewFitsItsPaper()
    {
        QFETCH(int, view);
        QFETCH(double, width);
        const Figure figure = drawn(static_cast<FigureView>(view));
        QVERIFY(ink(figure, width, true) > 500);
        QCOMPARE(ink(figure, width, false), 0);
        QVERIFY(!figure.data.rows.empty());
        for (const QStringList& row : figure.data.rows) QCOMPARE(row.size(), figure.data.columns.size());
    }

    void everyKindOfFileIsWhole_data() { everyViewFitsItsPaper_data(); }
    void everyKindOfFileIsWhole()
    {
        QFETCH(int, view);
        QFETCH(double, width);
        const Figure figure = drawn(static_cast<FigureView>(view));
        const QTemporaryDir folder;
        const auto write = [&](const char* name) {
            const QString file = folder.filePath(QLatin1String(name));
            const auto files = writeFigureFiles(figure, {file, width, false}, {}).orThrow();
            return files == QStringList{file} ? contentOf(file) : QByteArray();
        };
        const QByteArray svg = write("f.svg");
        QVERIFY2(svg.contains(QStringLiteral("width=\"%1mm\"").arg(width).toUtf8()), svg.left(300));
        QVERIFY(svg.contains("sans-serif"));
        // An alias is another typeface, and so other widths, to whoever opens it.
        QVERIFY(svg.contains(QStringLiteral("\"%1, ").arg(QFontInfo(figureFont()).family()).toUtf8()));
        QVERIFY(QSvgRenderer(svg).isValid());
        const QByteArray pdf = write("f.pdf");
        QVERIFY(pdf.startsWith("%PDF"));
        static const QRegularExpression box(QStringLiteral("/MediaBox \\[0 0 ([0-9.]+) "));
        const double points = box.match(QString::fromLatin1(pdf)).captured(1).toDouble();
        QVERIFY2(qAbs(points - width / 25.4 * 72) < 0.6, qPrintable(QString::number(points)));
        QImage png;
        QVERIFY(png.loadFromData(write("f.png")));
        QCOMPARE(png.width(), qRound(width / 25.4 * 300));
        QCOMPARE(png.dotsPerMeterX(), 11811);
    }

    void theHeatmapsDataAreTheTraces()
    {
        const Trace& trace = source_.trace();
        const Figure figure = drawn(FigureView::Heatmap);
        const auto texts = tokenTexts(trace);
        QCOMPARE(figure.data.columns.last(), QStringLiteral("mlp_neurons"));
        QCOMPARE(figure.data.rows.size(), trace.records.size() * static_cast<std::size_t>(trace.layers));
        std::size_t row = 0;
        for (std::size_t token = 0; token < trace.records.size(); ++token) {
            for (int layer = 0; layer < trace.layers; ++layer) {
                const TokenRecord& record = trace.records[token];
                QCOMPARE(figure.data.rows[row++],
                         (QStringList{QString::number(token), QString::number(record.id),
                                      QString::fromStdString(texts[token]), QString::number(layer),
                                      record.read ? QString::number(record.mlp[static_cast<std::size_t>(layer)])
                                                  : QString()}));
            }
        }
    }

    void theTextsDataReadBackAsTheTraces()
    {
        const Figure figure = drawn(FigureView::Text);
        for (std::size_t token = 1; token < figure.data.rows.size(); ++token) {
            const float logprob = source_.trace().records[token].logprob;
            QCOMPARE(figure.data.rows[token].last().toDouble(), -static_cast<double>(logprob));
        }
        QCOMPARE(figure.data.rows.front().last(), QString()); // the first token has no loss
    }

    // At whatever width the line before it ends: the lines are those of both paragraphs, and none between them.
    void aLineFeedBreaksALineOnce()
    {
        FigureSource source;
        source.coloring = TokenQuantity::Probability;
        const Trace& trace = source_.trace();
        const auto heightOf = [&](int from, int to, double width) {
            Trace part = trace;
            part.records.clear();
            for (int i = from; i < to; ++i) {
                part.records.push_back(trace.records[2]);
                part.records.back().bytes = i == 12 ? "\n" : " words";
            }
            source.traces = {part};
            return makeFigure(FigureView::Text, source).orThrow().height(width);
        };
        for (double width = 120; width < 400; width += 7) {
            const double one = heightOf(0, 1, width);
            const double two = heightOf(11, 14, width); // a word, the line feed, a word
            const double both = heightOf(0, 12, width) + heightOf(13, 25, width);
            QVERIFY(qAbs(heightOf(0, 25, width) + (2 * one - two) - both) < 0.01);
        }
    }

    void whyIsTheRoutersProbabilities()
    {
        const Figure figure = drawn(FigureView::Why);
        const int token = source_.chosenToken();
        const TokenRecord& record = source_.trace().records[static_cast<std::size_t>(token)];
        const auto& choices = source_.trace().choices.mlp_int_list;
        for (std::size_t i = 0; i < choices.size(); ++i) {
            const float expected =
                record.mlp_probabilities[choices.size() * static_cast<std::size_t>(source_.layer) + i];
            QCOMPARE(figure.data.rows[i][1], QString::number(choices[i]));
            QCOMPARE(figure.data.rows[i][2].toDouble(), static_cast<double>(expected));
            QCOMPARE(figure.data.rows[i][3] == "1", choices[i] == record.mlp[static_cast<std::size_t>(source_.layer)]);
        }
    }

    void paretoIsTheMeanLoss()
    {
        const Figure figure = drawn(FigureView::Pareto);
        QCOMPARE(figure.data.rows.size(), std::size_t{2});
        for (std::size_t pane = 0; pane < 2; ++pane) {
            double sum = 0;
            const auto& records = read_.traces[pane].records;
            for (std::size_t i = 1; i < records.size(); ++i) sum -= records[i].logprob;
            QCOMPARE(figure.data.rows[pane][2].toDouble(), sum / static_cast<double>(records.size() - 1));
        }
    }

    void csvKeepsWhatIsDifficult()
    {
        const FigureData data{{"a", "b"},
                              {{"plain", "with \"quotes\""}, {"a,b", "line\nfeed"}, {"", figureNumber(0.1)}}};
        QCOMPARE(toCsv(data), QByteArray("a,b\nplain,\"with \"\"quotes\"\"\"\n\"a,b\",\"line\nfeed\"\n,0.1\n"));
    }

    void numbersAreTheShortestThatReadBack_data()
    {
        QTest::addColumn<double>("value");
        QTest::addColumn<QString>("text");
        QTest::newRow("zero") << 0.0 << "0";
        QTest::newRow("a hundred thousand") << 100000.0 << "100000";
        QTest::newRow("a third") << 1.0 / 3 << "0.3333333333333333";
        QTest::newRow("small") << 1e-9 << "1e-09";
        QTest::newRow("negative") << -2.5 << "-2.5";
        QTest::newRow("nothing") << std::numeric_limits<double>::quiet_NaN() << "";
    }
    void numbersAreTheShortestThatReadBack()
    {
        QFETCH(double, value);
        QFETCH(QString, text);
        QCOMPARE(figureNumber(value), text);
    }

    void theSidecarSaysWhereItComesFrom()
    {
        FigureSource source = source_;
        source.traces[1].sampler.seed = 0xfedcba9876543211U;
        source.traces[1].model_hash = "0123456789abcdef";
        source.traces[1].command = "flextron generate -p x";
        const QTemporaryDir folder;
        const Figure figure = makeFigure(FigureView::Heatmap, source).orThrow();
        const auto files = writeFigureFiles(figure, {folder.filePath("my.fig.svg"), kColumnMm, true},
                                            figureOrigin(source, QStringLiteral("flextron render heatmap")))
                               .orThrow();
        QCOMPARE(files, (QStringList{folder.filePath("my.fig.svg"), folder.filePath("my.fig.csv"),
                                     folder.filePath("my.fig.json")}));
        QCOMPARE(contentOf(files[1]), toCsv(figure.data));
        const QJsonObject sidecar = QJsonDocument::fromJson(contentOf(files[2])).object();
        QCOMPARE(sidecar["command"].toString(), QStringLiteral("flextron render heatmap"));
        QCOMPARE(sidecar["trace_command"].toString(), QStringLiteral("flextron generate -p x"));
        QCOMPARE(sidecar["model_hash"].toString(), QStringLiteral("0123456789abcdef"));
        QCOMPARE(sidecar["seed"].toString(), QStringLiteral("18364758544493064721"));
        QCOMPARE(sidecar["figure"].toString(), QStringLiteral("heatmap"));
        QCOMPARE(sidecar["width_mm"].toDouble(), kColumnMm);
        QVERIFY(!sidecar["version"].toString().isEmpty());
        QCOMPARE(sidecar["data"].toString(), QStringLiteral("my.fig.csv"));
    }

    void whatIsMissingIsSaid_data()
    {
        QTest::addColumn<int>("view");
        QTest::addColumn<QString>("message");
        QTest::newRow("budget") << static_cast<int>(FigureView::Budget) << "the budget needs the model";
        QTest::newRow("anatomy") << static_cast<int>(FigureView::Anatomy) << "the anatomy needs the model";
        QTest::newRow("pareto") << static_cast<int>(FigureView::Pareto) << "on one text";
        QTest::newRow("why") << static_cast<int>(FigureView::Why) << "no dynamic router was asked";
    }
    void whatIsMissingIsSaid()
    {
        QFETCH(int, view);
        QFETCH(QString, message);
        FigureSource source = source_;
        source.pane = 0; // the full model
        source.checkpoint = nullptr;
        source.traces[1].records.pop_back();
        const auto figure = makeFigure(static_cast<FigureView>(view), source);
        QVERIFY(!figure.ok());
        QCOMPARE(figure.error().code, ErrorCode::Unsupported);
        QVERIFY2(QString::fromStdString(figure.error().message).contains(message), figure.error().message.c_str());
        QVERIFY(!figure.error().hint.empty());
    }

    void nothingIsWrittenUnderAnotherEnding()
    {
        const QTemporaryDir folder;
        const auto files = writeFigureFiles(drawn(FigureView::Heatmap), {folder.filePath("f.bmp"), kColumnMm, true},
                                            {});
        QVERIFY(!files.ok());
        QVERIFY(QString::fromStdString(files.error().message).contains(".svg, .pdf or .png"));
        QVERIFY(QDir(folder.path()).isEmpty());
    }

    void ticksAreRound_data()
    {
        QTest::addColumn<double>("low");
        QTest::addColumn<double>("high");
        QTest::addColumn<int>("most");
        QTest::addColumn<bool>("whole");
        QTest::addColumn<QList<double>>("ticks");
        QTest::newRow("a share") << 0.0 << 1.0 << 5 << false << QList<double>{0, 0.2, 0.4, 0.6, 0.8, 1};
        QTest::newRow("layers") << -0.5 << 2.5 << 8 << true << QList<double>{0, 1, 2};
        QTest::newRow("nothing") << 1.0 << 1.0 << 5 << false << QList<double>{1};
    }
    void ticksAreRound()
    {
        QFETCH(double, low);
        QFETCH(double, high);
        QFETCH(int, most);
        QFETCH(bool, whole);
        QFETCH(QList<double>, ticks);
        const auto found = niceTicks(low, high, most, whole);
        QCOMPARE(QList<double>(found.begin(), found.end()), ticks);
    }

private:
    [[nodiscard]] Figure drawn(FigureView view) const
    {
        return makeFigure(view, view == FigureView::Pareto ? read_ : source_).orThrow();
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::shared_ptr<const LoadedModel> model_;
    FigureSource source_; // a run of two panes, the dynamic one chosen
    FigureSource read_;   // both read one text
};

QTEST_MAIN(PrintFiguresTest)
#include "test_print_figures.moc"
