// On a real GPU. Elsewhere there is nothing to try, and the test says why.

#include "engine/cuda/loader.h"
#include "engine/cuda/pattern.h"

#include <QTest>

using namespace flextron;

class CudaDeviceTest final : public QObject {
    Q_OBJECT

private slots:
    void initTestCase();
    void describesTheGpus();
    void readsEveryByte_data();
    void readsEveryByte();
    void speedIsThatOfMemory();
    void refusesWhatCannotBe();
};

void CudaDeviceTest::initTestCase()
{
    if (!cudaSupport().kernelsReady()) QSKIP(cudaSupport().kernelsReason().c_str());
}

void CudaDeviceTest::describesTheGpus()
{
    const auto gpus = cudaSupport().gpus();
    QVERIFY2(gpus.ok(), gpus.ok() ? "" : gpus.error().message.c_str());
    for (const Gpu& gpu : *gpus) {
        qInfo("%s, compute capability %d.%d, %d multiprocessors, %.1f of %.1f GiB free, L2 %.0f MiB", gpu.name.c_str(),
              gpu.compute_major, gpu.compute_minor, gpu.multiprocessors,
              static_cast<double>(gpu.free_bytes) / (1ull << 30), static_cast<double>(gpu.total_bytes) / (1ull << 30),
              static_cast<double>(gpu.l2_bytes) / (1 << 20));
        QVERIFY(!gpu.name.empty());
        QVERIFY(gpu.compute_major >= 7);
        QVERIFY(gpu.multiprocessors > 0);
        QVERIFY(gpu.free_bytes <= gpu.total_bytes);
    }
}

void CudaDeviceTest::readsEveryByte_data()
{
    QTest::addColumn<quint64>("bytes");
    QTest::newRow("one load") << quint64{16};
    QTest::newRow("less than one round") << quint64{16 * 12345};
    QTest::newRow("rounds and a rest") << quint64{64 * 1024 * 1024 + 16 * 777};
}

void CudaDeviceTest::readsEveryByte()
{
    QFETCH(quint64, bytes);
    const auto read = cudaSupport().measureRead(0, bytes, 3);
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    QCOMPARE(read->bytes, std::uint64_t{bytes});
    QCOMPARE(read->fold, foldOfPattern(bytes / 4));
}

void CudaDeviceTest::speedIsThatOfMemory()
{
    const auto read = cudaSupport().measureRead(0);
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    qInfo("%.0f GB/s (slowest %.0f, fastest %.0f) over %.2f GiB, %d repeats", read->median_bytes_per_second * 1e-9,
          read->slowest_bytes_per_second * 1e-9, read->fastest_bytes_per_second * 1e-9,
          static_cast<double>(read->bytes) / (1ull << 30), read->repeats);
    QVERIFY(read->median_bytes_per_second > 50e9);
    QVERIFY(read->slowest_bytes_per_second <= read->median_bytes_per_second);
    QVERIFY(read->median_bytes_per_second <= read->fastest_bytes_per_second);
}

void CudaDeviceTest::refusesWhatCannotBe()
{
    QVERIFY(!cudaSupport().measureRead(0, 1ull << 60, 1).ok()); // more memory than there is
    QVERIFY(cudaSupport().measureRead(0, 1 << 20, 1).ok());     // and the GPU is usable afterwards
    QVERIFY(!cudaSupport().measureRead(0, 1 << 20, 0).ok());
    QVERIFY(!cudaSupport().measureRead(99).ok());
}

QTEST_GUILESS_MAIN(CudaDeviceTest)
#include "test_device.moc"
