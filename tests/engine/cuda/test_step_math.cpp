// The arithmetic that the kernels share with the CPU, against the engine's own.
#include <QTest>

#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>

#include "engine/base/half.h"
#include "engine/base/random.h"
#include "engine/cuda/kernels/projection_p.h"
#include "engine/cuda/kernels/step_math_p.h"
#include "engine/generate/sampler.h"
#include "engine/routing/routers.h"

using namespace flextron;

class TestStepMath final : public QObject {
    Q_OBJECT

private slots:
    void every16BitWeightWidensExactly()
    {
        for (unsigned bits = 0; bits < 0x10000; ++bits) {
            const auto half = static_cast<std::uint16_t>(bits);
            if ((half & 0x7c00) != 0x7c00)
                QCOMPARE(std::bit_cast<unsigned>(cuda::widen(cuda::Float16{half})),
                         std::bit_cast<unsigned>(float16ToFloat(half)));
            QCOMPARE(std::bit_cast<unsigned>(cuda::widen(cuda::BFloat16{half})),
                     std::bit_cast<unsigned>(bfloat16ToFloat(half)));
        }
    }

    void activationsAreTheFormulas()
    {
        for (double x = -12; x <= 12; x += 0.01) {
            const auto value = static_cast<float>(x);
            const double exact = static_cast<double>(value);
            const double tolerance = 1e-6 * (1 + std::abs(exact));
            QVERIFY(std::abs(cuda::activated(cuda::kSilu, value) - exact / (1 + std::exp(-exact))) < tolerance);
            QVERIFY(std::abs(cuda::activated(cuda::kGeluErf, value) -
                             0.5 * exact * (1 + std::erf(exact / std::sqrt(2.0)))) < tolerance);
            const double inner = std::sqrt(2 / std::numbers::pi) * (exact + 0.044715 * exact * exact * exact);
            QVERIFY(std::abs(cuda::activated(cuda::kGeluTanh, value) - 0.5 * exact * (1 + std::tanh(inner))) <
                    tolerance);
            QCOMPARE(cuda::leaky(value), value < 0 ? value * RouterNetwork::kNegativeSlope : value);
        }
    }

    void pairsRotate()
    {
        float first = 3, second = 4;
        cuda::rotatePair(first, second, 0.0f, 1.0f); // a quarter turn
        QCOMPARE(first, -4.0f);
        QCOMPARE(second, 3.0f);
    }

    void keysOrderAsValuesThenIds()
    {
        const float values[] = {-INFINITY, -3.5f, -1e-40f, 0.0f, 1e-40f, 0.5f, 0.5000001f, 7.0f, INFINITY};
        for (std::size_t i = 0; i < std::size(values); ++i) {
            QCOMPARE(cuda::valueOfKey(cuda::orderKey(values[i], 12)), values[i]);
            QCOMPARE(cuda::idOfKey(cuda::orderKey(values[i], 12)), 12);
            QVERIFY(cuda::orderKey(values[i], 3) > cuda::orderKey(values[i], 4));
            if (i > 0) QVERIFY(cuda::orderKey(values[i], 9) > cuda::orderKey(values[i - 1], 2));
        }
        QCOMPARE(cuda::orderKey(-0.0f, 5), cuda::orderKey(0.0f, 5));
    }

    void noiseIsTheSamplers()
    {
        std::mt19937_64 random(1);
        for (int i = 0; i < 20000; ++i) {
            const std::uint64_t seed = random();
            const int position = static_cast<int>(random() % 5000);
            const auto id = static_cast<std::int32_t>(random() % 200000);
            QCOMPARE(cuda::gumbelOf(cuda::uniformNoise(seed, position, id)), gumbelNoise(seed, position, id));
            QCOMPARE(cuda::mixedBits(seed), mixBits(seed));
        }
    }

    void stagedInputsKeepTheirPlaces()
    {
        // A permutation of each 256 inputs, four neighbours together, the lanes of a load in neighbouring 16 bytes.
        std::vector<bool> taken(1024, false);
        for (int i = 0; i < 1024; ++i) {
            const int place = cuda::stagedIndex(i);
            QVERIFY(place >= 0 && place < 1024 && !taken[static_cast<std::size_t>(place)]);
            taken[static_cast<std::size_t>(place)] = true;
            QCOMPARE(place / 256, i / 256);
            QCOMPARE(place % 4, i % 4);
            if (i % 8 == 0 && i % 256 > 0) QCOMPARE(place - cuda::stagedIndex(i - 8), 4);
        }
    }

    void eightWeightsAreSixteenOrThirtyTwoBytes()
    {
        QCOMPARE(sizeof(cuda::Eight<cuda::BFloat16>), std::size_t{16});
        QCOMPARE(sizeof(cuda::Eight<cuda::Float16>), std::size_t{16});
        QCOMPARE(sizeof(cuda::Eight<float>), std::size_t{32});
    }
};

QTEST_GUILESS_MAIN(TestStepMath)
#include "test_step_math.moc"
