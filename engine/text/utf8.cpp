#include "engine/text/utf8_p.h"

#include "engine/text/tokenizer.h"

namespace flextron {
namespace {

struct Lead {
    std::size_t length;              // bytes of the character; 0: no character starts so
    unsigned char second_low = 0x80; // the second byte's range; all later bytes are 80..BF
    unsigned char second_high = 0xBF;
};

Lead leadOf(unsigned char byte)
{
    if (byte < 0x80) return {1};
    if (byte < 0xC2) return {0}; // a later byte, or an overlong form of ASCII
    if (byte < 0xE0) return {2};
    if (byte == 0xE0) return {3, 0xA0, 0xBF}; // not overlong
    if (byte == 0xED) return {3, 0x80, 0x9F}; // no surrogates
    if (byte < 0xF0) return {3};
    if (byte == 0xF0) return {4, 0x90, 0xBF}; // not overlong
    if (byte < 0xF4) return {4};
    if (byte == 0xF4) return {4, 0x80, 0x8F}; // not above U+10FFFF
    return {0};
}

} // namespace

Utf8Step utf8Step(std::string_view bytes)
{
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const Lead lead = leadOf(at(0));
    if (lead.length == 0) return {Utf8Step::Kind::Invalid, 1};
    for (std::size_t i = 1; i < lead.length; ++i) {
        if (i == bytes.size()) return {Utf8Step::Kind::Incomplete, i};
        const unsigned char low = i == 1 ? lead.second_low : 0x80;
        const unsigned char high = i == 1 ? lead.second_high : 0xBF;
        if (at(i) < low || at(i) > high) return {Utf8Step::Kind::Invalid, i};
    }
    return {Utf8Step::Kind::Character, lead.length};
}

std::string replaceInvalidUtf8(std::string_view bytes)
{
    std::string text;
    while (!bytes.empty()) {
        const Utf8Step step = utf8Step(bytes);
        text += step.kind == Utf8Step::Kind::Character ? bytes.substr(0, step.length) : "\xEF\xBF\xBD";
        bytes.remove_prefix(step.length);
    }
    return text;
}

std::size_t findInvalidUtf8(std::string_view text)
{
    for (std::size_t offset = 0; offset < text.size();) {
        const Utf8Step step = utf8Step(text.substr(offset));
        if (step.kind != Utf8Step::Kind::Character) return offset;
        offset += step.length;
    }
    return std::string_view::npos;
}

} // namespace flextron
