// Shared by the file code of the engine: errno as words. Not a public header.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "engine/base/error.h"

namespace flextron {

/// "cannot write /a/b: the disk is full" with its hint, from an errno value. `doing` is "read", "write", "create", ...
Failure fileFailure(std::string_view doing, const std::filesystem::path& path, int error_number);

/// Writes all bytes to a descriptor, however many calls it takes. Throws fileFailure, naming `path`.
void writeFully(int descriptor, std::span<const std::byte> bytes, const std::filesystem::path& path);

/// Flushes a folder's entries to the disk, so that a rename in it survives a crash. Throws fileFailure.
void syncFolder(const std::filesystem::path& folder);

/// A name beside `path` that no other process uses: ".NAME.PROCESS-ATTEMPT.partial".
std::filesystem::path partialName(const std::filesystem::path& path, int attempt);

} // namespace flextron
