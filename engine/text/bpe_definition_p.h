// A byte-level BPE tokenizer as its files describe it, checked: every id is in range and no id stands for two tokens.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/text/pre_tokenizer_p.h"
#include "engine/text/special_tokens_p.h"

namespace flextron {

enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };

struct BpeDefinition {
    struct Merge {
        TokenId left, right, merged;
    };

    std::unordered_map<std::string, TokenId> vocab; ///< token, as the file writes it, to id
    std::vector<Merge> merges;                      ///< in the order of their ranks
    bool ignore_merges = false;                     ///< a word that is a token is that token, whatever the merges say
    std::optional<TokenId> unknown;                 ///< for bytes without a token
    bool fuse_unknown = false;                      ///< one for several in a row
    std::vector<AddedToken> added_tokens;
    std::vector<NormalForm> normal_forms; ///< one after the other
    std::vector<SplitRule> split_rules;
    std::vector<TokenId> prefix; ///< in front of every text: BOS, or nothing
    std::optional<TokenId> bos, eos;
};

/// Whether the vocabulary or the added tokens have `id`.
bool isKnown(TokenId id, const BpeDefinition& definition);

/// Fills `vocab` from an object {"token": id}, which messages call `path` in `file`. Throws Corrupt.
void readVocabulary(const Json& json, const std::filesystem::path& file, const std::string& path,
                    BpeDefinition& definition);

/// Adds the merge of two tokens that `where` names in messages; all three tokens must be in the vocabulary.
void addMerge(const std::string& left, const std::string& right, const std::string& where, BpeDefinition& definition);

/// Checks the added tokens against the vocabulary, and finds BOS, EOS and the prefix: from `special`, else
/// "<|endoftext|>".
void settleSpecialTokens(const SpecialTokens& special, const std::filesystem::path& path, BpeDefinition& definition);

/// Throws Corrupt, or Unsupported naming the part.
BpeDefinition readTokenizerJson(const std::filesystem::path& path, const SpecialTokens& special);
BpeDefinition readVocabAndMerges(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                                 const SpecialTokens& special);

} // namespace flextron
