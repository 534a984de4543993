#include "engine/text/open_p.h"

namespace flextron {

Result<std::shared_ptr<const Tokenizer>> openTokenizer(const std::filesystem::path& folder)
{
    return guarded([&]() -> std::shared_ptr<const Tokenizer> {
        const auto model = folder / "tokenizer.model";
        const auto json = folder / "tokenizer.json";
        const auto vocab = folder / "vocab.json";
        const auto merges = folder / "merges.txt";
        const auto there = [](const std::filesystem::path& path) {
            std::error_code ignored;
            return std::filesystem::exists(path, ignored);
        };
        if (there(model)) return openSentencePiece(model, readSpecialTokens(folder));
        if (there(json)) return openTokenizerJson(json, readSpecialTokens(folder));
        if (there(vocab) && there(merges)) return openVocabAndMerges(vocab, merges, readSpecialTokens(folder));
        throw Failure(ErrorCode::NotFound,
                      folder.string() +
                          ": no tokenizer: looked for tokenizer.model, tokenizer.json, and vocab.json with " +
                          "merges.txt",
                      "copy the tokenizer's files from where the model came from into this folder");
    });
}

void requireUtf8(std::string_view text)
{
    const std::size_t offset = findInvalidUtf8(text);
    if (offset == std::string_view::npos) return;
    throw Failure(ErrorCode::InvalidArgument, "the text is not valid UTF-8 at byte " + std::to_string(offset),
                  "convert it first, for example with: iconv -t UTF-8");
}

} // namespace flextron
