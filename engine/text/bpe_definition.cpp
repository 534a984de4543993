#include "engine/text/bpe_definition_p.h"

#include <algorithm>

#include "engine/base/error.h"

namespace flextron {
namespace {

/// Added tokens may repeat a token of the vocabulary, with the same id; else id and content must be new.
void checkAddedTokens(const std::filesystem::path& path, const BpeDefinition& definition)
{
    std::unordered_map<TokenId, const std::string*> by_id;
    for (const auto& [content, id] : definition.vocab) by_id.emplace(id, &content);
    std::unordered_map<std::string, TokenId> by_content;
    for (const AddedToken& token : definition.added_tokens) {
        const auto [holder, is_new_id] = by_id.emplace(token.id, &token.content);
        if (!is_new_id && *holder->second != token.content)
            throw Failure(ErrorCode::Corrupt,
                          path.string() + ": id " + std::to_string(token.id) + " stands for " +
                              describe(*holder->second) + " and for " + describe(token.content),
                          "the files belong to different tokenizers: take them all from one place");
        const auto in_vocab = definition.vocab.find(token.content);
        const auto [added, is_new_token] = by_content.emplace(token.content, token.id);
        const TokenId other = in_vocab != definition.vocab.end() ? in_vocab->second : added->second;
        if (other != token.id)
            throw Failure(ErrorCode::Corrupt,
                          path.string() + ": " + describe(token.content) + " has two ids, " + std::to_string(other) +
                              " and " + std::to_string(token.id),
                          "the files belong to different tokenizers: take them all from one place");
    }
}

std::optional<TokenId> idOf(const std::string& content, const BpeDefinition& definition)
{
    for (const AddedToken& token : definition.added_tokens)
        if (token.content == content) return token.id;
    if (const auto found = definition.vocab.find(content); found != definition.vocab.end()) return found->second;
    return std::nullopt;
}

/// The tokenizer's own files come before config.json: a base model's config may name ids of another tokenizer.
std::optional<TokenId> findSpecial(const std::optional<std::string>& content, std::optional<TokenId> config_id,
                                   const BpeDefinition& definition)
{
    if (content)
        if (const auto id = idOf(*content, definition)) return id;
    if (config_id && isKnown(*config_id, definition)) return config_id;
    return idOf("<|endoftext|>", definition);
}

} // namespace

bool isKnown(TokenId id, const BpeDefinition& definition)
{
    const auto hasId = [id](const auto& token) { return token.id == id; };
    if (std::any_of(definition.added_tokens.begin(), definition.added_tokens.end(), hasId)) return true;
    return std::any_of(definition.vocab.begin(), definition.vocab.end(),
                       [id](const auto& entry) { return entry.second == id; });
}

void readVocabulary(const Json& json, const std::filesystem::path& file, const std::string& path,
                    BpeDefinition& definition)
{
    const JsonObject object(json, file.string(), path);
    std::unordered_map<TokenId, const std::string*> by_id;
    by_id.reserve(json.size());
    definition.vocab.reserve(json.size());
    for (const auto& entry : json.items()) {
        const TokenId id = readTokenId(object, entry.key());
        const auto token = definition.vocab.emplace(entry.key(), id).first;
        const auto [holder, is_new] = by_id.emplace(id, &token->first);
        if (!is_new)
            throw Failure(ErrorCode::Corrupt,
                          file.string() + ": id " + std::to_string(id) + " stands for " + describe(*holder->second) +
                              " and for " + describe(token->first),
                          "download the file again");
    }
    if (definition.vocab.empty())
        throw Failure(ErrorCode::Corrupt, file.string() + ": the vocabulary is empty", "download the file again");
}

void addMerge(const std::string& left, const std::string& right, const std::string& where, BpeDefinition& definition)
{
    const auto find = [&](const std::string& token) {
        const auto found = definition.vocab.find(token);
        if (found == definition.vocab.end())
            throw Failure(ErrorCode::Corrupt, where + ": the vocabulary has no token " + describe(token),
                          "the vocabulary and the merges belong to different tokenizers: take both from one place");
        return found->second;
    };
    definition.merges.push_back({find(left), find(right), find(left + right)});
}

void settleSpecialTokens(const SpecialTokens& special, const std::filesystem::path& path, BpeDefinition& definition)
{
    checkAddedTokens(path, definition);
    definition.bos = definition.prefix.empty() ? findSpecial(special.bos_token, special.bos_token_id, definition)
                                               : std::optional<TokenId>(definition.prefix.front());
    definition.eos = findSpecial(special.eos_token, special.eos_token_id, definition);
    if (!special.add_bos_token) return;
    definition.prefix.clear();
    if (*special.add_bos_token && definition.bos) definition.prefix.push_back(*definition.bos);
}

} // namespace flextron
