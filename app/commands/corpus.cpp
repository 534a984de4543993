#include "app/commands/corpus.h"

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

/// Calls `use(offset, document, ended)` with each document; a line that is the separator and nothing else ends one.
template <class Use> void forEachDocument(std::string_view text, const Use& use)
{
    std::size_t begin = 0;
    for (std::size_t line = 0; line < text.size();) {
        const auto newline = std::min(text.find('\n', line), text.size());
        auto content = text.substr(line, newline - line);
        if (content.ends_with('\r')) content.remove_suffix(1);
        if (content == kSeparator) {
            use(begin, text.substr(begin, line - begin), true);
            begin = newline + 1;
        }
        line = newline + 1;
    }
    if (begin < text.size()) use(begin, text.substr(begin), false);
}

} // namespace

std::vector<TokenId> encodeDocuments(std::string_view text, const std::string& name, const Tokenizer& tokenizer,
                                     Console& console)
{
    std::vector<TokenId> ids;
    const auto progress = console.progress();
    refuseCompressed(text, name);
    forEachDocument(text, [&](std::size_t offset, std::string_view document, bool ended) {
        console.cancel().throwIfCancelled();
        while (ended && document.ends_with('\n')) document.remove_suffix(1);
        if (document.empty()) return;
        const std::string place = ended || offset > 0 ? name + ": document at byte " + std::to_string(offset) : name;
        const auto encoded = encodeNamed(tokenizer, std::string(document), place);
        ids.insert(ids.end(), encoded.begin(), encoded.end());
        if (const auto eos = tokenizer.eosId(); ended && eos) ids.push_back(*eos);
        if (progress) progress({"reading " + name, offset, text.size(), "bytes"});
    });
    console.clearProgress();
    return ids;
}

} // namespace flextron::cli
