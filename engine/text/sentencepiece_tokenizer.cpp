#include <sentencepiece_processor.h>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/text/open_p.h"
#include "engine/text/sentencepiece_model_p.h"
#include "engine/text/utf8_p.h"

namespace flextron {
namespace {

constexpr std::string_view word_mark = "\xE2\x96\x81"; // U+2581 stands for a space

std::string withSpaces(std::string piece)
{
    for (auto at = piece.find(word_mark); at != std::string::npos; at = piece.find(word_mark, at + 1))
        piece.replace(at, word_mark.size(), " ");
    return piece;
}

/// The library writes to standard error whatever it dislikes; we return it as an Error.
void silenceLibrary()
{
    constexpr int only_fatal = 3;
    [[maybe_unused]] static const bool silent = (sentencepiece::SetMinLogLevel(only_fatal), true);
}

class SentencePieceTokenizer final : public Tokenizer {
public:
    SentencePieceTokenizer(const std::filesystem::path& file, const SpecialTokens& special)
    {
        silenceLibrary();
        const std::string bytes = readFile(file).orThrow();
        spec_ = readSentencePieceSpec(bytes, file);
        load(bytes, file);
        bytes_.reserve(static_cast<std::size_t>(vocabSize()));
        for (TokenId id = 0; id < vocabSize(); ++id) bytes_.push_back(bytesOf(id));
        adds_bos_ = bosId().has_value() && special.add_bos_token.value_or(true);
    }

    [[nodiscard]] int vocabSize() const override { return library_.GetPieceSize(); }
    [[nodiscard]] std::string kind() const override { return "SentencePiece " + spec_.algorithm; }
    [[nodiscard]] std::optional<TokenId> bosId() const override { return idOrNothing(library_.bos_id()); }
    [[nodiscard]] std::optional<TokenId> eosId() const override { return idOrNothing(library_.eos_id()); }
    [[nodiscard]] bool isSpecial(TokenId id) const override { return library_.IsControl(id) || library_.IsUnknown(id); }

    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override
    {
        return guarded([&] {
            requireUtf8(text);
            std::vector<TokenId> ids;
            const auto status = library_.Encode({text.data(), text.size()}, &ids);
            if (!status.ok())
                throw Failure(ErrorCode::Internal, std::string("SentencePiece: ") + status.error_message());
            if (options.add_bos && adds_bos_) ids.insert(ids.begin(), *bosId());
            return ids;
        });
    }

    [[nodiscard]] std::string tokenBytes(TokenId id) const override { return bytes_.at(static_cast<std::size_t>(id)); }
    [[nodiscard]] std::string piece(TokenId id) const override { return library_.IdToPiece(id); }
    [[nodiscard]] TextRules textRules() const override
    {
        const bool drops = spec_.add_dummy_prefix || spec_.remove_extra_whitespaces;
        return {drops, spec_.remove_extra_whitespaces, true};
    }

private:
    void load(const std::string& bytes, const std::filesystem::path& file)
    {
        std::string reason;
        try {
            const auto status = library_.LoadFromSerializedProto({bytes.data(), bytes.size()});
            if (status.ok()) return;
            reason = status.error_message();
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& exception) { // from the library's tries
            reason = exception.what();
        }
        throw Failure(ErrorCode::Corrupt, file.string() + ": no SentencePiece model: " + replaceInvalidUtf8(reason),
                      "download the file again; a model without a SentencePiece file needs its tokenizer.json instead");
    }

    [[nodiscard]] std::string bytesOf(TokenId id) const
    {
        if (library_.IsControl(id)) return {};
        if (library_.IsUnknown(id)) return library_.DecodeIds({id}); // what the file says stands for the unknown: " ⁇ "
        if (library_.IsByte(id)) {                                   // "<0x0A>"
            return {static_cast<char>(std::stoi(library_.IdToPiece(id).substr(3, 2), nullptr, 16))};
        }
        return withSpaces(library_.IdToPiece(id));
    }

    static std::optional<TokenId> idOrNothing(int id) { return id < 0 ? std::nullopt : std::optional<TokenId>(id); }

    sentencepiece::SentencePieceProcessor library_; // its const functions may be called from any thread
    SentencePieceSpec spec_;
    std::vector<std::string> bytes_; // of each id
    bool adds_bos_ = false;
};

} // namespace

std::shared_ptr<const Tokenizer> openSentencePiece(const std::filesystem::path& file, const SpecialTokens& special)
{
    return std::make_shared<SentencePieceTokenizer>(file, special);
}

} // namespace flextron
