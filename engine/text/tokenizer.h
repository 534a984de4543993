// Text to token ids and back: SentencePiece, and the byte-level BPE of the GPT family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flextron {

using TokenId = std::int32_t;

/// Immutable; every function may be called from any thread.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;

    /// Number of ids the tokenizer knows; ids are 0 .. vocab_size() - 1.
    [[nodiscard]] virtual int vocabSize() const = 0;
    /// "SentencePiece BPE", "byte-level BPE".
    [[nodiscard]] virtual std::string kind() const = 0;
    [[nodiscard]] virtual std::optional<TokenId> bosId() const = 0;
    [[nodiscard]] virtual std::optional<TokenId> eosId() const = 0;
    /// Control tokens (BOS, EOS, unknown, padding, chat markers) and ids the vocabulary leaves out: no text of their
    /// own.
    [[nodiscard]] virtual bool isSpecial(TokenId id) const = 0;

    /// Ids of `text`, which must be valid UTF-8 (else InvalidArgument with the byte offset). `add_bos` puts the
    /// beginning-of-text token in front where the model's own set-up does so (Llama), and nothing where it does not
    /// (GPT-2). Special tokens written out in the text ("<|endoftext|>") become their ids only with `parse_special`;
    /// SentencePiece's control tokens never do, as in its own library.
    struct EncodeOptions {
        bool add_bos = true;
        bool parse_special = true;
    };
    [[nodiscard]] virtual Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const = 0;
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text) const { return encode(text, {}); }

    /// The bytes one token stands for, possibly a part of a UTF-8 sequence; empty for special tokens (but
    /// SentencePiece's unknown token is written as the model file says, " ⁇ "). SentencePiece's word mark is given as a
    /// space: the space before the first word of a text is dropped by TextStream and decode(), not here. Precondition:
    /// 0 <= id < vocabSize().
    [[nodiscard]] virtual std::string tokenBytes(TokenId id) const = 0;
    /// The token as its vocabulary writes it ("▁Once", "Ġupon", "<0x0A>", "</s>"): for tables and debugging. Empty for
    /// an id that the vocabulary leaves out. Precondition as above.
    [[nodiscard]] virtual std::string piece(TokenId id) const = 0;

    /// How the tokenizer's own library joins the bytes of tokens to a text; TextStream and decode() follow it.
    struct TextRules {
        bool drops_first_mark =
            false; ///< the word mark "▁" at the start is no part of the text (SentencePiece's dummy prefix)
        bool drops_leading_marks = false; ///< the same for every word mark before the first visible character
        bool replaces_each_byte =
            false; ///< U+FFFD for each byte that is no UTF-8; else one for each maximal part of a character
    };
    [[nodiscard]] virtual TextRules textRules() const { return {}; }

    struct DecodeOptions {
        bool write_special = false; ///< special tokens as their pieces ("<|endoftext|>"); else they are left out
    };
    /// Text of `ids`, as the tokenizer's own library gives it; bytes that are no UTF-8 become U+FFFD. Ids outside the
    /// vocabulary are InvalidArgument.
    [[nodiscard]] Result<std::string> decode(const std::vector<TokenId>& ids, DecodeOptions options) const;
    [[nodiscard]] Result<std::string> decode(const std::vector<TokenId>& ids) const { return decode(ids, {}); }
};

/// Opens the tokenizer of a checkpoint directory: tokenizer.model, else tokenizer.json, else vocab.json + merges.txt.
/// NotFound lists what was looked for; Corrupt names the file and the place in it; a tokenizer.json with a part we do
/// not know is Unsupported and names the part. Never runs code from the files.
Result<std::shared_ptr<const Tokenizer>> openTokenizer(const std::filesystem::path& folder);

/// A tokenizer may know fewer ids than the model (which pads its vocabulary), never more: InvalidArgument names both
/// numbers.
Result<void> checkVocabulary(const Tokenizer& tokenizer, int model_vocab_size);

/// Joins the bytes of a stream of tokens into text that is valid UTF-8 at every moment: an incomplete character is held
/// back until its last byte has come. Bytes that can no longer become a character are given as U+FFFD (how many:
/// TextRules), and a special token ends an incomplete character. The pieces joined are exactly decode() of the same
/// ids. To continue a prompt, push its ids first.
class TextStream {
public:
    explicit TextStream(std::shared_ptr<const Tokenizer> tokenizer);
    /// The text that became certain with this token; empty while a character is incomplete. Ids that the tokenizer does
    /// not know (a model's padded vocabulary has such) count as special tokens.
    std::string push(TokenId id);
    /// What is still held, as U+FFFD; the stream is then as new.
    std::string finish();

private:
    std::string takeComplete();
    std::string replaceHeld();

    std::shared_ptr<const Tokenizer> tokenizer_;
    Tokenizer::TextRules rules_;
    std::string held_; ///< bytes of an incomplete character
    bool at_start_ = true;
};

/// Byte offset of the first byte that is not valid UTF-8; npos when all is valid.
std::size_t findInvalidUtf8(std::string_view text);

} // namespace flextron
