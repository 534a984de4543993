// Sessions, traces, texts, pictures and command lines, from the window and back into it.
#include <QClipboard>
#include <QComboBox>
#include <QDockWidget>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPushButton>
#include <QSettings>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <qcustomplot.h>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/commandline.h"
#include "ui/compare/panearea.h"
#include "ui/compare/promptpanel.h"
#include "ui/figures/figuredialog.h"
#include "ui/figures/figures.h"
#include "ui/inspect/heatmapview.h"
#include "ui/parts/noticebar.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"
#include "ui/window/notespanel.h"
#include "ui/window/recovery.h"

using namespace flextron;
using namespace flextron::ui;

namespace {
constexpr int kLongMs = 20'000;
} // namespace

class FilesTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        QFile::remove(Recovery::file());
        folder_ = std::make_unique<QTemporaryDir>();
        engine_ = std::make_unique<test::FakeEngine>();
        makeWindow();
    }

    void cleanup()
    {
        window_.reset();
        engine_.reset();
    }

    void aSessionOpensTheSameScreen()
    {
        load();
        prompt(QStringLiteral("the cat sat on"));
        RunInputs inputs = window_->comparison()->inputs();
        inputs.max_tokens = 25;
        inputs.sampler.temperature = 0.7;
        inputs.sampler.top_k = 12;
        window_->comparison()->setInputs(inputs);
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        window_->comparison()->renamePin(*window_->comparison()->addPin(), QStringLiteral("floor"));
        window_->subNetworkPanel()->setBudget(0.8);
        QTRY_VERIFY(complete());
        const auto branch = window_->comparison()->continueFrom(PaneSlot::Full, 8, 4);
        QVERIFY(branch);
        QTRY_VERIFY(complete());
        window_->heatmap()->setQuantity(Quantity::Heads);
        window_->selection()->selectToken(PaneSlot::Live, 9, 1);
        window_->notes()->setNotes(QStringLiteral("# about this"));
        window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->hide();
        QStringList before = screen();
        save(QStringLiteral("s.flextron"));

        window_.reset();
        makeWindow();
        window_->files()->openSession(path(QStringLiteral("s.flextron")));
        QTRY_VERIFY(window_->comparison()->pins().size() == 2 && complete());
        QTRY_COMPARE(screen(), before);
        QVERIFY(!window_->findChild<QDockWidget*>(QStringLiteral("modelDock"))->isVisible());
        QVERIFY(window_->selection()->state().primary == 9);
    }

    void aBrokenSessionIsAnErrorAndChangesNothing()
    {
        load();
        write(QStringLiteral("broken.flextron"), "{\"flextron_session\": 1}");
        const QString before = window_->promptPanel()->prompt();
        window_->files()->openSession(path(QStringLiteral("broken.flextron")));
        const QString notice = window_->noticeBar()->text();
        QVERIFY(notice.contains("nothing has changed"));
        QVERIFY(notice.contains("broken.flextron: model: expected an object"));
        QCOMPARE(window_->promptPanel()->prompt(), before);
        for (QPushButton* button : window_->noticeBar()->findChildren<QPushButton*>()) {
            if (button->text() == QLatin1String("Copy")) button->click();
        }
        QVERIFY(QApplication::clipboard()->text().contains("broken.flextron"));
    }

    void aSessionWhoseModelIsGoneKeepsItsPrompt()
    {
        load();
        prompt(QStringLiteral("the dog"));
        Session session = window_->files()->current();
        session.model_folder = QStringLiteral("/gone");
        session.model_name = QStringLiteral("missing");
        QVERIFY(writeSession(path(QStringLiteral("gone.flextron")), session).ok());
        prompt(QStringLiteral("the cat"));
        window_->files()->openSession(path(QStringLiteral("gone.flextron")));
        QTRY_VERIFY(window_->noticeBar()->text().contains("there is no such folder"));
        QCOMPARE(window_->promptPanel()->prompt(), QStringLiteral("the dog"));
    }

    void tracesOpenWithoutAModel()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        QVERIFY(window_->comparison()->addPin());
        const std::vector<Trace> before = window_->comparison()->traces();
        const auto split = window_->comparison()->splitRecord(PaneSlot::Live);
        const QString text = window_->paneView(PaneSlot::Live)->text()->toPlainText();
        QSignalSpy saved(window_->files(), &FileActions::done);
        window_->files()->saveTraces(path(QStringLiteral("t.safetensors")));
        QVERIFY(saved.wait());
        QVERIFY(saved.at(0).at(0).toBool());

        window_.reset();
        makeWindow(); // no model
        QSignalSpy opened(window_->files(), &FileActions::done);
        window_->files()->openFile(path(QStringLiteral("t.safetensors")));
        QVERIFY(opened.wait());
        QVERIFY(!window_->service()->model());
        const std::vector<Trace> after = window_->comparison()->traces();
        QCOMPARE(after.size(), before.size());
        for (std::size_t i = 0; i < after.size(); ++i) QVERIFY(after[i].ids() == before[i].ids());
        QCOMPARE(window_->comparison()->splitRecord(PaneSlot::Live), split);
        QCOMPARE(window_->paneView(PaneSlot::Live)->text()->toPlainText(), text);
        QCOMPARE(static_cast<int>(window_->heatmap()->page()->state()), static_cast<int>(StatePage::State::Content));
        QCOMPARE(window_->heatmap()->drawnValue(0, 0), static_cast<double>(before.back().records[0].mlp[0]));
        QVERIFY(window_->paneView(PaneSlot::Live)->detailText().contains("neurons"));
        QVERIFY(!action("run")->isEnabled());

        // Views that read records show them; the others say that they need the model.
        window_->selection()->selectToken(PaneSlot::Live, 2, 1);
        const QStringList readers{"heatmapDock", "tokenDock", "whyDock"};
        for (const QDockWidget* dock : window_->findChildren<QDockWidget*>()) {
            if (dock->objectName() == QLatin1String("runDock")) continue; // a run's folder needs no model
            int filled = 0;
            for (const StatePage* page : dock->findChildren<StatePage*>()) {
                if (page->state() == StatePage::State::Content) ++filled;
                else
                    QVERIFY2(page->message().contains(QLatin1String("model")),
                             qPrintable(dock->objectName() + ": " + page->message()));
            }
            QVERIFY2(filled == (readers.contains(dock->objectName()) ? 1 : 0), qPrintable(dock->objectName()));
        }
        QVERIFY(window_->heatmap()->readout().contains("neurons"));
        window_->heatmap()->setQuantity(Quantity::ComputeShare);
        window_->selection()->selectToken(PaneSlot::Live, 2, 0);
        QVERIFY(window_->heatmap()->readout().contains("open the model"));
    }

    void aTraceThatIsNoneIsAnError()
    {
        write(QStringLiteral("t.safetensors"), "no trace at all");
        QSignalSpy done(window_->files(), &FileActions::done);
        window_->files()->openTraces(path(QStringLiteral("t.safetensors")));
        QVERIFY(done.wait());
        QVERIFY(!done.at(0).at(0).toBool());
        QVERIFY(window_->noticeBar()->text().contains("t.safetensors"));
    }

    void whatCannotBeWrittenIsSaidAndNothingIsLost()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        for (int kind = 0; kind < 4; ++kind) {
            QSignalSpy done(window_->files(), &FileActions::done);
            const QString file = QStringLiteral("/proc/nothing/can/be/here");
            if (kind == 0) window_->files()->saveSession(file);
            if (kind == 1) window_->files()->saveTraces(file);
            if (kind == 2) window_->files()->exportTexts(file);
            if (kind == 3) window_->files()->exportReport(file);
            QVERIFY(done.wait());
            QVERIFY(!done.at(0).at(0).toBool());
            QVERIFY(window_->noticeBar()->text().contains(file));
        }
        QVERIFY(complete());
    }

    void textsAndFiguresAreExported()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        QSignalSpy done(window_->files(), &FileActions::done);
        window_->files()->exportTexts(path(QStringLiteral("texts.txt")));
        QVERIFY(done.wait());
        const QByteArray texts = read(QStringLiteral("texts.txt"));
        for (const PaneSlot slot : window_->comparison()->order())
            QVERIFY(texts.contains(window_->paneView(slot)->text()->toPlainText().toUtf8()));

        QVERIFY(writePicture(window_.get(), path(QStringLiteral("w.png"))).ok());
        QVERIFY(!QImage(path(QStringLiteral("w.png"))).isNull());
    }

    void aReportIsThePanes()
    {
        engine_->fake.model->hash = modelHash(*engine_->fake.model->checkpoint); // as loading gives it
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        window_->comparison()->renamePin(*window_->comparison()->addPin(), QStringLiteral("</script>"));
        QTRY_VERIFY(complete());
        QVERIFY(action("exportReport")->isEnabled());
        QSignalSpy done(window_->files(), &FileActions::done);
        window_->files()->exportReport(path(QStringLiteral("r.html")));
        QVERIFY(done.wait());
        QVERIFY(done.at(0).at(0).toBool());
        const QByteArray page = read(QStringLiteral("r.html"));
        const QByteArray begin("<script type=\"application/json\" id=\"data\">");
        const qsizetype from = page.indexOf(begin) + begin.size();
        const QJsonObject data =
            QJsonDocument::fromJson(page.mid(from, page.indexOf("</script>", from) - from)).object();
        const QJsonArray panes = data["panes"].toArray();
        QCOMPARE(panes.size(), 3);
        int index = 0;
        for (const PaneSlot slot : window_->comparison()->order()) {
            const PaneData& pane = window_->comparison()->pane(slot);
            const QJsonObject entry = panes[index++].toObject();
            QCOMPARE(entry["name"].toString(), window_->comparison()->paneName(slot));
            QString text;
            for (const QJsonValue& piece : entry["texts"].toArray()) text += piece.toString();
            QCOMPARE(text, window_->paneView(slot)->text()->toPlainText());
            QCOMPARE(entry["command"].toString(), window_->files()->commandOf(slot));
            QCOMPARE(entry["timing"].toObject()["tokens"].toInt(), pane.timing.new_tokens);
            QVERIFY(entry.contains("mlp_share")); // the model that made it is open
            QCOMPARE(entry["full_logprob"].toArray().size(),
                     commonTokens(pane.trace, window_->comparison()->pane(PaneSlot::Full).trace));
        }
    }

    void aFigureIsPreviewedAndWritten()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        action("exportFigure")->trigger();
        auto* dialog = window_->findChild<FigureDialog*>();
        QVERIFY(dialog != nullptr);
        QTRY_VERIFY(dialog->figure());
        dialog->setWidthMm(kPageMm);
        for (const char* view : {"budget", "anatomy", "text", "layers", "heatmap"}) {
            dialog->setView(QLatin1String(view));
            QTRY_VERIFY(dialog->figure());
            QCOMPARE(dialog->figure()->view, QLatin1String(view));
        }
        dialog->setView(QStringLiteral("why")); // uniform widths: no router was asked
        QTRY_VERIFY(dialog->problem().contains("no dynamic router was asked"));
        QVERIFY(!dialog->figure());
        dialog->setView(QStringLiteral("heatmap"));
        QTRY_VERIFY(dialog->figure());
        QSignalSpy done(window_->files(), &FileActions::done);
        window_->files()->exportFigure(*dialog->figure(), {path(QStringLiteral("f.pdf")), dialog->widthMm(), true},
                                       dialog->origin());
        QVERIFY(done.wait());
        QVERIFY(done.at(0).at(0).toBool());
        QVERIFY(read(QStringLiteral("f.pdf")).startsWith("%PDF"));
        QVERIFY(read(QStringLiteral("f.csv")).startsWith("token,id,text,layer,"));
        QVERIFY(read(QStringLiteral("f.json")).contains("flextron generate"));
    }

    void aCommandLineCarriesEverything()
    {
        load();
        prompt(QStringLiteral("the cat's")); // to be quoted; the fake vocabulary has no such sign
        prompt(QStringLiteral("the cat"));
        RunInputs inputs = window_->comparison()->inputs();
        inputs.sampler = {0.75, 9, 0.9, 0.02, 1.25, 18'000'000'000'000'000'000u};
        inputs.stop_text = QStringLiteral("it's over");
        window_->comparison()->setInputs(inputs);
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        const QString command = window_->files()->commandOf(PaneSlot::Live);
        const QString subnet = QString::fromStdString(
            toString(window_->service()->model()->latency_stops.front().subnet));
        for (const QString& part :
             {QStringLiteral("flextron generate "), QStringLiteral("-p 'the cat'"), "--subnet '" + subnet + "'",
              QStringLiteral("--temperature 0.75"), QStringLiteral("--top-k 9"), QStringLiteral("--top-p 0.9"),
              QStringLiteral("--min-p 0.02"), QStringLiteral("--repeat-penalty 1.25"),
              QStringLiteral("--stop 'it'\\''s over'"), QStringLiteral("--seed 18000000000000000000"),
              QStringLiteral("--max-tokens 20"), QStringLiteral("--kv all"), QStringLiteral("--device cpu")}) {
            QVERIFY2(command.contains(part), qPrintable(part + " in " + command));
        }
        action("copyCommand")->trigger();
        QCOMPARE(QApplication::clipboard()->text(), command);
    }

    void aTextFileBecomesThePrompt()
    {
        write(QStringLiteral("p.txt"), "the cat sat");
        window_->files()->openFile(path(QStringLiteral("p.txt")));
        QCOMPARE(window_->promptPanel()->prompt(), QStringLiteral("the cat sat"));
        window_->files()->openFile(path(QStringLiteral("missing.txt")));
        QVERIFY(window_->statusText().contains("missing.txt"));
    }

    void aCrashLosesNothing()
    {
        load();
        window_->keepRecovery();
        prompt(QStringLiteral("the dog sat"));
        auto* recovery = window_->findChild<Recovery*>();
        QVERIFY(!recovery->found());
        recovery->keep();
        window_.reset(); // without closing: as a crash leaves it
        QVERIFY(QFile::exists(Recovery::file()));
        makeWindow();
        window_->keepRecovery();
        QVERIFY(window_->noticeBar()->text().contains("not closed properly"));
        window_->noticeBar()->button()->click();
        QCOMPARE(window_->promptPanel()->prompt(), QStringLiteral("the dog sat"));
        QTRY_VERIFY(window_->service()->model());
        window_->close();
        QVERIFY(!QFile::exists(Recovery::file()));
        makeWindow();
        window_->keepRecovery();
        QVERIFY(window_->noticeBar()->text().isEmpty());
    }

    void linksOfNotesWorkTheWindow()
    {
        load();
        QVERIFY(window_->followLink(QStringLiteral("set:budget=0.7")));
        QCOMPARE(window_->subNetworkPanel()->latencySlider()->requested(), 0.7);
        QTRY_VERIFY(complete());
        QVERIFY(window_->followLink(QStringLiteral("select:token=8")));
        QVERIFY(window_->followLink(QStringLiteral("select:layer=2")));
        QCOMPARE(window_->selection()->state().primary, 8);
        QCOMPARE(window_->selection()->state().layer, 2);
        QVERIFY(window_->followLink(QStringLiteral("do:read")));
        QVERIFY(!window_->followLink(QStringLiteral("set:budget=half")));
        QVERIFY(!window_->followLink(QStringLiteral("rm:everything=1")));
    }

