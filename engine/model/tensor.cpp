#include "engine/model/tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/base/half.h"

namespace flextron {

namespace {

struct DTypeNames {
    std::string_view safetensors;
    std::string_view torch;
    std::size_t bytes;
};

// In the order of the enumeration.
constexpr std::array<DTypeNames, 10> kNames{{{"F32", "float32", 4},
                                             {"F16", "float16", 2},
                                             {"BF16", "bfloat16", 2},
                                             {"F64", "float64", 8},
                                             {"I64", "int64", 8},
                                             {"I32", "int32", 4},
                                             {"I16", "int16", 2},
                                             {"I8", "int8", 1},
                                             {"U8", "uint8", 1},
                                             {"BOOL", "bool", 1}}};

const DTypeNames& names(DType dtype)
{
    return kNames.at(static_cast<std::size_t>(dtype));
}

/// Calls store(i, element) for each element. memcpy: the bytes need not be aligned.
template <class Element, class Store> void forEachElement(const TensorView& tensor, Store store)
{
    for (std::size_t i = 0; i < tensor.bytes.size() / sizeof(Element); ++i) {
        Element element;
        std::memcpy(&element, tensor.bytes.data() + i * sizeof(Element), sizeof(Element));
        store(i, element);
    }
}

/// Bits of one format, repeated over the lanes of a 64-bit word.
struct ExponentLanes {
    std::uint64_t mask; ///< the exponent
    std::uint64_t
        unit; ///< its lowest bit: added to an exponent of ones it carries into the sign, which `mask` has cleared
    std::uint64_t sign;
};

ExponentLanes exponentLanes(DType dtype)
{
    switch (dtype) {
    case DType::Float16: return {0x7c007c007c007c00u, 0x0400040004000400u, 0x8000800080008000u};
    case DType::BFloat16: return {0x7f807f807f807f80u, 0x0080008000800080u, 0x8000800080008000u};
    case DType::Float32: return {0x7f8000007f800000u, 0x0080000000800000u, 0x8000000080000000u};
    case DType::Float64: return {0x7ff0000000000000u, 0x0010000000000000u, 0x8000000000000000u};
    default: return {0, 0, 0};
    }
}

/// True when some lane of the `count` bytes has an exponent of ones, which is a NaN or an infinity.
bool anyNotFinite(const std::byte* bytes, std::size_t count, const ExponentLanes& lanes)
{
    constexpr std::size_t kUnrolled = 8; // independent words: lets the compiler use its widest registers
    std::array<std::uint64_t, kUnrolled> carried{};
    std::size_t position = 0;
    for (; position + kUnrolled * 8 <= count; position += kUnrolled * 8) {
        std::array<std::uint64_t, kUnrolled> words;
        std::memcpy(words.data(), bytes + position, kUnrolled * 8);
        for (std::size_t i = 0; i < kUnrolled; ++i) carried[i] |= (words[i] & lanes.mask) + lanes.unit;
    }
    for (; position < count; position += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes + position, std::min<std::size_t>(8, count - position));
        carried[0] |= (word & lanes.mask) + lanes.unit;
    }
    return std::any_of(carried.begin(), carried.end(), [&](std::uint64_t word) { return (word & lanes.sign) != 0; });
}

} // namespace

std::size_t sizeOf(DType dtype)
{
    return names(dtype).bytes;
}

std::string_view safetensorsName(DType dtype)
{
    return names(dtype).safetensors;
}

std::string_view torchName(DType dtype)
{
    return names(dtype).torch;
}

std::int64_t TensorView::elements() const
{
    return static_cast<std::int64_t>(bytes.size() / sizeOf(dtype));
}

std::string shapeString(std::span<const std::int64_t> shape)
{
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

std::vector<float> toFloat(const TensorView& tensor)
{
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    switch (tensor.dtype) {
    case DType::Float32:
        if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(float));
        return values;
    case DType::Float16:
        forEachElement<std::uint16_t>(tensor,
                                      [&](std::size_t i, std::uint16_t bits) { values[i] = float16ToFloat(bits); });
        return values;
    case DType::BFloat16:
        forEachElement<std::uint16_t>(tensor,
                                      [&](std::size_t i, std::uint16_t bits) { values[i] = bfloat16ToFloat(bits); });
        return values;
    case DType::Float64:
        forEachElement<double>(tensor, [&](std::size_t i, double value) { values[i] = static_cast<float>(value); });
        return values;
    default:
        throw Failure(ErrorCode::Unsupported,
                      "a tensor of type " + std::string(torchName(tensor.dtype)) + " cannot be read as floating point",
                      "weights must be float32, float16, bfloat16 or float64");
    }
}

Result<void> checkFinite(const TensorView& tensor, std::string_view name)
{
    return guarded([&] {
        const ExponentLanes lanes = exponentLanes(tensor.dtype);
        if (lanes.mask == 0) return;                         // whole numbers are always finite
        constexpr std::size_t kBlock = std::size_t{1} << 16; // bytes; a multiple of every element's size
        for (std::size_t begin = 0; begin < tensor.bytes.size(); begin += kBlock) {
            const auto block = tensor.bytes.subspan(begin, std::min(kBlock, tensor.bytes.size() - begin));
            if (!anyNotFinite(block.data(), block.size(), lanes)) continue;
            const std::size_t element = sizeOf(tensor.dtype);
            std::size_t index = 0;
            while (!anyNotFinite(block.data() + index * element, element, lanes)) ++index;
            const TensorView one{tensor.dtype, {1}, block.subspan(index * element, element)};
            // A float64 beyond float's range would turn into an infinity here, but only true ones get this far.
            throw Failure(ErrorCode::Corrupt,
                          "tensor \"" + std::string(name) + "\" holds " +
                              (std::isnan(toFloat(one)[0]) ? "NaN" : "an infinity") + " at element " +
                              std::to_string(begin / element + index) + " of " + std::to_string(tensor.elements()),
                          "the weights are damaged, or their training diverged: use another checkpoint");
        }
    });
}

} // namespace flextron
