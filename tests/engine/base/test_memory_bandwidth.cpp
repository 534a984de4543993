// The measurement reads every word, whatever the number of threads.
#include <QTest>

#include "engine/base/memory_bandwidth.h"

using namespace flextron;

class TestMemoryBandwidth final : public QObject {
    Q_OBJECT

private slots:
    void readsEveryWord_data()
    {
        QTest::addColumn<int>("threads");
        QTest::addColumn<qint64>("bytes");
        QTest::newRow("one thread") << 1 << qint64(8000);
        QTest::newRow("parts of unequal length") << 3 << qint64(8 * 1003);
        QTest::newRow("more threads than words") << 16 << qint64(8 * 5);
    }
    void readsEveryWord()
    {
        QFETCH(int, threads);
        QFETCH(qint64, bytes);
        const auto result = measureMemoryBandwidth(threads, 3, bytes);
        QVERIFY(result.ok());
        const auto words = static_cast<std::uint64_t>(bytes) / 8;
        QCOMPARE(result->sum, words * (words + 1) / 2);
        QCOMPARE(result->bytes, std::int64_t(bytes));
        QVERIFY(result->bytes_per_second > 0 && result->best >= result->bytes_per_second);
    }

    void refusesNonsense()
    {
        QVERIFY(measureMemoryBandwidth(0).error().code == ErrorCode::InvalidArgument);
        QVERIFY(measureMemoryBandwidth(1, 0).error().code == ErrorCode::InvalidArgument);
    }

    void stopsWhenCancelled()
    {
        CancelSource source;
        source.cancel();
        QVERIFY(measureMemoryBandwidth(1, 1, 8000, source.token()).error().code == ErrorCode::Cancelled);
    }
};

QTEST_GUILESS_MAIN(TestMemoryBandwidth)
#include "test_memory_bandwidth.moc"
