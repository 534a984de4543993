// Faster float32 matrix products in training, where they are as exact. Not a public header.
//
// Source: our choice. LibTorch multiplies float32 matrices with MKL unless it is allowed to lower the precision; then
// it asks oneDNN. On processors without bfloat16 matrix units oneDNN computes in float32 all the same, with wider
// vectors than MKL uses on processors that are not Intel's: up to four times as fast on an AMD EPYC of 2024.
#pragma once

#include <ATen/Context.h>

namespace flextron {

/// While it lives, LibTorch may take the other kernels if these are exact to float32's rounding on this machine; that
/// depends on nothing but the machine, so that equal runs stay equal.
class FastProducts {
public:
    FastProducts();
    ~FastProducts();
    FastProducts(const FastProducts&) = delete;
    FastProducts& operator=(const FastProducts&) = delete;
    [[nodiscard]] bool used() const { return used_; }

private:
    at::Float32MatmulPrecision before_;
    bool used_ = false;
};

/// While it lives, float32 products are MKL's: for those of attention's blocks, so many and so small (64 x 64 on a
/// block of queries and one of keys) that oneDNN takes three times as long, most of it to begin.
class UsualProducts {
public:
    UsualProducts();
    ~UsualProducts();
    UsualProducts(const UsualProducts&) = delete;
    UsualProducts& operator=(const UsualProducts&) = delete;

private:
    at::Float32MatmulPrecision before_;
};

} // namespace flextron
