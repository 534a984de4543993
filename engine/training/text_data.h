// Text files as a stream of token sequences for training and validation. Everything here is our choice.
//
// Files are read piece by piece and never held in memory: plain text, .gz, .xz and .zst (told apart by their first
// bytes), with documents split by a line `<|endoftext|>`; or JSON Lines (.jsonl, .ndjson, compressed or not), one
// document a line. Each document is tokenized by itself, with BOS in front where the tokenizer's set-up has it (Llama)
// and EOS behind it where not (GPT), and the tokens of a file are packed end to end into sequences.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// Which documents of a file are read, by a hash of the document: the two parts of a file never share one.
enum class DataPart { All, Training, HeldOut };

struct TextFile {
    std::filesystem::path path;
    /// Of the sequences drawn, relative to the other files; 0 everywhere: in proportion to the files' sizes on disk.
    double share = 0;
};

struct TextDataOptions {
    std::vector<TextFile> files;
    std::string text_field = "text"; ///< of JSON Lines
    int sequence_length = 0;         ///< tokens; 0: the model's context, where a model is at hand
    int shuffle_window = 1024;       ///< sequences from which the next one is drawn; 1: in the order of the files
    DataPart part = DataPart::All;
    double held_out_share = 0; ///< of the documents, for Training and HeldOut
    std::uint64_t seed = 1;    ///< of the shuffling
    bool repeat = true;        ///< a file begins again at its end; without: TextData ends with its files
};

/// Where a TextData stands: a plain value that can be saved. Restored, the stream goes on with the very sequences that
/// would have come; files are skimmed up to the place without being tokenized.
struct DataPosition {
    struct File {
        std::int64_t epoch = 0;     ///< times the file was read to its end
        std::int64_t pieces = 0;    ///< read in this epoch (a document is a piece, or several when above 1 MiB)
        std::int64_t sequences = 0; ///< drawn in all
        std::vector<TokenId> rest;  ///< tokens read that fill no sequence yet
        bool operator==(const File&) const = default;
    };
    std::uint64_t random_state = 0;
    std::vector<File> files;
    std::vector<TokenId> window; ///< sequences waiting to be drawn, end to end
    bool operator==(const DataPosition&) const = default;
};

/// Used by one thread at a time.
class TextData {
public:
    /// NotFound or Io for files that cannot be read; InvalidArgument for options that make no sense.
    static Result<std::unique_ptr<TextData>> open(const TextDataOptions& options,
                                                  std::shared_ptr<const Tokenizer> tokenizer);
    ~TextData();

    /// The next sequence [sequence_length]; empty when the files are at their ends (never with `repeat`). Corrupt for a
    /// damaged file or text that is no UTF-8, naming file and document; InvalidArgument when a file (its wanted part)
    /// does not fill a single sequence.
    Result<std::vector<TokenId>> next();

    [[nodiscard]] DataPosition position() const;
    /// InvalidArgument when the position is of other files or another sequence length, or a file has become shorter.
    Result<void> restore(const DataPosition& position);

private:
    struct State;
    explicit TextData(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Calls `use` with the documents of one file, in order, numbered from 1; one above 1 MiB comes in parts. What `use`
/// throws ends the reading and comes back as an Error.
Result<void> forEachDocument(const std::filesystem::path& file, const std::string& text_field,
                             const std::function<void(std::string_view text, std::int64_t number)>& use);

} // namespace flextron