private:
    void makeWindow()
    {
        window_.reset();
        window_ = std::make_unique<MainWindow>(engine_->calls());
        window_->setMeasureInBackground(false);
        prompt(QString::fromLatin1(test::kPrompt));
        RunInputs inputs = window_->comparison()->inputs();
        inputs.max_tokens = 20;
        window_->comparison()->setInputs(inputs);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    }

    void load()
    {
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(QStringLiteral("fake"));
        QVERIFY(loaded.wait());
        QTest::qWait(1); // what is queued after it
    }

    void save(const QString& name)
    {
        QSignalSpy done(window_->files(), &FileActions::done);
        window_->files()->saveSession(path(name));
        QVERIFY(done.wait());
        QVERIFY(done.at(0).at(0).toBool());
    }

    /// What can be read off the window.
    [[nodiscard]] QStringList screen() const
    {
        QStringList texts{window_->promptPanel()->prompt(), window_->subNetworkPanel()->latencyText(),
                          window_->subNetworkPanel()->parameterText(), window_->notes()->notes(),
                          window_->heatmap()->readout()};
        for (const PaneSlot slot : window_->comparison()->order()) {
            texts << window_->comparison()->paneName(slot) << window_->paneView(slot)->text()->toPlainText()
                  << window_->paneView(slot)->detailText() << window_->paneView(slot)->splitText();
        }
        for (const QComboBox* box : window_->findChildren<QComboBox*>()) {
            if (!box->objectName().isEmpty()) texts << box->currentText();
        }
        return texts;
    }

    [[nodiscard]] bool complete() const
    {
        if (window_->service()->running()) return false;
        for (const PaneSlot slot : window_->comparison()->order()) {
            if (!window_->comparison()->pane(slot).complete()) return false;
        }
        return true;
    }

    void prompt(const QString& text) { window_->promptPanel()->setPrompt(text); }
    [[nodiscard]] QString path(const QString& name) const { return folder_->filePath(name); }
    void write(const QString& name, const QByteArray& content)
    {
        QFile file(path(name));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(content);
    }
    [[nodiscard]] QByteArray read(const QString& name) const
    {
        QFile file(path(name));
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }
    [[nodiscard]] QAction* action(const char* name) const { return window_->findChild<QAction*>(QLatin1String(name)); }

    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(FilesTest)
#include "test_files.moc"
