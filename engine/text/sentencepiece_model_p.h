// What a SentencePiece model file says that the library does not tell, and the checks that the library leaves out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace flextron {

struct SentencePieceSpec {
    std::string algorithm = "unigram"; ///< "BPE", "unigram", "word", "character"
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
};

/// Walks the protocol buffer in `bytes` (the content of `path`) without the library: it must be whole, and the tables
/// that the library later follows blindly must stay within themselves. Throws Corrupt with the offset, or Unsupported.
SentencePieceSpec readSentencePieceSpec(std::string_view bytes, const std::filesystem::path& path);

} // namespace flextron
