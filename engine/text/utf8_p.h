// One walk over bytes that should be UTF-8, used for checking texts and for joining tokens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flextron {

/// What stands at the front of some bytes, by table 3-7 of the Unicode standard.
struct Utf8Step {
    enum class Kind {
        Character,  ///< one whole character
        Incomplete, ///< all the bytes are the beginning of a character that more bytes may complete
        Invalid,    ///< a maximal part of a character that cannot become one (or a byte that is never part of one)
    };
    Kind kind;
    std::size_t length; ///< bytes
};

/// Precondition: `bytes` is not empty.
Utf8Step utf8Step(std::string_view bytes);

/// `bytes` with U+FFFD for each maximal part that is no UTF-8: for messages that quote a file.
std::string replaceInvalidUtf8(std::string_view bytes);

} // namespace flextron
