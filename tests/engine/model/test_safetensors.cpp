// The safetensors format: written, read, and refused when anything in it does not add up. Tensors as they lie in files.
#include <QtTest/QtTest>

#include <cmath>
#include <limits>

#include "engine/base/half.h"
#include "engine/model/safetensors.h"
#include "tests/engine/support/checkpoint_files.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

namespace {

template <class Element> std::span<const std::byte> bytesOf(const std::vector<Element>& values)
{
    return std::as_bytes(std::span(values));
}

QByteArray file(const char* header, int data_bytes)
{
    return QByteArray::fromStdString(safetensors(header, std::string(static_cast<std::size_t>(data_bytes), '\1')));
}

} // namespace

class TestSafetensors : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;
    fs::path folder_ = directory_.path().toStdString();

private slots:
    void whatIsWrittenIsRead()
    {
        const std::vector<float> a{1, 2, 3, 4, 5, 6};
        const std::vector<std::uint16_t> b{7, 8, 9};
        const std::vector<std::int64_t> c{10};
        const std::vector<NamedTensor> tensors{{"z \"quoted\"\n", {DType::Float32, {2, 3}, bytesOf(a)}},
                                               {"b", {DType::BFloat16, {3, 1}, bytesOf(b)}},
                                               {"scalar", {DType::Int64, {}, bytesOf(c)}},
                                               {"empty", {DType::Float16, {0, 4}, {}}}};
        const fs::path path = folder_ / "a.safetensors";
        succeed(writeSafetensors(path, tensors, {{"format", "pt"}, {"note", "ü"}}));
        const SafetensorsFile read = valueOf(SafetensorsFile::open(path));
        QCOMPARE(read.tensors().size(), tensors.size());
        for (const auto& [name, tensor] : tensors) QVERIFY2(sameTensor(read.tensors().at(name), tensor), name.c_str());
        QCOMPARE(read.metadata().at("note"), std::string("ü"));
        // Tensors lie in the given order, and data begins at a multiple of 8 bytes.
        QVERIFY(read.tensors().at("z \"quoted\"\n").bytes.data() < read.tensors().at("b").bytes.data());
        QCOMPARE(partsOf(slurp(path)).header.size() % 8, std::size_t{0});
    }

    void writingCountsBytesAndRefusesNonsense()
    {
        const std::vector<float> values{1, 2, 3, 4};
        const TensorView four{DType::Float32, {4}, bytesOf(values)};
        std::vector<std::uint64_t> seen;
        succeed(writeSafetensors(folder_ / "a", std::vector<NamedTensor>{{"a", four}, {"b", four}}, {},
                                 [&](const Progress& progress) {
                                     QCOMPARE(progress.total, std::uint64_t{32});
                                     seen.push_back(progress.done);
                                 }));
        QCOMPARE(seen, (std::vector<std::uint64_t>{16, 32}));
        VERIFY_FAILURE(writeSafetensors(folder_ / "b", std::vector<NamedTensor>{{"a", four}, {"a", four}}),
                       ErrorCode::InvalidArgument, "two tensors are named \"a\"", "report");
        VERIFY_FAILURE(
            writeSafetensors(folder_ / "b", std::vector<NamedTensor>{{"a", {DType::Float16, {4}, bytesOf(values)}}}),
            ErrorCode::InvalidArgument, "\"a\" has 16 bytes, its shape needs 8", "report");
        QVERIFY(!fs::exists(folder_ / "b"));
    }

    void damagedFilesAreRefused_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        const auto row = [](const char* name, const QByteArray& bytes, const char* message,
                            const char* hint = "cut off or damaged", ErrorCode code = ErrorCode::Corrupt) {
            QTest::newRow(name) << bytes << static_cast<int>(code) << message << hint;
        };
        const char* const good =
            R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[4],"data_offsets":[8,16]}})";
        const QByteArray whole = file(good, 16);
        const auto changed = [&](const char* what, const char* by) {
            return file(replaced(good, what, by).c_str(), 16);
        };

        row("empty", "", "0 bytes are too few for a safetensors file");
        row("shorter than the length", whole.left(7), "7 bytes are too few");
        row("cut off in the header", whole.left(20), "the header should have 108 bytes, but only 12 follow");
        row("cut off in the data", whole.chopped(1),
            "tensor \"b\" lies at bytes 8 to 16 of the data, which has 15 bytes");
        row("header longer than the file", QByteArray("\xff\xff\xff\xff\xff\xff\xff\xff{}"),
            "the header should have 18446744073709551615 bytes, but only 2 follow");
        row("header of 2^60 bytes", QByteArray("\0\0\0\0\0\0\0\x10{}", 10),
            "the header should have 1152921504606846976 bytes");
        row("no JSON", file("hello", 0), "not valid JSON", "damaged");
        row("a list", file("[]", 0), "the file must hold an object", "damaged");
        row("a tensor that is no object", file(R"({"a":1})", 0), "\"a\" must hold an object {...}, found 1", "damaged");
        row("the same name twice",
            file(
                R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                4),
            "the key \"a\" stands twice", "damaged");
        row("no dtype", changed(R"("dtype":"F32",)", ""), "\"a.dtype\" is missing", "damaged");
        row("unknown dtype", changed("F32", "F8_E4M3"),
            "\"a.dtype\" is \"F8_E4M3\", which is not supported (known: F32, F16, BF16, F64",
            "choose the checkpoint in float16", ErrorCode::Unsupported);
        row("wrong dtype", changed("F32", "F64"), "tensor \"a\" of type F64 and shape [2] needs 16 bytes, found 8");
        row("wrong shape", changed("[2]", "[3]"), "tensor \"a\" of type F32 and shape [3] needs 12 bytes, found 8");
        row("negative size", changed("[2]", "[-2]"), "\"a.shape\" must be a list of whole numbers from 0", "damaged");
        row("a size of 2^60", changed("[2]", "[1152921504606846976]"),
            "tensor \"a\" of type F32 and shape [1152921504606846976] needs 4611686018427387904 bytes, found 8");
        row("sizes whose product overflows", changed("[2]", "[4294967296, 4294967296]"),
            "the shape [4294967296, 4294967296] is too large");
        row("a size beyond 64 bits", changed("[2]", "[99999999999999999999]"),
            "\"a.shape\" must be a list of whole numbers", "damaged");
        row("offsets beyond the data", changed("[8,16]", "[8,24]"),
            "tensor \"b\" lies at bytes 8 to 24 of the data, which has 16 bytes");
        row("offsets of 2^63", changed("[8,16]", "[8,9223372036854775808]"),
            "\"b.data_offsets\" must be a list of whole numbers", "damaged");
        row("offsets backwards", changed("[8,16]", "[16,8]"), "tensor \"b\" lies at bytes 16 to 8");
        row("one offset", changed("[8,16]", "[8]"), "\"b.data_offsets\" must be a list of two whole numbers",
            "damaged");
        row("overlap", changed("[8,16]", "[4,12]"), "tensors \"a\" and \"b\" overlap");
        row("a gap",
            file(
                R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2],"data_offsets":[12,16]}})",
                16),
            "bytes 8 to 12 of the data belong to no tensor");
        row("data left over", file(good, 20), "bytes 16 to 20 of the data belong to no tensor");
        row("a stranger among the fields", changed(R"("dtype":"F32",)", R"("dtype":"F32","x":1,)"),
            "\"a.x\" is not a key that this format knows", "damaged");
        row("metadata that is no text", file(R"({"__metadata__":{"n":1}})", 0),
            "\"__metadata__.n\" must be a text, found 1", "damaged");
    }
    void damagedFilesAreRefused()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(int, code);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        const fs::path path = folder_ / "bad.safetensors";
        spill(path, bytes.toStdString());
        VERIFY_FAILURE(SafetensorsFile::open(path), static_cast<ErrorCode>(code), path.string() + ": ",
                       hint.toStdString());
        VERIFY_FAILURE(SafetensorsFile::open(path), static_cast<ErrorCode>(code), message.toStdString(),
                       hint.toStdString());
    }

    void valuesOfEveryFloatingType()
    {
        const std::vector<float> f32{1.5f, -2.0f, 0.1f};
        const std::vector<double> f64{1.5, -2.0, 0.1f};
        std::vector<std::uint16_t> f16, bf16;
        for (const float value : f32) {
            f16.push_back(floatToFloat16(value));
            bf16.push_back(floatToBfloat16(value));
        }
        QCOMPARE(toFloat({DType::Float32, {3}, bytesOf(f32)}), f32);
        QCOMPARE(toFloat({DType::Float64, {3}, bytesOf(f64)}), f32);
        QCOMPARE(toFloat({DType::Float16, {3}, bytesOf(f16)}), (std::vector<float>{1.5f, -2.0f, 0.0999755859375f}));
        QCOMPARE(toFloat({DType::BFloat16, {3}, bytesOf(bf16)}), (std::vector<float>{1.5f, -2.0f, 0.10009765625f}));
        VERIFY_FAILURE(guarded([&] {
                           return toFloat({DType::Int32, {3}, bytesOf(f32)});
                       }),
                       ErrorCode::Unsupported, "a tensor of type int32 cannot be read", "float32");
        QCOMPARE(shapeString(std::vector<std::int64_t>{704, 256}), std::string("[704, 256]"));
    }

    void oneValueThatIsNotFiniteIsFound_data()
    {
        QTest::addColumn<int>("dtype");
        QTest::addColumn<double>("value");
        QTest::addColumn<QString>("word");
        for (const DType dtype : {DType::Float32, DType::Float16, DType::BFloat16, DType::Float64}) {
            const auto name = [&](const char* what) { return std::string(torchName(dtype)) + ", " + what; };
            QTest::newRow(name("NaN").c_str())
                << static_cast<int>(dtype) << std::numeric_limits<double>::quiet_NaN() << "NaN";
            QTest::newRow(name("infinity").c_str())
                << static_cast<int>(dtype) << std::numeric_limits<double>::infinity() << "an infinity";
            QTest::newRow(name("minus infinity").c_str())
                << static_cast<int>(dtype) << -std::numeric_limits<double>::infinity() << "an infinity";
        }
    }
    void oneValueThatIsNotFiniteIsFound()
    {
        QFETCH(int, dtype);
        QFETCH(double, value);
        QFETCH(QString, word);
        const auto type = static_cast<DType>(dtype);
        const auto store = [&](std::vector<std::byte>& bytes, std::size_t i, double number) {
            const auto single = static_cast<float>(number);
            const std::uint16_t half = type == DType::Float16 ? floatToFloat16(single) : floatToBfloat16(single);
            const void* from = &half;
            if (type == DType::Float32) from = &single;
            if (type == DType::Float64) from = &number;
            std::memcpy(bytes.data() + i * sizeOf(type), from, sizeOf(type));
        };
        // Sizes around the blocks of the search; the largest finite values must pass.
        for (const std::size_t count : {1u, 3u, 31u, 33u, 70'000u}) {
            std::vector<std::byte> bytes(count * sizeOf(type));
            const double largest = type == DType::Float16 ? 65504.0 : type == DType::Float64 ? 1.7e308 : 3.3e38;
            for (std::size_t i = 0; i < count; ++i) store(bytes, i, i % 2 == 0 ? largest : -largest);
            const TensorView tensor{type, {static_cast<std::int64_t>(count)}, bytes};
            succeed(checkFinite(tensor, "w"));
            for (const std::size_t position : {std::size_t{0}, count / 2, count - 1}) {
                auto damaged = bytes;
                store(damaged, position, value);
                VERIFY_FAILURE(checkFinite({type, tensor.shape, damaged}, "layer.w"), ErrorCode::Corrupt,
                               "tensor \"layer.w\" holds " + word.toStdString() + " at element " +
                                   std::to_string(position) + " of " + std::to_string(count),
                               "weights are damaged");
            }
        }
    }

    void wholeNumbersAreAlwaysFinite()
    {
        const std::vector<std::int64_t> ones{-1, -1};
        succeed(checkFinite({DType::Int64, {2}, bytesOf(ones)}, "ids"));
    }
};

QTEST_APPLESS_MAIN(TestSafetensors)
#include "test_safetensors.moc"
