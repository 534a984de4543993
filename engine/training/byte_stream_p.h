// Bytes of a file, decompressed on the way: plain, gzip, xz and zstd, told apart by their first bytes. Not a public
// header.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "engine/base/error.h"

namespace flextron {

/// One pass from the beginning to the end of a file; holds some 100 kB, however large the file is (xz and zstd: plus
/// the window that the file asks for, at most 256 MiB).
class ByteStream {
public:
    virtual ~ByteStream() = default;
    /// Fills as much of `buffer` as there is; 0 at the end of the file. Throws Failure: Io, or Corrupt for a damaged or
    /// cut off compressed file, naming it.
    virtual std::size_t read(std::span<char> buffer) = 0;
};

/// Throws Failure: NotFound or Io, naming the file.
std::unique_ptr<ByteStream> openByteStream(const std::filesystem::path& path);

} // namespace flextron
