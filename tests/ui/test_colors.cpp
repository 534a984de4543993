#include <QApplication>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/parts/colors.h"
#include "ui/parts/plots.h"

using namespace flextron::ui;

class ColorsTest final : public QObject {
    Q_OBJECT

private slots:
    void init() { flextron::test::failOnWarnings(); }

    void textIsReadable_data()
    {
        QTest::addColumn<int>("theme");
        QTest::newRow("light") << static_cast<int>(Theme::Light);
        QTest::newRow("dark") << static_cast<int>(Theme::Dark);
    }

    void textIsReadable()
    {
        QFETCH(int, theme);
        applyTheme(static_cast<Theme>(theme));
        const QPalette palette = QApplication::palette();
        QCOMPARE(isDark(palette), static_cast<Theme>(theme) == Theme::Dark);
        constexpr double kReadable = 4.5;
        for (const auto ground : {QPalette::Base, QPalette::Window}) {
            const QColor behind = palette.color(ground);
            QVERIFY(contrast(palette.color(QPalette::Text), behind) >= kReadable);
            QVERIFY(contrast(cautionColor(palette), behind) >= kReadable);
            QVERIFY(contrast(quietColor(palette), behind) >= kReadable);
            QVERIFY(contrast(palette.color(QPalette::PlaceholderText), palette.color(QPalette::Base)) >= kReadable);
        }
        QVERIFY(contrast(palette.color(QPalette::ButtonText), palette.color(QPalette::Button)) >= kReadable);
        QVERIFY(contrast(palette.color(QPalette::HighlightedText), palette.color(QPalette::Highlight)) >= kReadable);
        constexpr double kLine = 3.0; // of lines in plots: WCAG 2.1, graphical objects
        for (int i = 0; i < 6; ++i) QVERIFY(contrast(seriesColor(i, palette), palette.color(QPalette::Base)) >= kLine);
        // The split mark turns the colours round.
        QVERIFY(contrast(palette.color(QPalette::Base), cautionColor(palette)) >= kReadable);
    }

    void contrastIsThatOfTheStandard()
    {
        QVERIFY(std::abs(contrast(Qt::black, Qt::white) - 21.0) < 1e-6);
        QVERIFY(std::abs(contrast(Qt::white, Qt::white) - 1.0) < 1e-6);
    }

    void textOnEveryColourOfTheMapsIsReadable()
    {
        for (const ColorMap map : {ColorMap::Sequential, ColorMap::Diverging}) {
            for (int i = 0; i <= 100; ++i) {
                const QColor ground = mapColor(map, i / 100.0);
                QVERIFY(contrast(textColorOn(ground), ground) >= 4.5);
            }
        }
    }

    void differencesGetDarkerToBothSidesAlike()
    {
        for (int i = 0; i < 50; ++i) {
            const auto lightness = [](double place) {
                return contrast(mapColor(ColorMap::Diverging, place), Qt::black);
            };
            QVERIFY(lightness(0.5 - i / 100.0) > lightness(0.5 - (i + 1) / 100.0));
            QVERIFY(lightness(0.5 + i / 100.0) > lightness(0.5 + (i + 1) / 100.0));
        }
        const double low = contrast(mapColor(ColorMap::Diverging, 0), Qt::black);
        const double high = contrast(mapColor(ColorMap::Diverging, 1), Qt::black);
        QVERIFY(std::max(low, high) / std::min(low, high) < 1.25);
    }

    void theMapGetsLighterAllTheWay()
    {
        // Order must be seen without seeing hue: contrast to black is lightness.
        for (int i = 0; i < 100; ++i) {
            QVERIFY(contrast(sequentialColor((i + 1) / 100.0), Qt::black) >
                    contrast(sequentialColor(i / 100.0), Qt::black));
        }
    }
};

QTEST_MAIN(ColorsTest)
#include "test_colors.moc"
