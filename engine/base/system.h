// Facts about the machine the program runs on, its clock included.
#pragma once

#include <cstdint>
#include <string>

namespace flextron {

/// "AMD EPYC 9654 96-Core Processor"; "unknown CPU" where the system does not say.
std::string cpuName();
/// Processors this process may run on (affinity and hyper-threads included); at least 1.
int usableProcessors();
/// Memory that can be had without swapping: the least of what the system has available, the control group allows and
/// the address-space limit leaves. Bytes; the largest int64 where none of them can be read.
std::int64_t availableMemory();
/// Resident memory of this process now, in bytes; 0 where it cannot be read.
std::int64_t residentMemory();
/// Most memory that this process held at once so far, in bytes; 0 where it cannot be read.
std::int64_t peakMemory();
/// "1.4 GB", "352 kB": decimal units, two significant digits or more.
std::string formatBytes(std::int64_t bytes);
/// ISO 8601: "2026-01-31T08:15:00Z".
std::string nowInUtc();

} // namespace flextron
