// The convert form: its plan as a command line, what stands in the way, the estimate, and the way from form to job.
#include <QAction>
#include <QComboBox>
#include <QFile>
#include <QLocale>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "tests/ui/support/fake_program.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/jobs/convertform.h"
#include "ui/jobs/jobviews.h"
#include "ui/measure/runmonitor.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;
using flextron::test::kLongMs;

namespace {

const QString kBase = QStringLiteral(FLEXTRON_TEST_DATA "/stories260k-llama");
const QString kText = QStringLiteral(FLEXTRON_SOURCE_DIR "/resources/corpus/tales.txt");

} // namespace

class ConvertTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { QLocale::setDefault(QLocale::c()); }
    void init()
    {
        test::failOnWarnings();
        program_ = std::make_unique<test::FakeProgram>();
        folder_ = std::make_unique<QTemporaryDir>();
    }
    void cleanup()
    {
        program_.reset();
        folder_.reset();
    }

    void countsAsPeopleWriteThem_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<qint64>("count"); // 0: none
        QTest::newRow("plain") << "400000" << qint64{400'000};
        QTest::newRow("commas") << "26,853,376" << qint64{26'853'376};
        QTest::newRow("millions") << "26.8M" << qint64{26'800'000};
        QTest::newRow("apart") << " 2 b" << qint64{2'000'000'000};
        QTest::newRow("thousands") << "400k" << qint64{400'000};
        QTest::newRow("nothing") << "" << qint64{0};
        QTest::newRow("none") << "0" << qint64{0};
        QTest::newRow("negative") << "-5M" << qint64{0};
        QTest::newRow("words") << "many" << qint64{0};
        QTest::newRow("too many") << "99999999T" << qint64{0};
    }
    void countsAsPeopleWriteThem()
    {
        QFETCH(QString, text);
        QTEST(static_cast<qint64>(parseTokenCount(text).value_or(0)), "count");
    }

    void aPlanIsACommandLine()
    {
        ConvertPlan plan = goodPlan();
        plan.by_share = true;
        plan.share = 0.05;
        plan.base_tokens = 26'853'376;
        plan.texts = {{kText, 0.65}, {kBase + QStringLiteral("/config.json"), 0.35}};
        plan.validation = {kText};
        plan.budgets = QStringLiteral("1, 0.8, 0.6");
        plan.threads = 2;
        const QString line = convertArguments(plan, 512).join(QLatin1Char(' '));
        QVERIFY2(line.startsWith(
                     QStringLiteral("convert %1 --out %2 --data %3 %1/config.json --shares 0.65,0.35 --validation %3")
                         .arg(kBase, plan.out, kText)),
                 qPrintable(line));
        QVERIFY2(line.contains(QLatin1String(" --base-tokens 26853376 --tokens 1342668 ")), qPrintable(line));
        QVERIFY2(line.contains(QLatin1String(" --sequences 128 ")), qPrintable(line)); // a tenth would be more
        QVERIFY2(line.contains(QLatin1String(" --threads 2 ")), qPrintable(line));
        QVERIFY2(line.endsWith(QLatin1String(" --budgets 1,0.8,0.6 --json --progress-json")), qPrintable(line));
        plan.what = ConvertPlan::What::SortOnly;
        const QString sort = convertArguments(plan, 512).join(QLatin1Char(' '));
        QVERIFY2(sort.contains(QLatin1String(" --stages importance,permute ")), qPrintable(sort));
        QVERIFY2(!sort.contains(QLatin1String("--tokens 1342668")), qPrintable(sort));
    }

    void aShortConversionCalibratesShortly()
    {
        ConvertPlan plan = goodPlan();
        plan.tokens = 51'200;
        const QStringList words = convertArguments(plan, 512);
        QCOMPARE(words.at(words.indexOf(QStringLiteral("--sequences")) + 1), QStringLiteral("10"));
    }

    void whatStandsInTheWayIsNamed_data()
    {
        QTest::addColumn<QString>("change");
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("hint");
        QTest::newRow("nothing") << ""
                                 << ""
                                 << "";
        QTest::newRow("no model") << "no base"
                                  << "No model is chosen"
                                  << "Choose the folder";
        QTest::newRow("not a model") << "not a model"
                                     << "is no model: it holds no config.json"
                                     << "Hugging Face";
        QTest::newRow("no text") << "no text"
                                 << "No text is given"
                                 << "Add one or more text files";
        QTest::newRow("text gone") << "text gone"
                                   << "is no file that can be read"
                                   << "choose another text";
        QTest::newRow("empty text") << "empty text"
                                    << "is empty"
                                    << "choose another text";
        QTest::newRow("one share") << "one share"
                                   << "Some texts have a share"
                                   << "Give every text a share";
        QTest::newRow("tokens unknown") << "tokens unknown"
                                        << "not known how many tokens"
                                        << "26.8M";
        QTest::newRow("no tokens") << "no tokens"
                                   << "No training tokens"
                                   << "2M";
        QTest::newRow("no out") << "no out"
                                << "No folder is given"
                                << "does not exist yet";
        QTest::newRow("out is there") << "out is there"
                                      << "is there already"
                                      << "nothing is written over";
        QTest::newRow("interrupted") << "interrupted"
                                     << "holds an interrupted conversion"
                                     << "Resume an Interrupted Conversion";
    }
    void whatStandsInTheWayIsNamed()
    {
        QFETCH(QString, change);
        QFETCH(QString, what);
        QFETCH(QString, hint);
        ConvertPlan plan = goodPlan();
        const auto write = [this](const QString& name, const QByteArray& bytes) {
            QFile file(folder_->filePath(name));
            if (file.open(QIODevice::WriteOnly)) file.write(bytes);
            return file.fileName();
        };
        if (change == QLatin1String("no base")) plan.base.clear();
        if (change == QLatin1String("not a model")) plan.base = folder_->path();
        if (change == QLatin1String("no text")) plan.texts.clear();
        if (change == QLatin1String("text gone")) plan.texts = {{folder_->filePath(QStringLiteral("gone.txt")), {}}};
        if (change == QLatin1String("empty text")) plan.texts = {{write(QStringLiteral("empty.txt"), {}), {}}};
        if (change == QLatin1String("one share")) plan.texts = {{kText, 0.5}, {kText, {}}};
        if (change == QLatin1String("tokens unknown")) plan.by_share = true;
        if (change == QLatin1String("no tokens")) plan.tokens = 0;
        if (change == QLatin1String("no out")) plan.out.clear();
        if (change == QLatin1String("out is there")) {
            QDir().mkpath(plan.out);
            write(QStringLiteral("out/file"), "x");
        }
        if (change == QLatin1String("interrupted")) QDir().mkpath(plan.out + QStringLiteral(".work"));
        const auto found = problemOf(plan);
        QCOMPARE(found.has_value(), !what.isEmpty());
        if (!found) return;
        QVERIFY2(QString::fromStdString(found->message).contains(what), found->message.c_str());
        QVERIFY2(QString::fromStdString(found->hint).contains(hint), found->hint.c_str());
    }

    void aFolderThatCannotBeWrittenToIsRefused()
    {
        ConvertPlan plan = goodPlan();
        plan.out = kText + QStringLiteral("/elastic"); // below a file
        QVERIFY(
            QString::fromStdString(problemOf(plan)->message).contains(QLatin1String("tales.txt cannot be written to")));
    }

    void aSuggestionCanBeStartedAsItIs()
    {
        const auto facts = readBase(kBase);
        QVERIFY(facts.ok());
        QCOMPARE(facts->layers, 5);
        QCOMPARE(facts->context, 512);
        QVERIFY(!facts->converted);
        ConvertPlan plan = suggestedPlan(*facts, ConvertPlan::What::Whole);
        QCOMPARE(plan.base, kBase);
        QVERIFY(plan.texts.size() == 1 && plan.texts[0].file.endsWith(QLatin1String("tales.txt")));
        QVERIFY(!plan.by_share); // nobody knows what this base has read
        plan.out = folder_->filePath(QStringLiteral("out"));
        QVERIFY(!problemOf(plan).has_value());
        BaseFacts known = *facts;
        known.base_training_tokens = 26'853'376;
        const ConvertPlan by_share = suggestedPlan(known, ConvertPlan::What::Whole);
        QVERIFY(by_share.by_share);
        QCOMPARE(by_share.trainingTokens(), std::int64_t{2'048'912}); // 7.63 %
        QVERIFY(readBase(folder_->path()).error().message.find("config.json") != std::string::npos);
    }

    void theResultsFolderIsFree()
    {
        const QString base = folder_->filePath(QStringLiteral("base"));
        QCOMPARE(suggestedOut(base, ConvertPlan::What::Whole), base + QStringLiteral("-elastic"));
        QCOMPARE(suggestedOut(base + QLatin1Char('/'), ConvertPlan::What::SortOnly), base + QStringLiteral("-sorted"));
        QDir().mkpath(base + QStringLiteral("-elastic.work"));
        QCOMPARE(suggestedOut(base, ConvertPlan::What::Whole), base + QStringLiteral("-elastic-2"));
    }

    void anEstimateIsSaidInWords()
    {
        const auto estimate = parseEstimate(R"({"stages": [{"name": "elastic", "tokens": 1, "seconds": 100.5},
            {"name": "joint", "tokens": 1, "seconds": 20}], "memory_bytes": 3000000000, "available_memory_bytes": 2000000000,
            "disk_bytes": 10, "available_disk_bytes": 100, "fits": false, "problems": ["memory does not suffice: --batch 4"]})");
        QVERIFY(estimate.ok());
        QCOMPARE(estimate->seconds(), 120.5);
        const QString text = estimateText(*estimate);
        QVERIFY2(text.contains(QLatin1String("Time: about 2 min 1 s")), qPrintable(text));
        QVERIFY2(text.contains(QLatin1String("training narrow widths 1 min 41 s")), qPrintable(text));
        QVERIFY2(text.contains(QLatin1String("Memory: 2.8 GiB of the 1.9 GiB that are free")), qPrintable(text));
        QVERIFY2(text.contains(QLatin1String("Does not fit: memory does not suffice: --batch 4")), qPrintable(text));
        QVERIFY(!parseEstimate("{}").ok());
        QVERIFY(!parseEstimate("nonsense").ok());
    }

    void theFieldsKeepAPlan()
    {
        ConvertPlan plan = goodPlan();
        plan.texts = {{kText, 0.25}, {kText, 0.75}};
        plan.validation = {kText};
        plan.batch = 3;
        plan.sequence_length = 64;
        plan.seed = 7;
        plan.validate_every = 5;
        plan.head_choices = QStringLiteral("4,8");
        ConvertFields fields;
        QSignalSpy edited(&fields, &ConvertFields::edited);
        fields.setPlan(plan);
        QCOMPARE(edited.count(), 1); // not one a field
        QVERIFY(fields.plan() == plan);
    }

    void theFormSaysWhatIsMissing()
    {
        Setup setup(program_->path());
        ConvertForm& form = *setup.form;
        form.show();
        QVERIFY(!form.startAction()->isEnabled());
        form.fields()->base()->setText(kBase);
        QTRY_VERIFY_WITH_TIMEOUT(form.startAction()->isEnabled(), kLongMs); // everything else is filled in
        form.fields()->out()->setText(folder_->path());
        form.fields()->texts()->clear();
        QVERIFY(!form.startAction()->isEnabled());
        form.fields()->base()->setText(folder_->path());
        QVERIFY(!form.startAction()->isEnabled());
        QVERIFY(form.fields()->advancedButton()->isVisible());
    }

    void anEstimateComesAndGoesStale()
    {
        Setup setup(program_->path());
        ConvertForm& form = *setup.form;
        fill(form);
        form.show();
        QCOMPARE(form.estimatePage()->state(), StatePage::State::Empty);
        form.estimateAction()->trigger();
        QCOMPARE(form.estimatePage()->state(), StatePage::State::Loading);
        QTRY_COMPARE_WITH_TIMEOUT(form.estimatePage()->state(), StatePage::State::Content, kLongMs);
        QVERIFY(form.estimate().contains(QLatin1String("Time: about 10 s")));
        QVERIFY(program_->calls().last().endsWith(QLatin1String("--progress-json --dry-run")));
        form.fields()->out()->setText(folder_->filePath(QStringLiteral("other")));
        QCOMPARE(form.estimatePage()->state(), StatePage::State::Stale);
        program_->setMode("fail");
        form.estimateAction()->trigger();
        QTRY_COMPARE_WITH_TIMEOUT(form.estimatePage()->state(), StatePage::State::Error, kLongMs);
        QVERIFY(form.estimatePage()->message().contains(QLatin1String("base: is no model\nChoose another")));
        form.fields()->out()->setText(folder_->filePath(QStringLiteral("third")));
        QCOMPARE(form.estimatePage()->state(), StatePage::State::Empty); // another try
    }

    void startEstimatesFirstAndThenConverts()
    {
        program_->setMode("hang");
        Setup setup(program_->path());
        ConvertForm& form = *setup.form;
        fill(form);
        form.show();
        QSignalSpy started(&form, &ConvertForm::started);
        form.startAction()->trigger();
        QVERIFY(started.wait(kLongMs));
        QTRY_COMPARE_WITH_TIMEOUT(program_->calls().size(), 2, kLongMs); // it writes that down when it is up
        QVERIFY(!program_->calls().last().contains(QLatin1String("--dry-run")));
        QCOMPARE(setup.jobs.job()->plan.size(), std::size_t{2});              // of the estimate
        QVERIFY(!form.startAction()->isEnabled());                            // one at a time
        QTRY_COMPARE_WITH_TIMEOUT(setup.jobs.progress().done, 25.0, kLongMs); // it listens to signals by now
        setup.jobs.stop();
        QTRY_COMPARE_WITH_TIMEOUT(setup.jobs.state(), JobState::Stopped, kLongMs);
    }

    void theFolderOfADiscardedJobIsFreeAgain()
    {
        program_->setMode("hang");
        Setup setup(program_->path());
        ConvertForm& form = *setup.form;
        fill(form);
        form.show();
        form.startAction()->trigger();
        QTRY_COMPARE_WITH_TIMEOUT(setup.jobs.progress().done, 25.0, kLongMs);
        const QString work = form.fields()->plan().out + QStringLiteral(".work");
        QVERIFY(QDir().mkpath(work + QStringLiteral("/elastic"))); // as a conversion leaves it
        setup.jobs.stop();
        QTRY_COMPARE_WITH_TIMEOUT(setup.jobs.state(), JobState::Stopped, kLongMs);
        QVERIFY(!form.startAction()->isEnabled());
        setup.jobs.discard();
        QTRY_VERIFY_WITH_TIMEOUT(form.startAction()->isEnabled(), kLongMs);
        QVERIFY(!QFileInfo::exists(work));
    }

    void whatDoesNotFitIsNotStartedUnasked()
    {
        program_->setEstimate(R"({"stages": [], "memory_bytes": 2, "available_memory_bytes": 1, "disk_bytes": 0,
            "available_disk_bytes": 1, "fits": false, "problems": ["memory does not suffice"]})");
        Setup setup(program_->path());
        ConvertForm& form = *setup.form;
        fill(form);
        form.show();
        form.startAction()->trigger();
        QTRY_COMPARE_WITH_TIMEOUT(form.estimatePage()->state(), StatePage::State::Content, kLongMs);
        QVERIFY(form.estimate().contains(QLatin1String("Does not fit")));
        QVERIFY(!setup.jobs.job());
        QVERIFY(form.startAction()->text().contains(QLatin1String("Anyway")));
        form.startAction()->trigger();
        QTRY_VERIFY_WITH_TIMEOUT(setup.jobs.job().has_value(), kLongMs);
        QTRY_COMPARE_WITH_TIMEOUT(setup.jobs.state(), JobState::Finished, kLongMs);
    }

    void withoutTheProgramTheFormSaysSo()
    {
        Setup setup{QString()};
        ConvertForm& form = *setup.form;
        fill(form);
        form.show();
        form.estimateAction()->trigger();
        QCOMPARE(form.estimatePage()->state(), StatePage::State::Error);
        QVERIFY(form.estimatePage()->message().contains(QLatin1String("was not found")));
    }

    void theWindowOffersToPrepareAModel()
    {
        test::FakeEngine engine;
        MainWindow window(engine.calls());
        window.setMeasureInBackground(false);
        window.show();
        window.openModel(QStringLiteral("fake"));
        QTRY_VERIFY_WITH_TIMEOUT(window.service()->model(), kLongMs);
        const bool untrained = window.service()->model()->preparation != Preparation::Trained;
        QCOMPARE(!window.subNetworkPanel()->cautionText().isEmpty(), untrained);
        window.jobs()->convertAction()->trigger();
        ConvertForm* form = window.jobs()->form();
        QTRY_VERIFY_WITH_TIMEOUT(form->isVisible(), kLongMs);
        QVERIFY(!form->isModal());
        QCOMPARE(form->fields()->plan().base,
                 QString::fromStdString(window.service()->model()->checkpoint->folder().string()));
        form->close();
        window.jobs()->sortAction()->trigger();
        QCOMPARE(form->fields()->plan().what, ConvertPlan::What::SortOnly);
    }

