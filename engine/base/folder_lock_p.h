// One program at a time in a folder that is worked in. Not a public header.
#pragma once

#include <filesystem>

namespace flextron {

/// Holds a folder from here to its end, also against a second one in this process; the system lets go when the program
/// dies. Nothing is written into the folder.
class FolderLock {
public:
    FolderLock() = default;
    /// Throws Failure: InvalidArgument when another one holds it, Io (or NotFound) when it cannot be opened. A file
    /// system that knows no locks is taken for free.
    explicit FolderLock(const std::filesystem::path& folder);
    ~FolderLock();
    FolderLock(FolderLock&& other) noexcept;
    FolderLock& operator=(FolderLock&& other) noexcept;

private:
    int descriptor_ = -1;
};

} // namespace flextron
