#include "engine/compute/decode/panel_pack_p.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/base/half.h"

namespace flextron::decode {
namespace {

template <class T, class Convert> void gather(const Matrix& m, float* tile, Convert convert)
{
    for (int i = 0; i < m.ins; ++i)
        for (int o = 0; o < m.outs; ++o) {
            T bits;
            std::memcpy(&bits,
                        m.bytes +
                            (static_cast<std::size_t>(o) * m.out_stride + static_cast<std::size_t>(i) * m.in_stride) *
                                sizeof(T),
                        sizeof(T));
            tile[i * kPanel + o] = convert(bits);
        }
}

/// tile[i][o] = m[o][i] for the (at most 32 x 32) elements of m, 0 elsewhere.
void readTile(const Matrix& m, float* tile)
{
    std::fill_n(tile, kPanel * kPanel, 0.0f);
    switch (m.dtype) {
    case DType::Float32: return gather<float>(m, tile, [](float v) { return v; });
    case DType::Float16: return gather<std::uint16_t>(m, tile, float16ToFloat);
    case DType::BFloat16: return gather<std::uint16_t>(m, tile, bfloat16ToFloat);
    case DType::Float64: return gather<double>(m, tile, [](double v) { return static_cast<float>(v); });
    default: return; // refused before
    }
}

/// Stores a tile as inputs [first, first + count) of a panel. False when a weight does not fit the type.
bool storeTile(const float* tile, PanelType type, int first, int count, std::byte* panel)
{
    const auto weights = static_cast<std::size_t>(count) * kPanel;
    bool fits = true;
    switch (type) {
    case PanelType::Float32:
        std::memcpy(panel + panelBytes(type, first), tile, weights * sizeof(float));
        for (std::size_t i = 0; i < weights; ++i) fits = fits && std::isfinite(tile[i]);
        return fits;
    case PanelType::Float16:
    case PanelType::BFloat16: {
        auto* to = reinterpret_cast<std::uint16_t*>(panel + panelBytes(type, first));
        const std::uint16_t infinity = type == PanelType::Float16 ? 0x7c00 : 0x7f80;
        for (std::size_t i = 0; i < weights; ++i) {
            to[i] = type == PanelType::Float16 ? floatToFloat16(tile[i]) : floatToBfloat16(tile[i]);
            fits = fits && (to[i] & infinity) != infinity;
        }
        return fits;
    }
    case PanelType::Int8: break;
    }
    std::byte* group = panel + panelBytes(type, first);
    auto* scales = reinterpret_cast<std::uint16_t*>(group);
    auto* to = reinterpret_cast<std::int8_t*>(group + kPanel * sizeof(std::uint16_t));
    for (int column = 0; column < kPanel; ++column) {
        float most = 0;
        for (int i = 0; i < count; ++i) most = std::max(most, std::abs(tile[i * kPanel + column]));
        std::uint16_t bits = floatToBfloat16(most / 127.0f);
        // Rounded up, so that the largest weight stays within 127 steps.
        if (bfloat16ToFloat(bits) * 127.0f < most) ++bits;
        const float scale = bfloat16ToFloat(bits);
        fits = fits && std::isfinite(scale);
        scales[column] = bits;
        for (int i = 0; i < count; ++i)
            to[i * kPanel + column] = scale > 0 ? static_cast<std::int8_t>(std::lround(
                                                      std::clamp(tile[i * kPanel + column] / scale, -127.0f, 127.0f)))
                                                : std::int8_t{0};
    }
    return fits;
}

} // namespace

bool packPanel(const Matrix& m, int inputs, PanelType type, std::byte* panel)
{
    float tile[kPanel * kPanel];
    bool fits = true;
    for (int first = 0; first < inputs; first += kPanel) {
        readTile(m.from(0, std::min(first, m.ins), m.outs, kPanel), tile);
        fits = storeTile(tile, type, first, std::min(kPanel, inputs - first), panel) && fits;
    }
    return fits;
}

} // namespace flextron::decode
