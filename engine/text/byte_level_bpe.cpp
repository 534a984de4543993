// The tokenizer of GPT-2, Llama 3 and Qwen 2: text is cut at special tokens, normalised, cut into words, and each
// word's bytes are merged.
#include <array>
#include <limits>

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include "engine/base/error.h"
#include "engine/text/added_tokens_p.h"
#include "engine/text/bpe_definition_p.h"
#include "engine/text/bpe_merges_p.h"
#include "engine/text/byte_symbols_p.h"
#include "engine/text/open_p.h"
#include "engine/text/utf8_p.h"

namespace flextron {
namespace {

const icu::Normalizer2& normalizerOf(NormalForm form)
{
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* normalizer = nullptr;
    switch (form) {
    case NormalForm::Nfc: normalizer = icu::Normalizer2::getNFCInstance(status); break;
    case NormalForm::Nfd: normalizer = icu::Normalizer2::getNFDInstance(status); break;
    case NormalForm::Nfkc: normalizer = icu::Normalizer2::getNFKCInstance(status); break;
    case NormalForm::Nfkd: normalizer = icu::Normalizer2::getNFKDInstance(status); break;
    }
    if (U_FAILURE(status)) throw Failure(ErrorCode::Internal, std::string("ICU: ") + u_errorName(status));
    return *normalizer;
}

std::string normalize(std::string_view text, const std::vector<NormalForm>& forms)
{
    std::string result(text);
    for (const NormalForm form : forms) {
        std::string normalized;
        icu::StringByteSink<std::string> sink(&normalized);
        UErrorCode status = U_ZERO_ERROR;
        normalizerOf(form).normalizeUTF8(0, {result.data(), static_cast<std::int32_t>(result.size())}, sink, nullptr,
                                         status);
        if (U_FAILURE(status)) throw Failure(ErrorCode::Internal, std::string("ICU: ") + u_errorName(status));
        result = std::move(normalized);
    }
    return result;
}

/// The added tokens that are looked for in the normalised text (with their content normalised), or in the raw one.
std::vector<AddedToken> addedTokens(const BpeDefinition& definition, bool normalized)
{
    std::vector<AddedToken> tokens;
    for (AddedToken token : definition.added_tokens) {
        if (token.normalized != normalized) continue;
        if (normalized) token.content = normalize(token.content, definition.normal_forms);
        tokens.push_back(std::move(token));
    }
    return tokens;
}

class ByteLevelBpe final : public Tokenizer {
public:
    explicit ByteLevelBpe(const BpeDefinition& definition)
        : raw_tokens_(addedTokens(definition, false))
        , normalized_tokens_(addedTokens(definition, true))
        , normal_forms_(definition.normal_forms)
        , pre_tokenizer_(definition.split_rules)
        , ignore_merges_(definition.ignore_merges)
        , unknown_(definition.unknown)
        , fuse_unknown_(definition.fuse_unknown)
        , prefix_(definition.prefix)
        , bos_(definition.bos)
        , eos_(definition.eos)
    {
        for (std::size_t rank = 0; rank < definition.merges.size(); ++rank) {
            const auto& merge = definition.merges[rank];
            merges_.add(merge.left, merge.right, merge.merged, static_cast<int>(rank));
        }
        fillTable(definition);
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const auto found = definition.vocab.find(symbolOfByte(static_cast<unsigned char>(byte)));
            byte_ids_[byte] = found == definition.vocab.end() ? none : found->second;
        }
    }

    [[nodiscard]] int vocabSize() const override { return static_cast<int>(tokens_.size()); }
    [[nodiscard]] std::string kind() const override { return "byte-level BPE"; }
    [[nodiscard]] std::optional<TokenId> bosId() const override { return bos_; }
    [[nodiscard]] std::optional<TokenId> eosId() const override { return eos_; }
    [[nodiscard]] bool isSpecial(TokenId id) const override { return token(id).special; }
    [[nodiscard]] std::string tokenBytes(TokenId id) const override { return token(id).bytes; }
    [[nodiscard]] std::string piece(TokenId id) const override { return token(id).piece; }

    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override
    {
        return guarded([&] {
            // ICU counts in 32 bits, and normal forms may be some times longer.
            if (text.size() > std::numeric_limits<std::int32_t>::max() / 4)
                throw Failure(ErrorCode::InvalidArgument,
                              "the text has " + std::to_string(text.size()) + " bytes, more than 512 MiB",
                              "give it in parts");
            requireUtf8(text);
            std::vector<TokenId> ids;
            if (options.add_bos) ids = prefix_;
            PreTokenizer::Run words(pre_tokenizer_);
            for (const auto& part : raw_tokens_.split(text, options.parse_special)) {
                if (part.token != nullptr) ids.push_back(part.token->id);
                else encodeOrdinary(normalize(part.text, normal_forms_), options.parse_special, words, ids);
            }
            return ids;
        });
    }

private:
    struct Token {
        std::string piece; // as the vocabulary writes it
        std::string bytes;
        bool special = true; // what the vocabulary leaves out stays so
    };

