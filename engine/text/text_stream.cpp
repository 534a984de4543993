#include "engine/text/tokenizer.h"
#include "engine/text/utf8_p.h"

namespace flextron {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD
constexpr std::string_view word_mark = "\xE2\x96\x81";   // U+2581, SentencePiece's space

void appendReplacement(std::string& text, std::size_t invalid_bytes, bool each_byte)
{
    for (std::size_t i = 0; i < (each_byte ? invalid_bytes : 1); ++i) text += replacement;
}

} // namespace

TextStream::TextStream(std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer))
    , rules_(tokenizer_->textRules())
{
}

std::string TextStream::push(TokenId id)
{
    if (id < 0 || id >= tokenizer_->vocabSize()) return replaceHeld();
    std::string bytes = tokenizer_->tokenBytes(id);
    if (bytes.empty()) return replaceHeld();
    if (at_start_) {
        const bool drops = rules_.drops_first_mark || rules_.drops_leading_marks;
        // The piece and not the bytes: a space that was spelt otherwise (a byte token, the unknown token) is text.
        const bool marked = drops && tokenizer_->piece(id).starts_with(word_mark);
        if (marked) bytes.erase(0, 1);
        at_start_ = marked && rules_.drops_leading_marks && bytes.empty();
    }
    held_ += bytes;
    return takeComplete();
}

std::string TextStream::finish()
{
    at_start_ = true;
    return replaceHeld();
}

/// Takes everything from held_ but the beginning of a character at its end.
std::string TextStream::takeComplete()
{
    std::string text;
    std::size_t offset = 0;
    while (offset < held_.size()) {
        const Utf8Step step = utf8Step(std::string_view(held_).substr(offset));
        if (step.kind == Utf8Step::Kind::Incomplete) break;
        if (step.kind == Utf8Step::Kind::Character) text.append(held_, offset, step.length);
        else appendReplacement(text, step.length, rules_.replaces_each_byte);
        offset += step.length;
    }
    held_.erase(0, offset);
    return text;
}

std::string TextStream::replaceHeld()
{
    std::string text;
    if (!held_.empty()) appendReplacement(text, held_.size(), rules_.replaces_each_byte);
    held_.clear();
    return text;
}

Result<std::string> Tokenizer::decode(const std::vector<TokenId>& ids, DecodeOptions options) const
{
    return guarded([&] {
        // The stream lives only here: it may hold the tokenizer without owning it.
        TextStream stream(std::shared_ptr<const Tokenizer>(std::shared_ptr<void>(), this));
        std::string text;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (ids[i] < 0 || ids[i] >= vocabSize())
                throw Failure(ErrorCode::InvalidArgument,
                              "token " + std::to_string(i) + " has id " + std::to_string(ids[i]) +
                                  ", but the tokenizer knows ids 0 to " + std::to_string(vocabSize() - 1),
                              "give ids that this model's own tokenizer made");
            text += stream.push(ids[i]);
            if (options.write_special && tokenBytes(ids[i]).empty()) text += piece(ids[i]);
        }
        return text + stream.finish();
    });
}

Result<void> checkVocabulary(const Tokenizer& tokenizer, int model_vocab_size)
{
    if (tokenizer.vocabSize() <= model_vocab_size) return {};
    return Error{ErrorCode::InvalidArgument,
                 "the tokenizer knows " + std::to_string(tokenizer.vocabSize()) +
                     " ids, but the model's vocabulary has " + std::to_string(model_vocab_size),
                 "the tokenizer belongs to another model: take the tokenizer files that came with this one"};
}

} // namespace flextron
