// What a decode step computes for one element. On the GPU and on the CPU alike; tests hold it against the engine's own
// functions.
#pragma once

#include <cmath>
#include <cstring>

#include "engine/cuda/kernels/portable_p.h"

namespace flextron::cuda {

// Weights as they lie in memory.
struct Float16 {
    std::uint16_t bits;
};
struct BFloat16 {
    std::uint16_t bits;
};

FLEXTRON_HD float floatFromBits(std::uint32_t bits)
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
FLEXTRON_HD std::uint32_t bitsOfFloat(float value)
{
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

FLEXTRON_HD float widen(float value)
{
    return value;
}
FLEXTRON_HD float widen(BFloat16 value)
{
    return floatFromBits(static_cast<std::uint32_t>(value.bits) << 16);
}
/// Exact for every finite value; weights are finite.
FLEXTRON_HD float widen(Float16 value)
{
#ifdef __CUDA_ARCH__
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
#else
    // The exponent's bias is put right by a product with 2^112, which also normalises subnormal numbers.
    const std::uint32_t magnitude = static_cast<std::uint32_t>(value.bits & 0x7fffu) << 13;
    const float scaled = floatFromBits(magnitude) * floatFromBits(0x77800000u);
    return floatFromBits(bitsOfFloat(scaled) | static_cast<std::uint32_t>(value.bits & 0x8000u) << 16);
#endif
}

/// Eight neighbouring weights as they lie in memory: one load of 16 bytes for the 16-bit types, two for float32. They
/// are taken apart where they are used: until then they shall not take a register each.
template <class Weight> struct Eight {
    alignas(16) std::uint32_t words[2 * sizeof(Weight)];
};
template <class Weight> FLEXTRON_HD Eight<Weight> loadEight(const Weight* from)
{
    Eight<Weight> eight;
#ifdef __CUDA_ARCH__
    FLEXTRON_UNROLL
    for (int q = 0; q < static_cast<int>(sizeof(eight) / sizeof(uint4)); ++q) {
        const uint4 quad = __ldg(reinterpret_cast<const uint4*>(from) + q);
        eight.words[4 * q] = quad.x;
        eight.words[4 * q + 1] = quad.y;
        eight.words[4 * q + 2] = quad.z;
        eight.words[4 * q + 3] = quad.w;
    }
#else
    std::memcpy(&eight, from, sizeof eight);
#endif
    return eight;
}
FLEXTRON_HD float element(const Eight<float>& eight, int k)
{
    return floatFromBits(eight.words[k]);
}
FLEXTRON_HD float element(const Eight<BFloat16>& eight, int k)
{
    const std::uint32_t pair = eight.words[k / 2];
    return floatFromBits(k % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
}
FLEXTRON_HD float element(const Eight<Float16>& eight, int k)
{
    return widen(Float16{static_cast<std::uint16_t>(eight.words[k / 2] >> k % 2 * 16)});
}

/// Four neighbouring floats at a multiple of 16 bytes, in one access.
FLEXTRON_HD Floats<4> loadFour(const float* from)
{
    Floats<4> four;
    std::memcpy(&four, __builtin_assume_aligned(from, 16), sizeof four);
    return four;
}
FLEXTRON_HD void storeFour(float* to, const Floats<4>& four)
{
#ifdef __CUDA_ARCH__
    *reinterpret_cast<float4*>(to) = make_float4(four.of[0], four.of[1], four.of[2], four.of[3]);
#else
    std::memcpy(to, &four, sizeof four);
#endif
}
/// Elements i to i + 3, i a multiple of 4, of `count` at a multiple of 16 bytes; 0 from `count` on.
FLEXTRON_HD Floats<4> fourOf(const float* from, int i, int count)
{
    if (i + 4 <= count) return loadFour(from + i);
    Floats<4> four;
    FLEXTRON_UNROLL
    for (int k = 0; k < 4; ++k) four.of[k] = i + k < count ? from[i + k] : 0.0f;
    return four;
}

FLEXTRON_HD float multiplyAdd(float a, float b, float sum)
{
#ifdef __CUDA_ARCH__
    return fmaf(a, b, sum);
#else
    return a * b + sum; // without a flag of its own, x86-64 has no such instruction, and the library's is slow
#endif
}

enum ActivationKind : std::int32_t { kSilu = 0, kGeluTanh = 1, kGeluErf = 2 };

FLEXTRON_HD float activated(std::int32_t kind, float x)
{
    if (kind == kSilu) return x / (1.0f + expf(-x));
    if (kind == kGeluErf) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    const float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
    return 0.5f * x * (1.0f + tanhf(inner));
}

/// Routers' activation (RouterNetwork::kNegativeSlope).
FLEXTRON_HD float leaky(float x)
{
    return x < 0.0f ? 0.1f * x : x;
}

/// Rotates (first, second), elements i and i + dh/2 of a head, by the angle of their position.
FLEXTRON_HD void rotatePair(float& first, float& second, float cosine, float sine)
{
    const float turned = first * cosine - second * sine;
    second = second * cosine + first * sine;
    first = turned;
}

/// A number whose order as an integer is the order of (value, then the smaller id first): no two tokens share one.
FLEXTRON_HD std::uint64_t orderKey(float value, std::int32_t id)
{
    const std::uint32_t bits = bitsOfFloat(value == 0.0f ? 0.0f : value); // -0 equals 0
    const std::uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return static_cast<std::uint64_t>(ordered) << 32 | (0xffffffffu - static_cast<std::uint32_t>(id));
}
FLEXTRON_HD std::int32_t idOfKey(std::uint64_t key)
{
    return static_cast<std::int32_t>(0xffffffffu - static_cast<std::uint32_t>(key));
}
FLEXTRON_HD float valueOfKey(std::uint64_t key)
{
    const auto ordered = static_cast<std::uint32_t>(key >> 32);
    return floatFromBits(ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered);
}

// Noise of a token at a position: the functions of engine/base/random.h and engine/generate/sampler.h.
FLEXTRON_HD std::uint64_t mixedBits(std::uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}
/// Strictly between 0 and 1.
FLEXTRON_HD double uniformNoise(std::uint64_t seed, int position, std::int32_t id)
{
    const std::uint64_t place = mixedBits(mixedBits(seed) + static_cast<std::uint64_t>(position));
    const std::uint64_t bits = mixedBits(place + static_cast<std::uint64_t>(id));
    return (static_cast<double>(bits >> 12) + 0.5) * 2.220446049250313e-16; // 2^-52
}
FLEXTRON_HD double gumbelOf(double uniform)
{
    return -log(-log(uniform));
}

/// Keskar et al., 2019: a token already in the text is divided when positive and multiplied when negative.
FLEXTRON_HD float penalised(float logit, double penalty)
{
    const double value = logit;
    return static_cast<float>(logit > 0.0f ? value / penalty : value * penalty);
}

} // namespace flextron::cuda
