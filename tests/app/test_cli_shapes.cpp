// bench on a shape with random weights: the model is made once, with the sizes that its name says.
#include "cli_run.h"

class TestCliShapes final : public QObject {
    Q_OBJECT

private slots:
    void benchesARandomModel()
    {
        const QStringList arguments{"bench", "--shape", "135M", "--repeats", "1", "--context", "8", "--json"};
        const auto run = runCli(arguments);
        QVERIFY2(run.code == 0 && run.err.isEmpty(), run.err.constData());
        // By hand: embedding, 30 layers of Q and O, K and V, the three MLP matrices and two norms, and the last norm.
        const int layer = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 2 * 576;
        QCOMPARE(run.object()["parameters"].toInt(), 49152 * 576 + 30 * layer + 576);
        const QString folder = run.object()["model"]["path"].toString();
        QVERIFY(folder.startsWith(qEnvironmentVariable("XDG_CACHE_HOME")));

        const auto made = QFileInfo(folder + "/model.safetensors").lastModified();
        QCOMPARE(runCli(arguments).code, 0);
        QCOMPARE(QFileInfo(folder + "/model.safetensors").lastModified(), made);
        QVERIFY(QDir(folder).removeRecursively());
    }
};

QTEST_GUILESS_MAIN(TestCliShapes)
#include "test_cli_shapes.moc"
