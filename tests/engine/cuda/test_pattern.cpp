// The arithmetic that the bandwidth kernel shares with the CPU.

#include "engine/cuda/pattern.h"

#include <QTest>

using namespace flextron;

class PatternTest final : public QObject {
    Q_OBJECT

private slots:
    void neighboursDiffer();
    void everyWordCounts();
    void wordsBeyond32BitsDiffer();
};

void PatternTest::neighboursDiffer()
{
    for (std::uint64_t i = 0; i < 100000; ++i) QVERIFY(patternWord(i) != patternWord(i + 1));
}

void PatternTest::everyWordCounts()
{
    // Leaving any word out, or reading it twice, changes the sum: no word but the first is zero.
    QCOMPARE(patternWord(0), 0u);
    for (std::uint64_t i = 1; i < 100000; ++i) QVERIFY(patternWord(i) != 0);
    QCOMPARE(foldOfPattern(0), 0u);
    QCOMPARE(foldOfPattern(3), patternWord(1) ^ patternWord(2));
}

void PatternTest::wordsBeyond32BitsDiffer()
{
    QVERIFY(patternWord((1ull << 32) + 5) != patternWord(5));
}

QTEST_GUILESS_MAIN(PatternTest)
#include "test_pattern.moc"
