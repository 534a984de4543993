// Lessons, hints and links of the notes: every lesson is gone through from its first link to its last, with the bundled
// model, and a link that does nothing fails.
#include <QAction>
#include <QComboBox>
#include <QDockWidget>
#include <QMenu>
#include <QRegularExpression>
#include <QSettings>
#include <QSignalSpy>
#include <QTest>
#include <QTextBrowser>

#include "engine/base/files.h"
#include "tests/ui/support/fake_engine.h"
#include "ui/compare/promptpanel.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/hintbar.h"
#include "ui/window/lessons.h"
#include "ui/window/mainwindow.h"
#include "ui/window/notesmarkup.h"
#include "ui/window/notespanel.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 120'000;

QStringList linksOf(const QString& notes)
{
    static const QRegularExpression link(QStringLiteral(R"(\]\(([a-z]+:[^)\s]+)\))"));
    QStringList found;
    for (auto matches = link.globalMatch(notes); matches.hasNext();) found << matches.next().captured(1);
    return found;
}

} // namespace

class LessonsTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
    }

    void cleanup() { window_.reset(); }

    void hiddenPartsOpenOneByOne()
    {
        const QString notes = QStringLiteral("# Title\nask\n<!-- hidden: Answer -->\nfour\n<!-- end -->\nthen\n"
                                             "<!-- hidden: Teacher -->\nfive");
        const QString closed = visibleNotes(notes, {});
        QVERIFY(closed.contains("[▸ Answer](toggle:0)") && closed.contains("[▸ Teacher](toggle:1)"));
        QVERIFY(!closed.contains("four") && !closed.contains("five") && closed.contains("then"));
        const QString open = visibleNotes(notes, {1});
        QVERIFY(open.contains("[▾ Teacher](toggle:1)") && open.contains("> five") && !open.contains("four"));
        QCOMPARE(notesTitle(notes), QStringLiteral("Title"));
        NotesPanel panel;
        panel.setNotes(notes);
        QVERIFY(!panel.shown().contains("four"));
        QSignalSpy followed(&panel, &NotesPanel::linkFollowed);
        auto* browser = panel.findChild<QTextBrowser*>();
        emit browser->anchorClicked(QUrl(QStringLiteral("toggle:0")));
        QVERIFY(panel.shown().contains("four") && !panel.shown().contains("five"));
        emit browser->anchorClicked(QUrl(QStringLiteral("toggle:0")));
        QVERIFY(!panel.shown().contains("four"));
        QVERIFY(followed.isEmpty());
        emit browser->anchorClicked(QUrl(QStringLiteral("set:prompt=two%20words")));
        QCOMPARE(followed.size(), 1);
    }

    void linksThatCanDoNothingSaySo_data()
    {
        QTest::addColumn<QString>("link");
        for (const char* link :
             {"do:nothing", "do:", "set:budget=2", "set:budget=half", "set:routing=sideways", "set:quality=-1",
              "set:quantity=colour", "set:tokens=0", "show:nothing", "select:token=99999", "select:token=-1",
              "select:layer=99", "select:pane=none", "set:temperature=-2", "jump:token=1", "nonsense", ""})
            QTest::newRow(link) << QString::fromLatin1(link);
    }
    void linksThatCanDoNothingSaySo()
    {
        QFETCH(QString, link);
        makeReal();
        const QStringList before = screen();
        QVERIFY(!window_->followLink(link));
        QCOMPARE(screen(), before);
    }

    void thereAreThreeLessonsInTheMenu()
    {
        const auto lessons = findLessons();
        QCOMPARE(lessons.size(), std::size_t{3});
        makeReal();
        for (std::size_t i = 0; i < lessons.size(); ++i) {
            QVERIFY(!lessons[i].title.isEmpty());
            const auto* action = window_->findChild<QAction*>(QStringLiteral("lesson%1").arg(i + 1));
            QVERIFY(action != nullptr && action->text().contains(lessons[i].title));
        }
    }

    void aLessonIsGoneThrough_data()
    {
        QTest::addColumn<QString>("file");
        for (const Lesson& lesson : findLessons()) QTest::newRow(qPrintable(lesson.title)) << lesson.file;
    }
    void aLessonIsGoneThrough()
    {
        QFETCH(QString, file);
        const auto session = readSession(file);
        QVERIFY(session.ok());
        // For any machine: the model by name, no arrangement of somebody's screen.
        QCOMPARE(session->model_name, QStringLiteral("flextron-stories"));
        QVERIFY(session->model_folder.isEmpty() && session->layout.isEmpty() && session->geometry.isEmpty());
        makeReal();
        window_->files()->openLesson(file);
        settle();
        QCOMPARE(window_->notes()->notes(), session->notes);
        QVERIFY(dock(QStringLiteral("notesDock"))->isVisible());
        const QStringList links = linksOf(session->notes);
        QVERIFY2(links.size() >= 10, "a lesson leads through the window");
        for (const QString& link : links) {
            if (link.startsWith(QLatin1String("do:lesson"))) continue; // another lesson's own test
            if (link.startsWith(QLatin1String("show:"))) dock(link.section(QLatin1Char(':'), 1) + "Dock")->hide();
            const QStringList before = screen();
            QSignalSpy measured(window_->service(), &EngineService::measureEnded); // shows nothing new the second time
            QVERIFY2(window_->followLink(link), qPrintable(link));
            settle();
            const bool showed = link == QLatin1String("do:measure") ? !measured.isEmpty() : screen() != before;
            QVERIFY2(showed, qPrintable(QStringLiteral("%1 does nothing").arg(link)));
            for (const PaneSlot slot : window_->comparison()->order())
                QVERIFY2(window_->comparison()->pane(slot).state != PaneState::Failed, qPrintable(link));
        }
    }

    // With the widths that this model has in the legend, and the buttons of every routing.
    void theClassLayoutFitsASmallScreen_data()
    {
        QTest::addColumn<QString>("routing");
        for (const char* routing : {"dynamic", "static"}) QTest::newRow(routing) << QString::fromLatin1(routing);
    }
    void theClassLayoutFitsASmallScreen()
    {
        QFETCH(QString, routing);
        const QSize small(1280, 720);
        makeReal();
        QVERIFY(window_->followLink(QStringLiteral("set:budget=0.6")));
        QVERIFY(routing == QLatin1String("dynamic") || window_->followLink(QStringLiteral("set:routing=") + routing));
        window_->comparison()->run();
        settle();
        window_->arrange(MainWindow::Layout::Teach);
        window_->showNormal(); // it takes the whole screen, and this one is another
        QTRY_VERIFY2(window_->minimumSizeHint().boundedTo(small) == window_->minimumSizeHint(),
                     qPrintable(QStringLiteral("at least %1 x %2")
                                    .arg(window_->minimumSizeHint().width())
                                    .arg(window_->minimumSizeHint().height())));
        window_->resize(small);
        QTRY_COMPARE(window_->size(), small);
        // Nor does any panel ask for more, once somebody calls for it.
        for (QDockWidget* dock : window_->findChildren<QDockWidget*>()) {
            if (dock->isVisible()) continue;
            dock->show();
            dock->raise();
            QCoreApplication::sendPostedEvents(nullptr, QEvent::LayoutRequest);
            QVERIFY2(
                window_->minimumSizeHint().width() <= small.width(),
                qPrintable(QStringLiteral("%1: %2").arg(dock->objectName()).arg(window_->minimumSizeHint().width())));
            dock->hide();
        }
    }

    void aSessionThatHadNotRunDoesNotRun()
    {
        makeReal();
        window_->comparison()->run();
        settle();
        window_->selection()->selectToken(PaneSlot::Live, 9, 6);
        QVERIFY(window_->followLink(QStringLiteral("do:lesson2")));
        settle();
        QTest::qWait(50);
        QVERIFY(!window_->service()->running());
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live})
            QVERIFY(!window_->comparison()->pane(slot).hasText());
        QCOMPARE(window_->selection()->state().primary, -1);
        QVERIFY(window_->comparison()->target().by_flops); // the same widths on every machine
    }

    void hintsGoOnWhenTheyWereTriedAndAreRemembered()
    {
        makeReal();
        HintBar* hints = window_->hints();
        QVERIFY(hints->text().contains("F5"));
        window_->comparison()->run();
        settle();
        QCOMPARE(hints->next(), 1);
        window_->subNetworkPanel()->setBudget(0.7);
        settle();
        QCOMPARE(hints->next(), 2);
        window_->selection()->selectToken(PaneSlot::Live, 5);
        QCOMPARE(hints->next(), 3);
        window_->close();
        makeReal();
        QCOMPARE(window_->hints()->next(), 3);
        window_->comparison()->run();
        settle();
        window_->comparison()->addPin();
        QCOMPARE(window_->hints()->next(), 4);
        window_->hints()->setNext(99);
        QVERIFY(window_->hints()->text().isEmpty());
        window_->findChild<QAction*>(QStringLiteral("hints"))->trigger();
        QCOMPARE(window_->hints()->next(), 0);
        // What was done before its turn is left out.
        window_->selection()->selectToken(PaneSlot::Live, 6);
        window_->comparison()->run();
        settle();
        QCOMPARE(window_->hints()->next(), 1);
        window_->subNetworkPanel()->setBudget(0.8);
        settle();
        QCOMPARE(window_->hints()->next(), 4); // the pin is still there, too
    }

    void aTableThatComesChangesTheCountAndNotWhatRuns()
    {
        std::filesystem::remove_all(latencyTablePath("any").parent_path()); // what other tests measured
        makeReal();
        SubNetworkPanel* panel = window_->subNetworkPanel();
        QVERIFY(window_->followLink(QStringLiteral("set:budget=0.6")));
        window_->comparison()->run();
        settle();
        const double budget = window_->comparison()->pane(PaneSlot::Live).plan.budget;
        QCOMPARE(budget, 0.6);
        LatencyTable table; // half of the time is no matter of width
        table.fingerprint = "another machine";
        table.mlp_widths = {0, 704};
        table.head_counts = {0, 8};
        table.contexts = {256};
        table.fixed_ms = 0.5;
        table.router_ms = 0.001;
        table.mlp_ms = {0, 0.03};
        table.attention_own_ms = table.attention_all_ms = {{0, 0.03}};
        window_->service()->takeLatencyTable(table);
        QTRY_VERIFY_WITH_TIMEOUT(window_->service()->model()->latency.has_value(), kLongMs);
        const double share = panel->latencySlider()->requested();
        QVERIFY2(share > 0.7 && share < 0.8, qPrintable(QString::number(share)));
        window_->comparison()->run();
        settle();
        QVERIFY(std::abs(window_->comparison()->pane(PaneSlot::Live).plan.budget - budget) < 1e-9);
        QVERIFY(std::abs(window_->comparison()->pane(PaneSlot::Live).plan.share - share) < 1e-9);
        QVERIFY(window_->followLink(QStringLiteral("set:scale=flops")));
        settle();
        QVERIFY(std::abs(panel->latencySlider()->requested() - budget) < 1e-9);
        QVERIFY(window_->comparison()->target().by_flops);
        QVERIFY(std::abs(window_->comparison()->pane(PaneSlot::Live).plan.budget - budget) < 1e-9);
    }

    void theFirstStartIsReadyToRun()
    {
        makeReal();
        // What the model's own card says of it stands under the prompt.
        QVERIFY(window_->service()->model()->card.contains("children's stories"));
        QCOMPARE(window_->comparison()->target().routing, std::optional(Routing::Dynamic));
        QVERIFY(window_->comparison()->target().value < 1.0);
        QVERIFY(!window_->promptPanel()->prompt().isEmpty());
        window_->close();
        makeReal(); // not the first one any more
        QCOMPARE(window_->comparison()->target().value, 1.0);
    }

    void everyPromptToPickFromShowsADifference_data()
    {
        QTest::addColumn<QString>("prompt");
        const QStringList prompts = promptsFor(QStringLiteral("flextron-stories"));
        QCOMPARE(prompts.size(), 10);
        for (const QString& prompt : prompts) QTest::newRow(qPrintable(prompt)) << prompt;
    }
    void everyPromptToPickFromShowsADifference()
    {
        QFETCH(QString, prompt);
        makeReal();
        window_->promptPanel()->setPrompt(prompt);
        window_->comparison()->run();
        settle();
        const auto split = window_->comparison()->divergence(PaneSlot::Live);
        QVERIFY(split && *split < 40);
    }

