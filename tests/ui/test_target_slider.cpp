// The slider of a target, drawn without a window.
#include <QTest>

#include "ui/target/targetslider.h"

using namespace flextron::ui;

class TargetSliderTest final : public QObject {
    Q_OBJECT

private slots:
    /// A model that cannot shrink has one stop. Anything undefined in the drawing would be a warning of Qt's.
    void aScaleOfOneStopIsDrawn()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral("NaN")));
        TargetSlider slider;
        slider.resize(200, 60);
        slider.setScale(1.0, {1.0}, QStringLiteral("floor"), QStringLiteral("full"));
        slider.setRunning(1.0);
        QVERIFY(!slider.grab().isNull());
        QCOMPARE(slider.requested(), 1.0);
    }
};

QTEST_MAIN(TargetSliderTest)
#include "test_target_slider.moc"
