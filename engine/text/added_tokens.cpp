// The rules (longest first, single_word, lstrip, rstrip) are those of Hugging Face's tokenizers.
#include "engine/text/added_tokens_p.h"

#include <algorithm>

#include <unicode/uchar.h>
#include <unicode/utf8.h>

namespace flextron {
namespace {

bool isSpace(UChar32 c)
{
    return u_hasBinaryProperty(c, UCHAR_WHITE_SPACE);
}

bool isWordCharacter(UChar32 c)
{
    return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
           (U_MASK(u_charType(c)) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool beginsWithWord(std::string_view text)
{
    if (text.empty()) return false;
    UChar32 c = 0;
    std::int32_t i = 0;
    U8_NEXT(text.data(), i, static_cast<std::int32_t>(std::min<std::size_t>(text.size(), U8_MAX_LENGTH)), c);
    return isWordCharacter(c);
}

/// The last character's first byte, and the character.
std::size_t lastCharacter(std::string_view text, UChar32& c)
{
    std::size_t begin = text.size() - 1;
    while (begin > 0 && U8_IS_TRAIL(text[begin])) --begin;
    std::int32_t i = 0;
    U8_NEXT(text.data() + begin, i, static_cast<std::int32_t>(text.size() - begin), c);
    return begin;
}

bool endsWithWord(std::string_view text)
{
    if (text.empty()) return false;
    UChar32 c = 0;
    lastCharacter(text, c);
    return isWordCharacter(c);
}

/// Where the white space at the end of `text` begins.
std::size_t endWithoutSpaces(std::string_view text)
{
    while (!text.empty()) {
        UChar32 c = 0;
        const std::size_t begin = lastCharacter(text, c);
        if (!isSpace(c)) break;
        text = text.substr(0, begin);
    }
    return text.size();
}

/// Bytes of white space at the start of `text`.
std::size_t spacesAtStart(std::string_view text)
{
    std::size_t length = 0;
    while (length < text.size()) {
        UChar32 c = 0;
        std::int32_t i = 0;
        const auto left = static_cast<std::int32_t>(std::min<std::size_t>(text.size() - length, U8_MAX_LENGTH));
        U8_NEXT(text.data() + length, i, left, c);
        if (!isSpace(c)) break;
        length += static_cast<std::size_t>(i);
    }
    return length;
}

} // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens)
{
    for (const AddedToken& token : tokens) {
        if (token.content.empty() || !tokens_.emplace(token.content, token).second) continue;
        lengths_[static_cast<unsigned char>(token.content[0])].push_back(token.content.size());
    }
    for (auto& lengths : lengths_) {
        std::sort(lengths.begin(), lengths.end(), std::greater<>());
        lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
    }
}

const AddedToken* AddedTokenMatcher::longestAt(std::string_view text) const
{
    for (const std::size_t length : lengths_[static_cast<unsigned char>(text[0])]) {
        if (length > text.size()) continue;
        if (const auto found = tokens_.find(std::string(text.substr(0, length))); found != tokens_.end())
            return &found->second;
    }
    return nullptr;
}

std::vector<AddedTokenMatcher::Part> AddedTokenMatcher::split(std::string_view text, bool parse_special) const
{
    std::vector<Part> parts;
    std::size_t done = 0; // everything before is in `parts`
    for (std::size_t at = 0; at < text.size();) {
        const AddedToken* token = longestAt(text.substr(at));
        if (token == nullptr) {
            ++at;
            continue;
        }
        std::size_t begin = at;
        std::size_t end = at + token->content.size();
        at = end;
        if (token->special && !parse_special) continue;
        if (token->single_word && (endsWithWord(text.substr(0, begin)) || beginsWithWord(text.substr(end)))) continue;
        if (token->lstrip) begin = done + endWithoutSpaces(text.substr(done, begin - done));
        if (token->rstrip) at = end += spacesAtStart(text.substr(end));
        if (begin > done) parts.push_back({text.substr(done, begin - done)});
        parts.push_back({text.substr(begin, end - begin), token});
        done = end;
    }
    if (done < text.size()) parts.push_back({text.substr(done)});
    return parts;
}

} // namespace flextron
