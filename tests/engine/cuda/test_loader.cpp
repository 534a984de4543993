// The loader on machines that lack something: it must say what, in words a person can act on.

#include "engine/cuda/loader.h"

#include <QTest>

using namespace flextron;

namespace {

/// A library that is always there, in the driver's place.
CudaPlaces placesWithDriver(const std::string& fake)
{
    CudaPlaces places;
    places.driver = "libc.so.6";
    places.plugins = {FLEXTRON_FAKES "/nowhere/libflextron_cuda.so",
                      FLEXTRON_FAKES "/" + fake + "/libflextron_cuda.so"};
    return places;
}

} // namespace

class CudaLoaderTest final : public QObject {
    Q_OBJECT

private slots:
    void saysWhatIsMissing_data();
    void saysWhatIsMissing();
    void missingDriver();
    void brokenTorchIsNamed();
    void usesAGoodPlugin();
    void standardPlacesAreLookedUpOnce();
};

void CudaLoaderTest::saysWhatIsMissing_data()
{
    QTest::addColumn<QString>("fake");
    QTest::addColumn<QString>("reason");
    QTest::newRow("another version")
        << "fake_other_version"
        << "libflextron_cuda.so belongs to another version of this program (expected interface 3, found 4)";
    QTest::newRow("something else")
        << "fake_not_a_plugin"
        << "libflextron_cuda.so is not a plug-in of this program: it has no flextron_cuda_plugin";
}

void CudaLoaderTest::saysWhatIsMissing()
{
    QFETCH(QString, fake);
    QFETCH(QString, reason);
    const auto support = CudaSupport::open(placesWithDriver(fake.toStdString()));
    QVERIFY(!support.kernelsReady());
    QCOMPARE(QString::fromStdString(support.kernelsReason()), reason);
    const auto gpus = support.gpus();
    QVERIFY(!gpus);
    QVERIFY(gpus.error().code == ErrorCode::Device);
    QCOMPARE(QString::fromStdString(gpus.error().message), "no GPU can be used: " + reason);
}

void CudaLoaderTest::missingDriver()
{
    auto places = placesWithDriver("fake_good");
    places.driver = "libcuda-that-is-not-there.so.1";
    const auto support = CudaSupport::open(places);
    QVERIFY(!support.torchReady());
    QVERIFY(!support.kernelsReady());
    QCOMPARE(support.torchReason(), std::string("no NVIDIA driver: libcuda-that-is-not-there.so.1 was not found"));
    QCOMPARE(support.kernelsReason(), support.torchReason());
}

void CudaLoaderTest::brokenTorchIsNamed()
{
    auto places = placesWithDriver("fake_good");
    places.torch = {FLEXTRON_TEST_DATA "/stories260k-llama/tokenizer.model"};
    const auto support = CudaSupport::open(places);
    QVERIFY(!support.torchReady());
    QVERIFY2(support.torchReason().starts_with("libtorch_cuda.so could not be opened: "),
             support.torchReason().c_str());
    QVERIFY(support.kernelsReady()); // the kernels do not need LibTorch
}

void CudaLoaderTest::usesAGoodPlugin()
{
    const auto support = CudaSupport::open(placesWithDriver("fake_good"));
    QVERIFY2(support.kernelsReady(), support.kernelsReason().c_str());
    const auto gpus = support.gpus();
    QVERIFY(gpus.ok());
    QCOMPARE(gpus->size(), std::size_t{1});
    QCOMPARE(gpus->front().name, std::string("A made-up GPU"));
    QCOMPARE(gpus->front().multiprocessors, 132);

    const auto speed = support.measureRead(0, 0, 3);
    QVERIFY(speed.ok());
    QCOMPARE(speed->bytes, std::uint64_t{192}); // a quarter of what is free, in 16 bytes
    QCOMPARE(speed->median_bytes_per_second, 2e12);
    QCOMPARE(support.measureRead(1).error().message, std::string("GPU 1 does not exist: there are 1"));
    QCOMPARE(support.measureRead(0, 0, 101).error().message, std::string("it grew too hot"));
}

void CudaLoaderTest::standardPlacesAreLookedUpOnce()
{
    const CudaSupport& support = cudaSupport();
    QCOMPARE(&support, &cudaSupport());
    QCOMPARE(support.kernelsReady(), support.kernelsReason().empty());
    QVERIFY(!CudaPlaces::standard().plugins.empty());
    QVERIFY(!CudaPlaces::standard().torch.empty());
}

QTEST_GUILESS_MAIN(CudaLoaderTest)
#include "test_loader.moc"
