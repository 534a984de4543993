// Random numbers as pure functions of what they are for: no generator, no state, the same on every machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace flextron {

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit reaches every output bit.
[[nodiscard]] constexpr std::uint64_t mixBits(std::uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/// Bits to a number strictly between 0 and 1: the upper 52 bits, and a half so that neither end is met.
[[nodiscard]] constexpr double openUnit(std::uint64_t bits)
{
    return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
}

/// A standard normal number for (seed, index): Box and Muller's cosine.
[[nodiscard]] inline double normalNumber(std::uint64_t seed, std::uint64_t index)
{
    const std::uint64_t key = mixBits(seed) ^ mixBits(index);
    const double radius = std::sqrt(-2.0 * std::log(openUnit(mixBits(key))));
    return radius * std::cos(2.0 * std::numbers::pi * openUnit(mixBits(key + 1)));
}

} // namespace flextron
