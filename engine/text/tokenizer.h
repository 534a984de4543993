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
    /// Control tokens (BOS, EOS, unknown, padding, chat markers): they stand for no text of their own.
    [[nodiscard]] virtual bool isSpecial(TokenId id) const = 0;

    /// Ids of `text`, which must be valid UTF-8 (else InvalidArgument with the byte offset). `add_bos` puts the beginning-of-text
    /// token in front where the model's own set-up does so (Llama), and nothing where it does not (GPT-2).
    /// Special tokens written out in the text ("<|endoftext|>") become their ids only with `parse_special`.
    struct EncodeOptions {
        bool add_bos = true;
        bool parse_special = true;
    };
    [[nodiscard]] virtual Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const = 0;
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text) const { return encode(text, {}); }

    /// The bytes one token stands for, possibly a part of a UTF-8 sequence; empty for special tokens. SentencePiece's word mark
    /// is given as a space: the space before the first word of a text is dropped by TextStream and decode(), not here.
    /// Precondition: 0 <= id < vocabSize().
    [[nodiscard]] virtual std::string tokenBytes(TokenId id) const = 0;
    /// The token as its vocabulary writes it ("▁Once", "Ġupon", "<0x0A>", "</s>"): for tables and debugging.
    [[nodiscard]] virtual std::string piece(TokenId id) const = 0;
    /// True where the first space of a decoded text belongs to the tokenizer and not to the text (SentencePiece's dummy prefix).
    [[nodiscard]] virtual bool dropsLeadingSpace() const = 0;

    /// Text of `ids`, as the tokenizer's own library gives it; bytes that are no UTF-8 become U+FFFD. Ids outside the vocabulary
    /// are InvalidArgument.
    [[nodiscard]] virtual Result<std::string> decode(const std::vector<TokenId>& ids) const = 0;
};

/// Opens the tokenizer of a checkpoint directory: tokenizer.model, else tokenizer.json, else vocab.json + merges.txt. NotFound lists
/// what was looked for; Corrupt names the file and the place in it; a tokenizer.json with a part we do not know is Unsupported and
/// names the part. Never runs code from the files.
Result<std::shared_ptr<const Tokenizer>> openTokenizer(const std::filesystem::path& folder);

/// Joins the bytes of a stream of tokens into text that is valid UTF-8 at every moment: an incomplete character is held back until its
/// last byte has come. Our choice: bytes that can no longer become a character are given as U+FFFD, one for each maximal part
/// (as Unicode recommends), so that a stream and decode() agree.
class TextStream {
public:
    explicit TextStream(std::shared_ptr<const Tokenizer> tokenizer);
    /// The text that became certain with this token; empty while a character is incomplete.
    std::string push(TokenId id);
    /// What is still held, as U+FFFD; the stream is then as new.
    std::string finish();

private:
    std::shared_ptr<const Tokenizer> tokenizer_;
    std::string held_;
    bool at_start_ = true;
};

/// Byte offset of the first byte that is not valid UTF-8; npos when all is valid.
std::size_t findInvalidUtf8(std::string_view text);

} // namespace flextron
