#include "engine/model/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>

#include "engine/base/json_p.h"

namespace flextron {

namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000; // the format's own limit
constexpr std::size_t kMaxDimensions = 16;
constexpr const char* kDamaged = "the file is cut off or damaged: download or copy it again";
constexpr const char* kMetadataKey = "__metadata__";

constexpr std::array<DType, 10> kDTypes{DType::Float32, DType::Float16, DType::BFloat16, DType::Float64, DType::Int64,
                                        DType::Int32,   DType::Int16,   DType::Int8,     DType::UInt8,   DType::Bool};

[[noreturn]] void corrupt(const std::filesystem::path& path, const std::string& what)
{
    throw Failure(ErrorCode::Corrupt, path.string() + ": " + what, kDamaged);
}

std::uint64_t loadLittleEndian(std::span<const std::byte> bytes)
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    return value;
}

DType parseDType(const JsonObject& tensor)
{
    const std::string name = tensor.text("dtype");
    std::string known;
    for (const DType dtype : kDTypes) {
        if (name == safetensorsName(dtype)) return dtype;
        known += (known.empty() ? "" : ", ") + std::string(safetensorsName(dtype));
    }
    throw Failure(ErrorCode::Unsupported,
                  tensor.where() + ": " + tensor.quoted("dtype") + " is " + describe(name) +
                      ", which is not supported (known: " + known + ")",
                  "choose the checkpoint in float16, bfloat16 or float32");
}

struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::string name;
};

/// One header entry. Its extent is checked against the data's size and the shape, not yet against the other tensors.
std::pair<TensorView, Extent> parseTensor(const JsonObject& tensor, const std::string& name,
                                          std::span<const std::byte> data, const std::filesystem::path& path)
{
    tensor.allowOnly({"dtype", "shape", "data_offsets"});
    TensorView view;
    view.dtype = parseDType(tensor);
    view.shape = tensor.integers("shape", 0, INT64_MAX, kMaxDimensions);
    const auto offsets = tensor.integers("data_offsets", 0, INT64_MAX, 2);
    if (offsets.size() != 2) tensor.mustBe("data_offsets", "a list of two whole numbers, begin and end");
    const Extent extent{static_cast<std::uint64_t>(offsets[0]), static_cast<std::uint64_t>(offsets[1]), name};
    const std::string quoted = "tensor " + describe(name);
    if (extent.begin > extent.end || extent.end > data.size())
        corrupt(path, quoted + " lies at bytes " + std::to_string(extent.begin) + " to " + std::to_string(extent.end) +
                          " of the data, which has " + std::to_string(data.size()) + " bytes");

    std::int64_t bytes = static_cast<std::int64_t>(sizeOf(view.dtype));
    for (const std::int64_t size : view.shape)
        if (__builtin_mul_overflow(bytes, size, &bytes))
            corrupt(path, quoted + ": the shape " + shapeString(view.shape) + " is too large");
    if (static_cast<std::uint64_t>(bytes) != extent.end - extent.begin)
        corrupt(path, quoted + " of type " + std::string(safetensorsName(view.dtype)) + " and shape " +
                          shapeString(view.shape) + " needs " + std::to_string(bytes) + " bytes, found " +
                          std::to_string(extent.end - extent.begin));
    view.bytes = data.subspan(extent.begin, extent.end - extent.begin);
    return {std::move(view), extent};
}

