#include "engine/training/tokenizer_training.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <unordered_map>

#include "engine/base/files.h"
#include "engine/training/documents_p.h"

namespace flextron {
namespace {

constexpr std::size_t kMaxSentenceBytes = 4192; // longer ones SentencePiece leaves out: its own default
constexpr std::size_t kSampleBytes = 1 << 20;
constexpr int kLeastVocabulary = 3 + 256 + 1;

/// The lines of all documents.
class Lines final : public sentencepiece::SentenceIterator {
public:
    Lines(const TokenizerTrainingOptions& options) : options_(options) { Next(); }

    bool done() const override { return !line_; }
    const std::string& value() const override { return *line_; }
    sentencepiece::util::Status status() const override { return {}; }
    void Next() override
    {
        try {
            advance();
        } catch (...) { // nothing may be thrown through SentencePiece
            problem_ = currentExceptionAsError();
            line_.reset();
        }
    }

    [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }
    [[nodiscard]] std::int64_t bytes() const { return bytes_; }
    [[nodiscard]] const std::string& sample() const { return sample_; }

private:
    void advance()
    {
        line_.reset();
        while (!line_ && bytes_ < options_.max_bytes) {
            if (begin_ >= piece_.text.size()) {
                begin_ = 0;
                piece_.text.clear();
                if (reader_ && reader_->next(piece_)) continue;
                if (file_ == options_.files.size()) return;
                reader_.emplace(options_.files[file_++], options_.text_field);
                continue;
            }
            const std::size_t newline = std::min(piece_.text.find('\n', begin_), piece_.text.size());
            const std::size_t end = std::min(newline, begin_ + kMaxSentenceBytes);
            if (end > begin_) line_ = piece_.text.substr(begin_, end - begin_);
            begin_ = end == newline ? end + 1 : end;
        }
        if (!line_) return;
        bytes_ += static_cast<std::int64_t>(line_->size());
        if (sample_.size() < kSampleBytes) sample_ += *line_ + "\n";
    }

    const TokenizerTrainingOptions& options_;
    std::size_t file_ = 0;
    std::optional<DocumentReader> reader_;
    DocumentPiece piece_;
    std::size_t begin_ = 0;
    std::optional<std::string> line_;
    std::optional<Error> problem_;
    std::int64_t bytes_ = 0;
    std::string sample_;
};

} // namespace

Result<TokenizerTrainingReport> trainTokenizer(const TokenizerTrainingOptions& options,
                                               const std::filesystem::path& out)
{
    return guarded([&] {
        if (options.vocab_size < kLeastVocabulary)
            throw Failure(
                ErrorCode::InvalidArgument, "a vocabulary of " + std::to_string(options.vocab_size) + " is too small",
                "256 bytes and 3 control tokens are always in it: give at least " + std::to_string(kLeastVocabulary));
        const unsigned threads = options.threads > 0 ? static_cast<unsigned>(options.threads)
                                                     : std::max(1u, std::thread::hardware_concurrency());
        const std::unordered_map<std::string, std::string> settings{
            {"model_type", "bpe"},
            {"vocab_size", std::to_string(options.vocab_size)},
            {"byte_fallback", "true"},
            {"split_digits", "true"},
            {"normalization_rule_name", "identity"},
            {"remove_extra_whitespaces", "false"},
            {"allow_whitespace_only_pieces", "true"},
            {"num_threads", std::to_string(threads)},
            {"max_sentence_length", std::to_string(kMaxSentenceBytes)},
            {"minloglevel", "2"},
        };
        Lines lines(options);
        std::string model;
        const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &lines, &model);
        if (lines.problem()) throw Failure(*lines.problem());
        if (!status.ok())
            throw Failure(ErrorCode::InvalidArgument, "cannot make a tokenizer: " + status.ToString(),
                          "give more text, or a smaller vocabulary");
        sentencepiece::SentencePieceProcessor processor;
        if (const auto loaded = processor.LoadFromSerializedProto(model); !loaded.ok())
            throw Failure(ErrorCode::Internal, "the new tokenizer cannot be read: " + loaded.ToString());
        writeFile(out, model).orThrow();
        const auto tokens = processor.EncodeAsIds(lines.sample()).size();
        return TokenizerTrainingReport{processor.GetPieceSize(), lines.bytes(),
                                       static_cast<double>(lines.sample().size()) /
                                           static_cast<double>(std::max<std::size_t>(tokens, 1))};
    });
}

} // namespace flextron
