// The words that the bandwidth measurement writes and reads back: known ones, so that the sum of what was read proves
// that all of it was. Compiled for the GPU by nvcc and for the CPU by the tests.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define FLEXTRON_HOST_DEVICE __host__ __device__
#else
#define FLEXTRON_HOST_DEVICE
#endif

namespace flextron {

/// Word i of the pattern: no two neighbours alike, no bit constant.
FLEXTRON_HOST_DEVICE inline std::uint32_t patternWord(std::uint64_t i)
{
    const std::uint32_t low = static_cast<std::uint32_t>(i) * 0x9E3779B1u;
    const std::uint32_t high = static_cast<std::uint32_t>(i >> 32) + 1;
    return (low ^ (low >> 15)) * (2 * high + 1);
}

/// Exclusive or of two partial results.
FLEXTRON_HOST_DEVICE inline std::uint32_t fold(std::uint32_t a, std::uint32_t b)
{
    return a ^ b;
}

/// What reading the first `words` words must give.
inline std::uint32_t foldOfPattern(std::uint64_t words)
{
    std::uint32_t result = 0;
    for (std::uint64_t i = 0; i < words; ++i) result = fold(result, patternWord(i));
    return result;
}

} // namespace flextron
