#include "engine/text/byte_symbols_p.h"

#include <array>

#include "engine/text/utf8_p.h"

namespace flextron {
namespace {

constexpr bool standsForItself(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// Code points of the 256 symbols.
constexpr std::array<int, 256> makeSymbols()
{
    std::array<int, 256> symbols{};
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte)
        symbols[static_cast<std::size_t>(byte)] = standsForItself(byte) ? byte : next++;
    return symbols;
}

constexpr std::array<int, 256> symbols = makeSymbols();
constexpr std::size_t symbol_end = 0x100 + 68; // 68 bytes do not stand for themselves
static_assert(symbols[0xAD] == symbol_end - 1);

constexpr std::array<short, symbol_end> makeBytes()
{
    std::array<short, symbol_end> bytes{};
    bytes.fill(-1);
    for (std::size_t byte = 0; byte < 256; ++byte)
        bytes[static_cast<std::size_t>(symbols[byte])] = static_cast<short>(byte);
    return bytes;
}

constexpr std::array<short, symbol_end> bytes = makeBytes();

} // namespace

std::string symbolOfByte(unsigned char byte)
{
    const int c = symbols[byte]; // below U+0800: one or two bytes
    if (c < 0x80) return {static_cast<char>(c)};
    return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
}

std::optional<std::string> bytesOfSymbols(std::string_view text)
{
    std::string result;
    while (!text.empty()) {
        const Utf8Step step = utf8Step(text);
        if (step.kind != Utf8Step::Kind::Character || step.length > 2) return std::nullopt;
        const auto first = static_cast<unsigned char>(text[0]);
        const std::size_t c = step.length == 1
                                  ? first
                                  : std::size_t(first & 0x1F) << 6 | (static_cast<unsigned char>(text[1]) & 0x3F);
        if (c >= symbol_end || bytes[c] < 0) return std::nullopt;
        result += static_cast<char>(bytes[c]);
        text.remove_prefix(step.length);
    }
    return result;
}

} // namespace flextron
