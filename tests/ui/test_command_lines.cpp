// "Copy as Command Line" with the real engine: what it copies is run by a shell, and the same ids come out.
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QSignalSpy>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/promptpanel.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 60'000;

QJsonObject runInShell(const QString& command)
{
    QProcess process;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("PATH"), QStringLiteral(FLEXTRON_BIN_DIR ":") + environment.value("PATH"));
    process.setProcessEnvironment(environment);
    process.start(QStringLiteral("bash"), {QStringLiteral("-c"), command + QStringLiteral(" --json")});
    if (!process.waitForFinished(kLongMs)) process.kill();
    const QByteArray errors = process.readAllStandardError();
    if (!errors.isEmpty()) qInfo("%s", errors.constData());
    return QJsonDocument::fromJson(process.readAllStandardOutput()).object();
}

} // namespace

class CommandLinesTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        test::failOnWarnings();
        window_ = std::make_unique<MainWindow>();
        window_->setMeasureInBackground(false);
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(QStringLiteral("flextron-stories"));
        QVERIFY(loaded.wait(kLongMs));
        window_->promptPanel()->setPrompt(QStringLiteral("Lily's \"dragon\" said: $HOME `x` \\ é"));
    }

    void cleanupTestCase() { window_.reset(); }

    void theSameIdsComeOut_data()
    {
        QTest::addColumn<QString>("routing");
        QTest::addColumn<double>("temperature");
        QTest::addColumn<bool>("forced");
        QTest::newRow("uniform, greedy") << "uniform" << 0.0 << false;
        QTest::newRow("uniform, sampled") << "uniform" << 0.8 << false;
        QTest::newRow("static, greedy") << "static" << 0.0 << false;
        QTest::newRow("dynamic, greedy") << "dynamic" << 0.0 << false;
        QTest::newRow("dynamic, sampled") << "dynamic" << 0.8 << false;
        QTest::newRow("dynamic, forced") << "dynamic" << 0.0 << true;
        QTest::newRow("uniform, forced, sampled") << "uniform" << 1.1 << true;
    }
    void theSameIdsComeOut()
    {
        QFETCH(QString, routing);
        QFETCH(double, temperature);
        QFETCH(bool, forced);
        set(temperature, routing, forced);
        window_->comparison()->run();
        QTRY_VERIFY_WITH_TIMEOUT(done(PaneSlot::Live), kLongMs);
        for (const PaneSlot slot : {PaneSlot::Full, PaneSlot::Live}) compareIds(slot);
    }

    void aBranchGoesOnFromItsOwnBeginning()
    {
        set(0.8, QStringLiteral("dynamic"), false);
        window_->comparison()->run();
        QTRY_VERIFY_WITH_TIMEOUT(done(PaneSlot::Live), kLongMs);
        const int from = window_->comparison()->pane(PaneSlot::Live).prompt_tokens + 4;
        const auto branch = window_->comparison()->continueFrom(PaneSlot::Live, from, 300);
        QVERIFY(branch);
        QTRY_VERIFY_WITH_TIMEOUT(done(*branch), kLongMs);
        compareIds(*branch);
        window_->comparison()->removePin(*branch);
    }

    void aTextThatWasReadHasTheSameLosses()
    {
        set(0, QStringLiteral("dynamic"), true);
        window_->comparison()->read();
        QTRY_VERIFY_WITH_TIMEOUT(done(PaneSlot::Live), kLongMs);
        const Trace& trace = window_->comparison()->pane(PaneSlot::Live).trace;
        const QString command = window_->files()->commandOf(PaneSlot::Live);
        QVERIFY2(command.startsWith("flextron score "), qPrintable(command));
        const QJsonArray losses = runInShell(command + QStringLiteral(" --per-token"))["nll"].toArray();
        QCOMPARE(static_cast<std::size_t>(losses.size()) + 1, trace.records.size());
        for (qsizetype i = 0; i < losses.size(); ++i)
            QCOMPARE(static_cast<float>(losses[i].toDouble()), -trace.records[static_cast<std::size_t>(i) + 1].logprob);
    }

private:
    void set(double temperature, const QString& routing, bool forced)
    {
        RunInputs inputs = window_->comparison()->inputs();
        inputs.max_tokens = 24;
        inputs.sampler = {temperature, 0, 1.0, 0.0, 1.0, 12'345'678'901'234'567'890U};
        window_->comparison()->setInputs(inputs);
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = 0.63;
        target.routing = parseRouting(routing.toStdString()).orThrow();
        window_->comparison()->setTarget(target);
        std::shared_ptr<const Overrides> overrides;
        if (forced) {
            auto made = std::make_shared<Overrides>();
            made->add({Override::kAll, 3, SubBlock::Mlp, 192});
            made->add({2, 5, SubBlock::Attention, 0});
            overrides = made;
        }
        window_->comparison()->setOverrides(overrides);
        QTRY_VERIFY_WITH_TIMEOUT(!window_->service()->running(), kLongMs);
    }

    [[nodiscard]] bool done(PaneSlot slot) const
    {
        return window_->comparison()->pane(slot).complete() && !window_->service()->running();
    }

    void compareIds(PaneSlot slot)
    {
        const PaneData& pane = window_->comparison()->pane(slot);
        const QString command = window_->files()->commandOf(slot);
        const QJsonArray ids = runInShell(command)["ids"].toArray();
        QJsonArray expected;
        for (std::size_t i = static_cast<std::size_t>(pane.prompt_tokens); i < pane.trace.records.size(); ++i)
            expected.append(pane.trace.records[i].id);
        QVERIFY2(!expected.isEmpty() && ids == expected, qPrintable(command));
    }

    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(CommandLinesTest)
#include "test_command_lines.moc"