private:
    void makeReal()
    {
        window_.reset();
        window_ = std::make_unique<MainWindow>();
        window_->setMeasureInBackground(false);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel({});
        QVERIFY(loaded.wait(kLongMs));
    }

    /// Until nothing is under way any more.
    void settle()
    {
        const EngineService* service = window_->service();
        int calm = 0;
        QTRY_VERIFY_WITH_TIMEOUT(
            (calm = service->loading() || service->running() || service->working() || service->measureWanted()
                        ? 0
                        : calm + 1) > 2,
            kLongMs);
    }

    QDockWidget* dock(const QString& name) const { return window_->findChild<QDockWidget*>(name); }

    /// What a person could see change.
    QStringList screen() const
    {
        Session session = window_->files()->current();
        session.layout.clear();
        session.geometry.clear();
        QStringList seen{QString::fromUtf8(toJson(session))};
        for (const PaneSlot slot : window_->comparison()->order())
            seen << QString::number(window_->comparison()->pane(slot).serial);
        for (const QDockWidget* each : window_->findChildren<QDockWidget*>())
            seen << (each->visibleRegion().isEmpty() ? QStringLiteral("-") : each->objectName());
        for (const QAction* action : window_->findChildren<QAction*>()) {
            if (action->isCheckable()) seen << QString::number(static_cast<int>(action->isChecked()));
        }
        for (const QComboBox* box : window_->findChildren<QComboBox*>()) seen << box->currentText();
        for (const QLabel* label : window_->findChildren<QLabel*>()) seen << label->text();
        return seen;
    }

    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(LessonsTest)
#include "test_lessons.moc"
