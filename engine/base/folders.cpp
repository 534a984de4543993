// Folders: written whole or not at all, and where the program's own are.
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "engine/base/files.h"
#include "engine/base/files_p.h"

namespace flextron {

namespace fs = std::filesystem;

namespace {

constexpr int kNameAttempts = 1000;

/// Absolute, without "." and "..", without a slash at the end: what rename() and parent_path() need.
fs::path cleaned(const fs::path& path)
{
    fs::path clean = fs::absolute(path).lexically_normal();
    return clean.has_filename() ? clean : clean.parent_path();
}

fs::path homeFolder()
{
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return home;
    if (const passwd* entry = ::getpwuid(::getuid()); entry != nullptr && entry->pw_dir != nullptr)
        return entry->pw_dir;
    return fs::temp_directory_path();
}

/// The XDG Base Directory Specification: relative values are to be ignored.
fs::path xdgFolder(const char* variable, const char* fallback_below_home)
{
    if (const char* value = std::getenv(variable); value != nullptr && *value == '/')
        return fs::path(value) / "flextron";
    return homeFolder() / fallback_below_home / "flextron";
}

} // namespace

Result<AtomicFolder> AtomicFolder::create(const fs::path& path)
{
    return guarded([&] {
        if (path.empty())
            throw Failure(ErrorCode::InvalidArgument, "the name of the new folder is empty", "give a folder's path");
        AtomicFolder folder;
        folder.path_ = cleaned(path);
        std::error_code code;
        const auto status = fs::symlink_status(folder.path_, code);
        if (fs::exists(status) && !(fs::is_directory(status) && fs::is_empty(folder.path_, code)))
            throw Failure(ErrorCode::InvalidArgument,
                          "cannot write to " + folder.path_.string() + ": it already exists",
                          "choose a folder that does not exist yet, or an empty one: nothing is overwritten");
        fs::create_directories(folder.path_.parent_path(), code);
        if (code) throw fileFailure("create", folder.path_.parent_path(), code.value());
        for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
            const auto name = partialName(folder.path_, attempt);
            if (::mkdir(name.c_str(), 0777) == 0) {
                folder.temporary_ = name;
                return folder;
            }
            if (errno != EEXIST) break;
        }
        throw fileFailure("create", folder.path_, errno);
    });
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : path_(std::move(other.path_))
    , temporary_(std::move(other.temporary_))
{
    other.temporary_.clear();
}

AtomicFolder::~AtomicFolder()
{
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Result<void> AtomicFolder::commit()
{
    return guarded([&] {
        syncFolder(temporary_);
        // rename() replaces an empty folder and refuses one that was filled in the meantime.
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw fileFailure("create", path_, errno);
        temporary_.clear();
        syncFolder(path_.parent_path());
    });
}

fs::path cacheFolder()
{
    return xdgFolder("XDG_CACHE_HOME", ".cache");
}

fs::path configFolder()
{
    return xdgFolder("XDG_CONFIG_HOME", ".config");
}

fs::path dataFolder()
{
    return xdgFolder("XDG_DATA_HOME", ".local/share");
}

fs::path resourceFolder()
{
    if (const char* value = std::getenv("FLEXTRON_RESOURCES"); value != nullptr && *value != '\0') return value;
    std::error_code code;
    const auto program = fs::read_symlink("/proc/self/exe", code);
    const auto installed = program.parent_path().parent_path() / "share" / "flextron";
#ifdef FLEXTRON_SOURCE_RESOURCES
    if (code || !fs::is_directory(installed, code)) return FLEXTRON_SOURCE_RESOURCES;
#endif
    return installed;
}

} // namespace flextron
