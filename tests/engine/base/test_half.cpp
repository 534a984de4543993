// 16-bit floating point: every value, and rounding against a slow reference in double.
#include <QtTest/QtTest>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "engine/base/half.h"

using namespace flextron;

namespace {

/// What an IEEE 754 binary16 value is, by the definition.
double half16(std::uint16_t bits)
{
    const int exponent = (bits >> 10) & 31;
    const int mantissa = bits & 1023;
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == 31)
        return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                             : sign * std::numeric_limits<double>::infinity();
    if (exponent == 0) return sign * std::ldexp(mantissa, -24);
    return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

/// `value` rounded to a multiple of 2^step, ties to even.
double roundedTo(double value, int step)
{
    return std::ldexp(std::nearbyint(std::ldexp(value, -step)), step); // nearbyint rounds ties to even by default
}

double roundedToHalf(double value)
{
    const int exponent = value == 0 ? -14 : std::max(std::ilogb(value), -14);
    const double rounded = roundedTo(value, exponent - 10);
    return std::abs(rounded) >= 65536.0 ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

double roundedToBfloat16(float value)
{
    const int exponent = value == 0 ? -126 : std::max(std::ilogb(value), -126);
    const double rounded = roundedTo(value, exponent - 7);
    return std::abs(rounded) >= std::ldexp(1.0, 128) ? std::copysign(std::numeric_limits<double>::infinity(), value)
                                                     : rounded;
}

} // namespace

class TestHalf : public QObject {
    Q_OBJECT

private slots:
    void everyFloat16HasItsValueAndComesBack()
    {
        for (int i = 0; i < 65536; ++i) {
            const auto bits = static_cast<std::uint16_t>(i);
            const float value = float16ToFloat(bits);
            if (std::isnan(half16(bits))) {
                QVERIFY(std::isnan(value));
                QVERIFY(std::isnan(float16ToFloat(floatToFloat16(value))));
                continue;
            }
            QCOMPARE(static_cast<double>(value), half16(bits));
            QCOMPARE(std::signbit(value), (bits & 0x8000) != 0);
            QCOMPARE(floatToFloat16(value), bits);
        }
    }

    void everyBfloat16ComesBack()
    {
        for (int i = 0; i < 65536; ++i) {
            const auto bits = static_cast<std::uint16_t>(i);
            const float value = bfloat16ToFloat(bits);
            if (std::isnan(value)) QVERIFY(std::isnan(bfloat16ToFloat(floatToBfloat16(value))));
            else QCOMPARE(floatToBfloat16(value), bits);
        }
    }

    void roundingIsToNearestTiesToEven()
    {
        std::mt19937 random(7);
        const auto check = [](float value) {
            if (!std::isfinite(value)) return;
            QCOMPARE(half16(floatToFloat16(value)), roundedToHalf(value));
            QCOMPARE(static_cast<double>(bfloat16ToFloat(floatToBfloat16(value))), roundedToBfloat16(value));
        };
        for (int i = 0; i < 1'000'000; ++i) check(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
        // Where halves are dense, and exactly between neighbours, from the smallest subnormal to the largest value.
        for (int i = 0; i < 0x7c00; ++i) {
            const double low = half16(static_cast<std::uint16_t>(i));
            const double high = i == 0x7bff ? 65536.0 : half16(static_cast<std::uint16_t>(i + 1));
            const auto middle = static_cast<float>((low + high) / 2);
            for (const float value : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)}) {
                check(value);
                check(-value);
            }
        }
    }
};

QTEST_APPLESS_MAIN(TestHalf)
#include "test_half.moc"
