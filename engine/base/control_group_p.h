// What the control group of this process still lets it have. Not a public header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>

namespace flextron {

/// Bytes that can be had before the memory limit of a control group is reached: the least over the group and those
/// above it, cached file pages counted as free, because the kernel gives them up first. The largest int64 where there
/// is no limit. `membership`: the lines of /proc/self/cgroup. `mount`: /sys/fs/cgroup, with version 2 at the top or in
/// "unified", version 1 in "memory". Inside a container the group's path may not be there under `mount`, which then
/// shows the container's own group at its top; that one is read then.
std::int64_t controlGroupRoom(std::istream& membership, const std::filesystem::path& mount);

} // namespace flextron
