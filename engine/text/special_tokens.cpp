#include "engine/text/special_tokens_p.h"

#include <charconv>

#include "engine/base/error.h"
#include "engine/base/files.h"

namespace flextron {
namespace {

/// "<s>" or {"content": "<s>", ...}
std::optional<std::string> tokenText(const JsonObject& config, const char* key)
{
    if (!config.has(key)) return std::nullopt;
    if (config.at(key).is_object()) return config.object(key).text("content");
    return config.text(key);
}

/// Keys of JSON are texts: "50256".
TokenId parseTokenId(const std::string& digits, const JsonObject& where)
{
    TokenId id = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error != std::errc() || end != digits.data() + digits.size() || id < 0 || id > max_token_id)
        throw Failure(ErrorCode::Corrupt,
                      where.where() + ": " + where.quoted(digits) + " must have a token id from 0 to " +
                          std::to_string(max_token_id) + " as its key",
                      "download the file again");
    return id;
}

void readTokenizerConfig(const std::filesystem::path& path, SpecialTokens& tokens)
{
    const Json document = readJson(path);
    const JsonObject config(document, path.string());
    tokens.tokenizer_class = config.text("tokenizer_class", "");
    if (config.has("add_bos_token")) tokens.add_bos_token = config.boolean("add_bos_token");
    tokens.add_prefix_space = config.boolean("add_prefix_space", false);
    tokens.bos_token = tokenText(config, "bos_token");
    tokens.eos_token = tokenText(config, "eos_token");
    for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"})
        if (auto text = tokenText(config, key)) tokens.special_tokens.push_back(std::move(*text));
    if (!config.has("added_tokens_decoder")) return;
    const JsonObject added = config.object("added_tokens_decoder");
    for (const auto& [digits, value] : config.at("added_tokens_decoder").items())
        tokens.added_tokens.push_back(readAddedToken(added.object(digits), parseTokenId(digits, added)));
}

/// The model's own reader checks config.json; here what is no id is as if it were not there.
std::optional<TokenId> idOrNothing(const Json& config, const char* key)
{
    const auto found = config.find(key);
    if (found == config.end()) return std::nullopt;
    const Json& value = found->is_array() && !found->empty() ? found->front() : *found;
    if (!value.is_number_integer() || value < 0 || value > max_token_id) return std::nullopt;
    return value.get<TokenId>();
}

} // namespace

SpecialTokens readSpecialTokens(const std::filesystem::path& folder)
{
    SpecialTokens tokens;
    if (const auto path = folder / "tokenizer_config.json"; std::filesystem::exists(path))
        readTokenizerConfig(path, tokens);
    if (const auto path = folder / "config.json"; std::filesystem::exists(path)) {
        const Json config = readJson(path);
        if (config.is_object()) {
            tokens.bos_token_id = idOrNothing(config, "bos_token_id");
            tokens.eos_token_id = idOrNothing(config, "eos_token_id");
        }
    }
    return tokens;
}

Json readJson(const std::filesystem::path& file)
{
    return parseJson(readFile(file).orThrow(), file);
}

AddedToken readAddedToken(const JsonObject& object, TokenId id)
{
    AddedToken token;
    token.id = id;
    token.content = object.text("content");
    token.special = object.boolean("special", false);
    token.single_word = object.boolean("single_word", false);
    token.lstrip = object.boolean("lstrip", false);
    token.rstrip = object.boolean("rstrip", false);
    token.normalized = object.boolean("normalized", !token.special);
    return token;
}

TokenId readTokenId(const JsonObject& object, const std::string& key)
{
    return static_cast<TokenId>(object.integer(key, 0, max_token_id));
}

} // namespace flextron