    void fillTable(const BpeDefinition& definition)
    {
        const auto at = [this](TokenId id) -> Token& {
            const auto index = static_cast<std::size_t>(id);
            if (index >= tokens_.size()) tokens_.resize(index + 1);
            return tokens_[index];
        };
        for (const auto& [content, id] : definition.vocab) {
            auto bytes = bytesOfSymbols(content);
            if (bytes && ignore_merges_) words_.emplace(*bytes, id);
            at(id) = {content, bytes.value_or(content), false}; // no symbols: written as it is
        }
        for (const AddedToken& added : definition.added_tokens)
            at(added.id) = {added.content, added.special ? "" : added.content, added.special};
    }

    [[nodiscard]] const Token& token(TokenId id) const { return tokens_.at(static_cast<std::size_t>(id)); }

    void encodeOrdinary(const std::string& text, bool parse_special, PreTokenizer::Run& words,
                        std::vector<TokenId>& ids) const
    {
        for (const auto& part : normalized_tokens_.split(text, parse_special)) {
            if (part.token != nullptr) ids.push_back(part.token->id);
            else words.split(part.text, [&](std::string_view word) { encodeWord(word, ids); });
        }
    }

    void encodeWord(std::string_view word, std::vector<TokenId>& ids) const
    {
        if (ignore_merges_) {
            if (const auto found = words_.find(std::string(word)); found != words_.end()) {
                ids.push_back(found->second);
                return;
            }
        }
        std::vector<TokenId> symbols;
        symbols.reserve(word.size());
        bool after_unknown = false;
        for (const char c : word) {
            const auto byte = static_cast<unsigned char>(c);
            const TokenId id = byte_ids_[byte];
            if (id != none) symbols.push_back(id);
            else if (!unknown_)
                throw Failure(ErrorCode::InvalidArgument,
                              "the tokenizer has no token for byte " + std::to_string(byte) + " of \"" +
                                  replaceInvalidUtf8(word.substr(0, 40)) + "\"",
                              "leave the character out: the model was never trained with it");
            else if (!fuse_unknown_ || !after_unknown) symbols.push_back(*unknown_);
            after_unknown = id == none;
        }
        merges_.merge(symbols, ids);
    }

    static constexpr TokenId none = -1;

    AddedTokenMatcher raw_tokens_, normalized_tokens_;
    std::vector<NormalForm> normal_forms_;
    PreTokenizer pre_tokenizer_;
    BpeMerges merges_;
    bool ignore_merges_;
    std::unordered_map<std::string, TokenId> words_; // by their bytes; only where merges are ignored
    std::array<TokenId, 256> byte_ids_{};
    std::vector<Token> tokens_; // by id
    std::optional<TokenId> unknown_;
    bool fuse_unknown_;
    std::vector<TokenId> prefix_;
    std::optional<TokenId> bos_, eos_;
};

/// Errors of the parts that do not know where they come from get the file's name in front.
std::shared_ptr<const Tokenizer> build(const BpeDefinition& definition, const std::filesystem::path& file)
{
    try {
        return std::make_shared<ByteLevelBpe>(definition);
    } catch (const Failure& failure) {
        Error error = failure.error();
        error.message.insert(0, file.string() + ": ");
        throw Failure(std::move(error));
    }
}

} // namespace

std::shared_ptr<const Tokenizer> openTokenizerJson(const std::filesystem::path& file, const SpecialTokens& special)
{
    return build(readTokenizerJson(file, special), file);
}

std::shared_ptr<const Tokenizer> openVocabAndMerges(const std::filesystem::path& vocab,
                                                    const std::filesystem::path& merges, const SpecialTokens& special)
{
    return build(readVocabAndMerges(vocab, merges, special), vocab);
}

} // namespace flextron
