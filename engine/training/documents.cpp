#include "engine/training/documents_p.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/base/json_p.h"

namespace flextron {
namespace {

constexpr std::string_view kMarker = "<|endoftext|>";
constexpr std::string_view kSpace = " \t\r\n\f\v";
constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kMaxJsonLineBytes = 64 << 20;

bool isJsonLines(std::filesystem::path path)
{
    const std::string suffix = path.extension().string();
    if (suffix == ".gz" || suffix == ".xz" || suffix == ".zst") path.replace_extension();
    return path.extension() == ".jsonl" || path.extension() == ".ndjson";
}

std::string_view withoutSpaceAtEnd(std::string_view text)
{
    const std::size_t last = text.find_last_not_of(kSpace);
    return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

void trimStart(std::string& text)
{
    text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
}

/// Bytes of a character that is not whole yet at the end of `text`.
std::size_t incompleteBytes(std::string_view text)
{
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xc0u) == 0x80u) continue; // inside a character
        const std::size_t length = byte >= 0xf0u ? 4 : byte >= 0xe0u ? 3 : byte >= 0xc0u ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

} // namespace

std::uint64_t documentHash(std::string_view text)
{
    std::uint64_t hash = 0xcbf29ce484222325ull;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    return hash;
}

DocumentReader::DocumentReader(std::filesystem::path path, std::string text_field)
    : path_(std::move(path))
    , text_field_(std::move(text_field))
    , stream_(openByteStream(path_))
    , json_lines_(isJsonLines(path_))
    , buffer_(kBufferBytes)
{
}

bool DocumentReader::next(DocumentPiece& piece)
{
    return json_lines_ ? nextJson(piece) : nextPlain(piece);
}

/// One line with its end, or what there is of it once it is longer than a piece.
bool DocumentReader::readLine(std::string& line)
{
    line.clear();
    const std::size_t limit = json_lines_ ? kMaxJsonLineBytes : DocumentPiece::kMaxPieceBytes;
    while (line.size() <= limit) {
        if (begin_ == end_) {
            begin_ = 0;
            end_ = stream_->read(buffer_);
            if (end_ == 0) break;
        }
        const char* const start = buffer_.data() + begin_;
        const auto* const newline = static_cast<const char*>(std::memchr(start, '\n', end_ - begin_));
        const std::size_t take = newline ? static_cast<std::size_t>(newline - start) + 1 : end_ - begin_;
        line.append(start, take);
        begin_ += take;
        if (newline) break;
    }
    if (!line.empty()) ++line_number_;
    return !line.empty();
}

/// Hands out text_ as a piece; false when there is nothing in it.
bool DocumentReader::give(DocumentPiece& piece, bool last)
{
    std::string rest;
    if (last) {
        text_.resize(withoutSpaceAtEnd(text_).size());
    } else { // no character is cut in two
        const std::size_t incomplete = incompleteBytes(text_);
        rest = text_.substr(text_.size() - incomplete);
        text_.resize(text_.size() - incomplete);
    }
    if (first_) {
        trimStart(text_);
        hash_ = documentHash(text_);
    }
    const bool something = !text_.empty();
    if (something) piece = {std::move(text_), first_, last, hash_};
    else if (last && !first_) { // the document ended with white space after its last piece
        piece = {std::string(), false, true, hash_};
        first_ = true;
        text_.clear();
        return true;
    }
    first_ = last || (first_ && !something);
    text_ = std::move(rest);
    return something;
}

bool DocumentReader::nextPlain(DocumentPiece& piece)
{
    std::string line;
    while (readLine(line)) {
        if (withoutSpaceAtEnd(line) == kMarker) {
            if (give(piece, /*last=*/true)) return true;
            continue;
        }
        text_ += line;
        if (text_.size() >= DocumentPiece::kMaxPieceBytes && give(piece, /*last=*/false)) return true;
    }
    return (!text_.empty() || !first_) && give(piece, /*last=*/true);
}

bool DocumentReader::nextJson(DocumentPiece& piece)
{
    std::string line;
    while (waiting_.empty()) {
        if (!readLine(line)) return false;
        if (withoutSpaceAtEnd(line).empty()) continue;
        const std::string where = path_.string() + " line " + std::to_string(line_number_);
        if (line.size() > kMaxJsonLineBytes)
            throw Failure(ErrorCode::Corrupt, where + " is longer than 64 MiB", "give one document a line");
        const Json json = parseJson(line, where);
        std::string text = JsonObject(json, where).text(text_field_);
        trimStart(text);
        text.resize(withoutSpaceAtEnd(text).size());
        if (text.empty()) continue;
        std::vector<DocumentPiece> pieces;
        for (std::string_view rest = text; !rest.empty();) {
            std::string_view part = rest.substr(0, DocumentPiece::kMaxPieceBytes);
            if (part.size() < rest.size()) part.remove_suffix(incompleteBytes(part));
            pieces.push_back({std::string(part), pieces.empty(), part.size() == rest.size(), 0});
            rest.remove_prefix(part.size());
        }
        const std::uint64_t hash = documentHash(pieces.front().text);
        for (DocumentPiece& each : pieces) each.hash = hash;
        waiting_.assign(pieces.rbegin(), pieces.rend());
    }
    piece = std::move(waiting_.back());
    waiting_.pop_back();
    return true;
}

} // namespace flextron
