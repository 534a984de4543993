// The meter's arithmetic and its report; what it reports is a machine's, and asserted nowhere.
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/promptpanel.h"
#include "ui/data/panemath.h"
#include "ui/window/latencymeter.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

class LatencyMeterTest final : public QObject {
    Q_OBJECT

private slots:
    void quantilesAreThoseOfTheValues()
    {
        std::vector<double> values;
        for (int i = 100; i >= 1; --i) values.push_back(i);
        QCOMPARE(quantile(values, 0.5), 50.0);
        QCOMPARE(quantile(values, 0.99), 99.0);
        QCOMPARE(quantile(values, 1.0), 100.0);
        QCOMPARE(quantile({7.0}, 0.5), 7.0);
        QCOMPARE(quantile({}, 0.5), 0.0);
    }

    void aSessionIsPlayedAndReported()
    {
        test::FakeEngine engine;
        MainWindow window(engine.calls());
        window.setMeasureInBackground(false);
        window.promptPanel()->setPrompt(QString::fromLatin1(test::kPrompt));
        window.show();
        QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("latency.json"));
        LatencyMeter meter(&window, static_cast<MeasuredApplication*>(qApp), file, 1);
        QSignalSpy finished(&meter, &LatencyMeter::finished);
        window.openModel(QStringLiteral("fake"));
        meter.start();
        QVERIFY(finished.wait(120'000));
        QFile json(file);
        QVERIFY(json.open(QIODevice::ReadOnly));
        const QJsonObject report = QJsonDocument::fromJson(json.readAll()).object();
        QVERIFY(report["cycles"].toInt() >= 1);
        QCOMPARE(report["most_panes"].toInt(), 6);
        QVERIFY(report["heartbeat"].toObject()["n"].toInt() > 100);
        QVERIFY(report["handler"].toObject()["cpu_ms_max"].toDouble() > 0);
        QVERIFY(report["slider_to_first_preview_token"].toObject()["n"].toInt() > 0);
    }
};

int main(int argc, char** argv)
{
    MeasuredApplication program(argc, argv);
    LatencyMeterTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "test_latency_meter.moc"
