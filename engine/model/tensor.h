// A tensor as it lies in a file: type, shape and bytes. No arithmetic here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flextron {

enum class DType { Float32, Float16, BFloat16, Float64, Int64, Int32, Int16, Int8, UInt8, Bool };
/// Bytes an element.
std::size_t sizeOf(DType dtype);
/// safetensors' names: "F32", "F16", "BF16", "F64", "I64", ...
std::string_view safetensorsName(DType dtype);
/// Hugging Face's names: "float32", "float16", "bfloat16", ...
std::string_view torchName(DType dtype);

/// Does not own its bytes; row-major and contiguous. Not necessarily aligned.
struct TensorView {
    DType dtype = DType::Float32;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes;

    [[nodiscard]] std::int64_t elements() const;
};

/// "[704, 256]"
std::string shapeString(std::span<const std::int64_t> shape);

/// Element-wise to float32 (F32, F16, BF16, F64). Throws Failure(Unsupported) for other types: engine-internal.
std::vector<float> toFloat(const TensorView& tensor);

/// Corrupt when a floating-point tensor holds a NaN or an infinity, naming `name` and the first such element. Reads at
/// the speed of the memory, so that whoever converts or loads weights can check every one of them.
Result<void> checkFinite(const TensorView& tensor, std::string_view name);

} // namespace flextron
