// The memory that a control group leaves: both versions, nested groups, containers, no limit.
#include <QDir>
#include <QTemporaryDir>
#include <QtTest>
#include <limits>
#include <sstream>

#include "engine/base/control_group_p.h"

using namespace flextron;

namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

using Files = QMap<QString, QByteArray>;

} // namespace

class ControlGroupTest : public QObject {
    Q_OBJECT

private slots:
    void room_data()
    {
        QTest::addColumn<QByteArray>("membership");
        QTest::addColumn<Files>("files");
        QTest::addColumn<qint64>("expected");

        QTest::newRow("version 2") << QByteArray("0::/user/a\n")
                                   << Files{{"user/a/memory.max", "1000\n"},
                                            {"user/a/memory.current", "300\n"},
                                            {"user/a/memory.stat", "anon 200\ninactive_file 50\n"}}
                                   << qint64(750);
        QTest::newRow("the group above is tighter") << QByteArray("0::/user/a\n")
                                                    << Files{{"user/a/memory.max", "1000\n"},
                                                             {"user/a/memory.current", "300\n"},
                                                             {"user/memory.max", "500\n"},
                                                             {"user/memory.current", "450\n"}}
                                                    << qint64(50);
        QTest::newRow("no limit") << QByteArray("0::/user\n")
                                  << Files{{"user/memory.max", "max\n"}, {"user/memory.current", "300\n"}}
                                  << qint64(kUnlimited);
        QTest::newRow("a container sees its own group at the top")
            << QByteArray("0::/docker/abc\n") << Files{{"memory.max", "1000\n"}, {"memory.current", "1\n"}}
            << qint64(999);
        QTest::newRow("full") << QByteArray("0::/a\n")
                              << Files{{"a/memory.max", "1000\n"}, {"a/memory.current", "1200\n"}} << qint64(0);
        QTest::newRow("version 1") << QByteArray("5:devices:/x\n4:cpu,memory:/x/y\n0::/\n")
                                   << Files{{"memory/x/y/memory.limit_in_bytes", "1000\n"},
                                            {"memory/x/y/memory.usage_in_bytes", "300\n"},
                                            {"memory/x/y/memory.stat", "inactive_file 7\ntotal_inactive_file 100\n"},
                                            {"memory/memory.limit_in_bytes", "9223372036854771712\n"},
                                            {"memory/memory.usage_in_bytes", "5000\n"}}
                                   << qint64(800);
        QTest::newRow("nothing to read") << QByteArray("garbage\n4:memory:/x\n") << Files{} << qint64(kUnlimited);
        QTest::newRow("outside of what is seen")
            << QByteArray("0::/../../b\n") << Files{{"memory.max", "10\n"}, {"memory.current", "4\n"}} << qint64(6);
    }

    void room()
    {
        QFETCH(QByteArray, membership);
        QFETCH(Files, files);
        QTemporaryDir mount;
        for (auto file = files.cbegin(); file != files.cend(); ++file) {
            const QString path = mount.filePath(file.key());
            QVERIFY(QDir().mkpath(QFileInfo(path).path()));
            QFile out(path);
            QVERIFY(out.open(QIODevice::WriteOnly) && out.write(file.value()) == file.value().size());
        }
        std::istringstream lines(membership.toStdString());
        QTEST(qint64(controlGroupRoom(lines, mount.path().toStdString())), "expected");
    }
};

QTEST_GUILESS_MAIN(ControlGroupTest)
#include "test_control_group.moc"
