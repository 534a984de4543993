// A tokenizer for tests: one id a byte, and two control tokens.
#pragma once

#include "engine/text/tokenizer.h"

namespace flextron::test {

class ByteTokenizer final : public Tokenizer {
public:
    static constexpr TokenId kBos = 256;
    static constexpr TokenId kEos = 257;
    /// `adds_bos`: as Llama's tokenizers do; without, as GPT-2's.
    explicit ByteTokenizer(bool adds_bos) : adds_bos_(adds_bos) {}

    [[nodiscard]] int vocabSize() const override { return 258; }
    [[nodiscard]] std::string kind() const override { return "bytes"; }
    [[nodiscard]] std::optional<TokenId> bosId() const override { return kBos; }
    [[nodiscard]] std::optional<TokenId> eosId() const override { return kEos; }
    [[nodiscard]] bool isSpecial(TokenId id) const override { return id >= kBos; }
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override
    {
        std::vector<TokenId> ids;
        if (adds_bos_ && options.add_bos) ids.push_back(kBos);
        for (const char c : text) {
            if (static_cast<unsigned char>(c) == 0xff)
                return Error{ErrorCode::InvalidArgument, "the text is no UTF-8 at byte 3", ""};
            ids.push_back(static_cast<unsigned char>(c));
        }
        return ids;
    }
    using Tokenizer::encode;
    [[nodiscard]] std::string tokenBytes(TokenId id) const override
    {
        return id < kBos ? std::string(1, static_cast<char>(id)) : std::string();
    }
    [[nodiscard]] std::string piece(TokenId id) const override { return tokenBytes(id); }

private:
    bool adds_bos_;
};

} // namespace flextron::test
