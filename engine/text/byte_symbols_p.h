// The characters that byte-level vocabularies write bytes with: printable ones stand for themselves, the other bytes
// for the characters from U+0100 on ("Ġ" is the space). From the GPT-2 release.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flextron {

/// UTF-8 of the character that stands for `byte`.
std::string symbolOfByte(unsigned char byte);

/// The bytes that `symbols` (UTF-8) stands for; nothing when a character stands for no byte.
std::optional<std::string> bytesOfSymbols(std::string_view symbols);

} // namespace flextron
