// One panel, from any tensor to any type.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/compute/decode/kernels_p.h"
#include "engine/model/tensor.h"

namespace flextron::decode {

/// A matrix [out, in] inside a tensor, whichever way the file stores it.
struct Matrix {
    DType dtype = DType::Float32;
    const std::byte* bytes = nullptr; // not necessarily aligned
    std::size_t out_stride = 0;       // elements
    std::size_t in_stride = 0;
    int outs = 0;
    int ins = 0;

    [[nodiscard]] Matrix from(int first_out, int first_in, int out_count, int in_count) const
    {
        Matrix part = *this;
        part.bytes += (static_cast<std::size_t>(first_out) * out_stride +
                       static_cast<std::size_t>(first_in) * in_stride) *
                      sizeOf(dtype);
        part.outs = std::min(out_count, outs - first_out);
        part.ins = std::min(in_count, ins - first_in);
        return part;
    }
};

/// Fills a panel with the rows of m (at most kPanel) and all its inputs, zeros up to kPanel columns and `inputs`
/// inputs. False when a weight does not fit the type.
bool packPanel(const Matrix& m, int inputs, PanelType type, std::byte* panel);

} // namespace flextron::decode
