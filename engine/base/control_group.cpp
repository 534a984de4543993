#include "engine/base/control_group_p.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace flextron {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The names that the two versions have for the same things.
struct Version {
    fs::path mount;
    const char* limit;
    const char* used;
    const char* reclaimable; ///< field of memory.stat
};

std::optional<std::int64_t> numberIn(const fs::path& file)
{
    std::ifstream in(file);
    std::int64_t value = 0;
    if (in >> value) return value; // "max" is no number: no limit
    return std::nullopt;
}

std::int64_t fieldIn(const fs::path& file, const std::string& name)
{
    std::ifstream in(file);
    std::string key;
    for (std::int64_t value = 0; in >> key >> value;)
        if (key == name) return value;
    return 0;
}

std::int64_t roomOf(const fs::path& group, const Version& version)
{
    const auto limit = numberIn(group / version.limit);
    const auto used = numberIn(group / version.used);
    if (!limit || !used) return kUnlimited;
    // Version 1 says "no limit" by a number close to the largest one; the room is then as large.
    return std::max<std::int64_t>(0, *limit - *used + fieldIn(group / "memory.stat", version.reclaimable));
}

/// `path` begins with a slash.
std::int64_t leastRoom(const std::string& path, const Version& version)
{
    std::int64_t room = roomOf(version.mount, version);
    fs::path group = version.mount;
    for (const auto& part : fs::path(path).relative_path()) {
        if (part == "..") break; // a group outside of what this process sees
        group /= part;
        room = std::min(room, roomOf(group, version));
    }
    return room;
}

bool listed(const std::string& controllers, const std::string& name)
{
    return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}

} // namespace

std::int64_t controlGroupRoom(std::istream& membership, const fs::path& mount)
{
    std::error_code ignored;
    const fs::path unified = fs::exists(mount / "unified", ignored) ? mount / "unified" : mount;
    std::int64_t room = kUnlimited;
    for (std::string line; std::getline(membership, line);) { // "4:memory:/a/b", and for version 2 "0::/a/b"
        const auto first = line.find(':');
        const auto second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
        if (controllers.empty() && line.starts_with("0:"))
            room = std::min(room, leastRoom(path, {unified, "memory.max", "memory.current", "inactive_file"}));
        else if (listed(controllers, "memory"))
            room = std::min(room, leastRoom(path, {mount / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                                   "total_inactive_file"}));
    }
    return room;
}

} // namespace flextron