private:
    /// A form as the window has it.
    struct Setup {
        explicit Setup(const QString& program) : jobs(program)
        {
            for (QAction** action : {&actions.show, &actions.pause, &actions.go_on, &actions.stop, &actions.resume,
                                     &actions.open_result, &actions.show_run, &actions.discard, &actions.forget})
                *action = new QAction(&jobs);
            form = std::make_unique<ConvertForm>(&jobs, actions);
        }
        Jobs jobs;
        JobActions actions;
        std::unique_ptr<ConvertForm> form;
    };

    void fill(ConvertForm& form)
    {
        form.fields()->setPlan(goodPlan());
        QTRY_VERIFY_WITH_TIMEOUT(form.startAction()->isEnabled(), kLongMs);
        form.fields()->setPlan(goodPlan()); // with our folder in place of the suggested one
    }

    [[nodiscard]] ConvertPlan goodPlan() const
    {
        ConvertPlan plan;
        plan.base = kBase;
        plan.texts = {{kText, {}}};
        plan.by_share = false;
        plan.tokens = 400'000;
        plan.out = folder_->filePath(QStringLiteral("out"));
        return plan;
    }

    std::unique_ptr<test::FakeProgram> program_;
    std::unique_ptr<QTemporaryDir> folder_;
};

QTEST_MAIN(ConvertTest)
#include "test_convert.moc"