/// Without overlap and without a gap: every byte of the data belongs to one tensor.
void checkCoverage(std::vector<Extent> extents, std::uint64_t data_size, const std::filesystem::path& path)
{
    std::sort(extents.begin(), extents.end(),
              [](const Extent& a, const Extent& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
    std::uint64_t covered = 0;
    std::string previous;
    for (const Extent& extent : extents) {
        if (extent.begin < covered)
            corrupt(path, "tensors " + describe(previous) + " and " + describe(extent.name) + " overlap");
        if (extent.begin > covered)
            corrupt(path, "bytes " + std::to_string(covered) + " to " + std::to_string(extent.begin) +
                              " of the data belong to no tensor");
        covered = extent.end;
        previous = extent.name;
    }
    if (covered != data_size)
        corrupt(path, "bytes " + std::to_string(covered) + " to " + std::to_string(data_size) +
                          " of the data belong to no tensor");
}

std::string headerOf(std::span<const NamedTensor> tensors, const std::map<std::string, std::string>& metadata,
                     const std::filesystem::path& path)
{
    const auto invalid = [&](const std::string& what) {
        return Failure(ErrorCode::InvalidArgument, "cannot write " + path.string() + ": " + what,
                       "this is a bug in Flextron Explorer: please report it");
    };
    const auto quoted = [](const std::string& text) {
        return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    std::string header = "{";
    if (!metadata.empty())
        header += quoted(kMetadataKey) + ":" + Json(metadata).dump(-1, ' ', false, Json::error_handler_t::replace);
    std::set<std::string_view> names{kMetadataKey};
    std::uint64_t offset = 0;
    for (const auto& [name, tensor] : tensors) {
        if (!names.insert(name).second) throw invalid("two tensors are named \"" + name + "\"");
        std::uint64_t bytes = sizeOf(tensor.dtype);
        for (const std::int64_t size : tensor.shape) bytes *= static_cast<std::uint64_t>(size);
        if (bytes != tensor.bytes.size())
            throw invalid("tensor \"" + name + "\" has " + std::to_string(tensor.bytes.size()) +
                          " bytes, its shape needs " + std::to_string(bytes));
        header += (header.size() > 1 ? "," : "") + quoted(name) + ":{\"dtype\":\"" +
                  std::string(safetensorsName(tensor.dtype)) + "\",\"shape\":" + Json(tensor.shape).dump() +
                  ",\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + bytes) + "]}";
        offset += bytes;
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    return header;
}

} // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path)
{
    return guarded([&] {
        SafetensorsFile file(MappedFile::open(path).orThrow());
        const auto bytes = file.file_.bytes();
        if (bytes.size() < kLengthBytes)
            corrupt(path, std::to_string(bytes.size()) +
                              " bytes are too few for a safetensors file, which begins with " +
                              std::to_string(kLengthBytes) + " bytes of length");
        const std::uint64_t header_size = loadLittleEndian(bytes);
        if (header_size > bytes.size() - kLengthBytes)
            corrupt(path, "the header should have " + std::to_string(header_size) + " bytes, but only " +
                              std::to_string(bytes.size() - kLengthBytes) + " follow");
        if (header_size > kMaxHeaderBytes)
            corrupt(path, "the header has " + std::to_string(header_size) + " bytes, more than the format's limit of " +
                              std::to_string(kMaxHeaderBytes));
        const auto header_bytes = bytes.subspan(kLengthBytes, header_size);
        const auto data = bytes.subspan(kLengthBytes + header_size);

        const Json document = parseJson({reinterpret_cast<const char*>(header_bytes.data()), header_bytes.size()},
                                        path);
        const JsonObject header(document, path.string());
        std::vector<Extent> extents;
        for (const auto& [name, value] : document.items()) {
            if (name == kMetadataKey) {
                const JsonObject metadata = header.object(name);
                for (const auto& [key, text] : value.items()) file.metadata_.emplace(key, metadata.text(key));
                continue;
            }
            auto [view, extent] = parseTensor(header.object(name), name, data, path);
            file.tensors_.emplace(name, std::move(view));
            extents.push_back(std::move(extent));
        }
        checkCoverage(std::move(extents), data.size(), path);
        return file;
    });
}

Result<void> writeSafetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata, const ProgressFn& progress)
{
    return guarded([&] {
        const std::string header = headerOf(tensors, metadata, path);
        std::array<std::byte, kLengthBytes> length;
        for (std::size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<std::byte>(header.size() >> (8 * i));
        auto file = AtomicFile::create(path).orThrow();
        file.write(length).orThrow();
        file.write(header).orThrow();
        Progress state{"writing weights", 0, 0, "bytes"};
        for (const NamedTensor& tensor : tensors) state.total += tensor.tensor.bytes.size();
        for (const NamedTensor& tensor : tensors) {
            file.write(tensor.tensor.bytes).orThrow();
            state.done += tensor.tensor.bytes.size();
            if (progress) progress(state);
        }
        file.commit().orThrow();
    });
}

} // namespace flextron
