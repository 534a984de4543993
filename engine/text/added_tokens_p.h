// Tokens that are found in the text itself ("<|endoftext|>"), before it is cut into words.
#pragma once

#include <array>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/special_tokens_p.h"

namespace flextron {

class AddedTokenMatcher {
public:
    /// Tokens without content are left out.
    explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens);

    struct Part {
        std::string_view text; ///< ordinary text, where `token` is empty
        const AddedToken* token = nullptr;
    };
    /// The parts of `text` in order, none empty. Of the tokens that begin at one place the longest is taken. Without
    /// `parse_special` special tokens stay text. The parts point into `text` and into this object.
    [[nodiscard]] std::vector<Part> split(std::string_view text, bool parse_special) const;

private:
    [[nodiscard]] const AddedToken* longestAt(std::string_view text) const;

    std::unordered_map<std::string, AddedToken> tokens_; // by content
    std::array<std::vector<std::size_t>, 256> lengths_;  // of the tokens that begin with a byte, longest first
};

} // namespace flextron
