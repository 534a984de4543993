// How far long work has come, in whatever unit it counts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace flextron {

struct Progress {
    std::string stage;       ///< what is being done, for a person: "reading weights"
    std::uint64_t done = 0;  ///< in `unit`
    std::uint64_t total = 0; ///< 0 while unknown
    std::string unit;        ///< "bytes", "tokens", "sequences"
};

/// Called on the thread that does the work; must be quick. May be empty.
using ProgressFn = std::function<void(const Progress&)>;

} // namespace flextron
