// How fast the device reads its memory: what decoding is measured against.
#pragma once

#include <string>

#include "app/commands/console.h"
#include "engine/compute/device.h"

namespace flextron::cli {

struct MemoryLimit {
    double bytes_per_second = 0; ///< median
    std::string how;             ///< for a person
};
MemoryLimit memoryLimit(const Device& device, Console& console);

} // namespace flextron::cli
