#include "app/commands/document_list.h"

#include <algorithm>
#include <array>

#include "app/commands/options.h"

namespace flextron::cli {

namespace {

constexpr std::string_view kSeparator = "<|endoftext|>";

void refuseCompressed(std::string_view text, const std::string& file)
{
    // The first bytes of xz, gzip and zstd.
    static constexpr std::array<std::string_view, 3> kMagic{"\xfd"
                                                            "7zXZ",
                                                            "\x1f\x8b", "\x28\xb5\x2f\xfd"};
    for (const auto magic : kMagic)
        if (text.starts_with(magic))
            throw Failure(ErrorCode::Unsupported, file + ": the text is compressed; expected plain UTF-8 text",
                          "unpack it first with xz -d, gzip -d or zstd -d");
}

class DocumentList {
public:
    DocumentList(std::string name, const Tokenizer& tokenizer, int limit)
        : name_(std::move(name))
        , tokenizer_(tokenizer)
        , limit_(limit)
    {
    }

    std::vector<std::vector<TokenId>> read(std::string_view text, const CancelToken& cancel)
    {
        std::size_t begin = 0;
        for (std::size_t line = 0; line < text.size() && wanted();) {
            const auto newline = std::min(text.find('\n', line), text.size());
            auto content = text.substr(line, newline - line);
            if (content.ends_with('\r')) content.remove_suffix(1);
            if (content == kSeparator) {
                cancel.throwIfCancelled();
                add(text.substr(begin, line - begin), begin, true);
                begin = newline + 1;
            }
            line = newline + 1;
        }
        if (begin < text.size() && wanted()) add(text.substr(begin), begin, false);
        return std::move(documents_);
    }

private:
    [[nodiscard]] bool wanted() const { return limit_ == 0 || documents_.size() < static_cast<std::size_t>(limit_); }

    void add(std::string_view text, std::size_t offset, bool ended)
    {
        while (ended && text.ends_with('\n')) text.remove_suffix(1);
        if (text.empty()) return;
        auto ids = encodeNamed(tokenizer_, std::string(text), name_ + ": document at byte " + std::to_string(offset));
        const auto eos = tokenizer_.eosId();
        if (ended && eos) ids.push_back(*eos);
        if (!tokenizer_.bosId() && eos) ids.insert(ids.begin(), *eos);
        if (ids.size() > 1) documents_.push_back(std::move(ids));
    }

    std::string name_;
    const Tokenizer& tokenizer_;
    int limit_;
    std::vector<std::vector<TokenId>> documents_;
};

} // namespace

std::vector<std::vector<TokenId>> readDocumentList(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                                                   int limit, Console& console)
{
    std::vector<std::vector<TokenId>> all;
    for (const auto& file : files) {
        const std::string text = readTextFile(file);
        refuseCompressed(text, file);
        auto documents = DocumentList(file, tokenizer, limit).read(text, console.cancel());
        if (documents.empty())
            throw Failure(ErrorCode::InvalidArgument, file + ": holds no text", "give a file of plain UTF-8 text");
        std::move(documents.begin(), documents.end(), std::back_inserter(all));
    }
    return all;
}

} // namespace flextron::cli
