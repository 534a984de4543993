// What the files beside a tokenizer say about its special tokens: tokenizer_config.json and config.json. Both may be
// missing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/json_p.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// No tokenizer we know of has more than a million ids: larger ones in a file are damage, and would cost memory.
constexpr TokenId max_token_id = (1 << 21) - 1;

/// A token that is found in the text itself, before the text is cut into words (Hugging Face's "added token").
struct AddedToken {
    TokenId id = 0;
    std::string content;
    bool special = false;     ///< stands for no text
    bool single_word = false; ///< only where no letter or digit touches it
    bool lstrip = false;      ///< takes the white space in front of it along
    bool rstrip = false;      ///< and behind it
    bool normalized = false;  ///< looked for in the normalised text
};

struct SpecialTokens {
    std::string tokenizer_class;
    std::optional<bool> add_bos_token;
    bool add_prefix_space = false;
    std::optional<std::string> bos_token, eos_token; ///< as written in the vocabulary
    std::vector<std::string> special_tokens;         ///< these, and the unknown and padding token
    std::vector<AddedToken> added_tokens;
    std::optional<TokenId> bos_token_id, eos_token_id; ///< from config.json; of several EOS ids the first
};

/// Throws Corrupt where a file is there and broken.
SpecialTokens readSpecialTokens(const std::filesystem::path& folder);

/// Reads and parses. Throws NotFound, Io, or Corrupt with line and column.
Json readJson(const std::filesystem::path& file);

/// `object` without its id, which the files keep in different places.
AddedToken readAddedToken(const JsonObject& object, TokenId id);

/// The id under `key`. Throws Corrupt unless it is a whole number from 0 to max_token_id.
TokenId readTokenId(const JsonObject& object, const std::string& key);

} // namespace flextron
