#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/service/throttle.h"

using flextron::ui::Throttle;

class ThrottleTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        flextron::test::failOnWarnings();
        calls_ = 0;
        value_ = seen_ = 0;
    }

    void theFirstCallGoesThroughAtOnce()
    {
        Throttle throttle(1000, [this] { ++calls_; });
        throttle.trigger();
        QCOMPARE(calls_, 1);
        QVERIFY(!throttle.pending());
    }

    void aBurstEndsWithItsLastValue()
    {
        Throttle throttle(20, [this] { ++calls_, seen_ = value_; });
        for (value_ = 1; value_ <= 100; ++value_) throttle.trigger();
        --value_;
        QCOMPARE(calls_, 1);
        QCOMPARE(seen_, 1);
        QTRY_COMPARE(seen_, 100);
        QCOMPARE(calls_, 2);
    }

    void callsGoOnWhileTheBurstLasts()
    {
        // A debounce would stay silent as long as triggers keep coming.
        Throttle throttle(5, [this] { ++calls_; });
        for (int i = 0; i < 400 && calls_ < 4; ++i) {
            throttle.trigger();
            QTest::qWait(1);
        }
        QVERIFY2(calls_ >= 4, "the throttle waited for silence");
    }

    void flushMakesTheWaitingCallNow()
    {
        Throttle throttle(10'000, [this] { ++calls_; });
        throttle.trigger();
        throttle.flush();
        QCOMPARE(calls_, 1); // nothing was waiting
        throttle.trigger();
        QVERIFY(throttle.pending());
        throttle.flush();
        QCOMPARE(calls_, 2);
        QVERIFY(!throttle.pending());
    }

    void cancelForgetsIt()
    {
        Throttle throttle(5, [this] { ++calls_; });
        throttle.trigger();
        throttle.trigger();
        throttle.cancel();
        QTest::qWait(30);
        QCOMPARE(calls_, 1);
    }

private:
    int calls_ = 0;
    int value_ = 0;
    int seen_ = 0;
};

QTEST_MAIN(ThrottleTest)
#include "test_throttle.moc"
