#include "app/commands/calibration.h"

#include <array>
#include <filesystem>

#include "app/commands/options.h"
#include "engine/base/files.h"

namespace flextron::cli {

namespace {

constexpr std::string_view kSeparator = "<|endoftext|>";

void refuseCompressed(std::string_view text, const std::string& file)
{
    struct Format {
        std::string_view magic;
        const char* name;
    };
    static constexpr std::array kFormats{Format{"\xfd"
                                                "7zXZ",
                                                "xz"},
                                         Format{"\x1f\x8b", "gzip"}, Format{"\x28\xb5\x2f\xfd", "zstd"}};
    for (const auto& format : kFormats)
        if (text.starts_with(format.magic))
            throw Failure(ErrorCode::Unsupported,
                          file + ": the text is compressed (" + format.name + "); expected plain UTF-8 text",
                          std::string("unpack it first: ") + format.name + " -dc " + file + " > text.txt");
}

/// Calls `use` with each document; a line that is the separator and nothing else stands between two.
template <class Use> void forEachDocument(std::string_view text, const Use& use)
{
    std::size_t begin = 0;
    for (std::size_t line = 0; line < text.size();) {
        const auto newline = std::min(text.find('\n', line), text.size());
        auto content = text.substr(line, newline - line);
        if (content.ends_with('\r')) content.remove_suffix(1);
        if (content == kSeparator) {
            use(begin, text.substr(begin, line - begin));
            begin = newline + 1;
        }
        line = newline + 1;
    }
    if (begin < text.size()) use(begin, text.substr(begin));
}

} // namespace

std::vector<TokenId> readDocuments(const std::vector<std::string>& files, const Tokenizer& tokenizer, Console& console)
{
    std::vector<TokenId> ids;
    const auto progress = console.progress();
    for (const auto& file : files) {
        const auto mapped = MappedFile::open(file).orThrow();
        const std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
        refuseCompressed(text, file);
        const auto before = ids.size();
        forEachDocument(text, [&](std::size_t offset, std::string_view document) {
            console.cancel().throwIfCancelled();
            while (document.ends_with('\n')) document.remove_suffix(1);
            if (document.empty()) return;
            const auto encoded = encodeNamed(tokenizer, std::string(document),
                                             file + ": document at byte " + std::to_string(offset));
            ids.insert(ids.end(), encoded.begin(), encoded.end());
            if (const auto eos = tokenizer.eosId()) ids.push_back(*eos);
            if (progress) progress({"reading " + file, offset, text.size(), "bytes"});
        });
        if (ids.size() == before)
            throw Failure(ErrorCode::InvalidArgument, file + ": holds no text", "give a file of plain UTF-8 text");
    }
    console.clearProgress();
    return ids;
}

} // namespace flextron::cli
