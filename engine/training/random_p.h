// A small generator whose numbers are the same on every machine, and whose whole state is one number. Not a public
// header.
#pragma once

#include <cstdint>

#include "engine/base/random.h"

namespace flextron {

/// SplitMix64 (Steele, Lea and Flood, 2014).
class SplitMix {
public:
    explicit SplitMix(std::uint64_t state) : state_(state) {}
    /// Independent of the others for every (seed, stream): what is random in a step depends on the step's number alone,
    /// so that a resumed run draws what the uninterrupted one would have drawn.
    static SplitMix of(std::uint64_t seed, std::uint64_t stream)
    {
        SplitMix mixed(seed ^ (stream * 0xd1342543de82ef95ull));
        return SplitMix(mixed.next() ^ stream);
    }

    std::uint64_t next()
    {
        const std::uint64_t bits = mixBits(state_);
        state_ += 0x9e3779b97f4a7c15u;
        return bits;
    }
    /// 0 .. n-1; the bias of the remainder is below n / 2^64.
    std::uint64_t below(std::uint64_t n) { return next() % n; }
    /// [0, 1)
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
    [[nodiscard]] std::uint64_t state() const { return state_; }

private:
    std::uint64_t state_;
};

} // namespace flextron
