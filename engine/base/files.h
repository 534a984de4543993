// Files read by mapping, and written whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flextron {

/// A read-only memory map of a whole file; unmapped on destruction. Movable. Any thread may read.
class MappedFile {
public:
    /// NotFound or Io, naming the file. An empty file maps to an empty span.
    static Result<MappedFile> open(const std::filesystem::path& path);
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    MappedFile() = default;
    std::filesystem::path path_;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Reads a whole (small) file. Refuses files above `max_bytes`, so that a hostile one cannot fill the memory.
Result<std::string> readFile(const std::filesystem::path& path, std::uint64_t max_bytes = 1ull << 30);

/// Writes to a temporary file beside `path`, flushes it to the disk and renames it: after a crash or a full disk either
/// the old file or the new one is there, never a part. The temporary file is removed on failure.
class AtomicFile {
public:
    static Result<AtomicFile> create(const std::filesystem::path& path);
    AtomicFile(AtomicFile&& other) noexcept;
    AtomicFile& operator=(AtomicFile&&) = delete;
    ~AtomicFile(); ///< abandons what was not committed

    Result<void> write(std::span<const std::byte> bytes);
    Result<void> write(std::string_view text);
    Result<void> commit();

private:
    AtomicFile() = default;
    std::filesystem::path path_;
    std::filesystem::path temporary_;
    int descriptor_ = -1;
};

/// AtomicFile in one call.
Result<void> writeFile(const std::filesystem::path& path, std::string_view text);

/// A folder that gets its name only when it is complete: fill path(), then commit(). Abandoned, it is removed.
class AtomicFolder {
public:
    /// InvalidArgument when `path` exists and is not an empty folder: nothing of the user's is overwritten.
    static Result<AtomicFolder> create(const std::filesystem::path& path);
    AtomicFolder(AtomicFolder&& other) noexcept;
    AtomicFolder& operator=(AtomicFolder&&) = delete;
    ~AtomicFolder();

    [[nodiscard]] const std::filesystem::path& path() const { return temporary_; }
    Result<void> commit();

private:
    AtomicFolder() = default;
    std::filesystem::path path_;
    std::filesystem::path temporary_;
};

/// $XDG_CACHE_HOME/flextron, $XDG_CONFIG_HOME/flextron, $XDG_DATA_HOME/flextron, with their defaults. Not created.
std::filesystem::path cacheFolder();
std::filesystem::path configFolder();
std::filesystem::path dataFolder();

/// The folder with the bundled models and texts: beside the installed program, or in the source tree for a build tree.
std::filesystem::path resourceFolder();

} // namespace flextron
