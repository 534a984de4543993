// How fast this machine's processors read memory: the limit of decoding, which reads every weight for every token.
#pragma once

#include <cstdint>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"

namespace flextron {

struct MemoryBandwidth {
    double bytes_per_second = 0; ///< median of the timed reads
    double best = 0;             ///< the fastest of them
    std::int64_t bytes = 0;      ///< read each time
    int threads = 0;
    int repeats = 0;
    std::uint64_t sum = 0; ///< of the 64-bit words read; word i holds i + 1
};

/// All threads read one buffer together, each the next part that nobody has taken. `bytes` 0: four times the last-level
/// cache, between 256 MiB and 1 GiB, and at most a quarter of the memory that is free. OutOfMemory when that is not to
/// be had; Cancelled between reads.
Result<MemoryBandwidth> measureMemoryBandwidth(int threads, int repeats = 7, std::int64_t bytes = 0,
                                               const CancelToken& cancel = {});

} // namespace flextron
