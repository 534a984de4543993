// Documents of a text file, one after the other, without ever holding the file. Not a public header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/training/byte_stream_p.h"

namespace flextron {

/// A document, or a part of one: a document above kMaxPieceBytes (a book without marker lines) comes in parts that end
/// with a line where there is one.
struct DocumentPiece {
    static constexpr std::size_t kMaxPieceBytes = 1 << 20;
    std::string text; ///< white space at both ends of the document is cut off
    bool first = true;
    bool last = true;
    std::uint64_t hash = 0; ///< of the document's first piece, the same for all its pieces
};

/// FNV-1a, 64 bits: stable over machines and versions, since the held-out share depends on it.
std::uint64_t documentHash(std::string_view text);

/// Plain text: documents end with a line `<|endoftext|>`. JSON Lines (a name that ends in .jsonl or .ndjson before the
/// compression's suffix): one document a line, in the string field `text_field`. Empty documents are left out.
class DocumentReader {
public:
    DocumentReader(std::filesystem::path path, std::string text_field);
    /// False at the end. Throws Failure: Io; Corrupt naming file and line.
    bool next(DocumentPiece& piece);

private:
    bool nextPlain(DocumentPiece& piece);
    bool nextJson(DocumentPiece& piece);
    bool readLine(std::string& line);
    bool give(DocumentPiece& piece, bool last);

    std::filesystem::path path_;
    std::string text_field_;
    std::unique_ptr<ByteStream> stream_;
    bool json_lines_ = false;
    std::vector<char> buffer_;
    std::size_t begin_ = 0, end_ = 0; ///< of what is not consumed in buffer_
    std::int64_t line_number_ = 0;
    std::string text_;  ///< of the piece being gathered
    bool first_ = true; ///< the next piece begins a document
    std::uint64_t hash_ = 0;
    std::vector<DocumentPiece> waiting_; ///< pieces of one long JSON document, last one first
};

} // namespace flextron
