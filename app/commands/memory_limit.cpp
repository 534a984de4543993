#include "app/commands/memory_limit.h"

#include "engine/base/memory_bandwidth.h"
#include "engine/base/system.h"
#include "engine/cuda/loader.h"

namespace flextron::cli {

MemoryLimit memoryLimit(const Device& device, Console& console)
{
    if (device.cuda) {
        const auto speed = cudaSupport().measureRead(device.index).orThrow();
        return {speed.median_bytes_per_second,
                "plain read of " + formatBytes(static_cast<std::int64_t>(speed.bytes)) + " by a kernel"};
    }
    const auto read = measureMemoryBandwidth(usableProcessors(), 7, 0, console.cancel()).orThrow();
    return {read.bytes_per_second,
            "plain read of " + formatBytes(read.bytes) + " on " + std::to_string(read.threads) + " threads"};
}

} // namespace flextron::cli
