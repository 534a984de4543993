#include "engine/training/text_data.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/training/documents_p.h"
#include "engine/training/random_p.h"

namespace flextron {
namespace {

using Sequence = std::vector<TokenId>;

/// One file as an endless or ending stream of sequences.
class FileStream {
public:
    FileStream(const TextDataOptions& options, std::size_t index, const Tokenizer& tokenizer)
        : options_(options)
        , path_(options.files[index].path)
        , tokenizer_(tokenizer)
        , reader_(path_, options.text_field)
    {
        const Sequence probe = tokenizer.encode("a").orThrow();
        has_bos_ = !probe.empty() && tokenizer.bosId() && probe.front() == *tokenizer.bosId();
    }

    [[nodiscard]] std::int64_t sequences() const { return position_.sequences; }
    [[nodiscard]] DataPosition::File position() const
    {
        DataPosition::File position = position_;
        position.rest.erase(position.rest.begin(), position.rest.begin() + consumed_);
        return position;
    }

    /// Empty at the end.
    Sequence next()
    {
        const auto length = static_cast<std::size_t>(options_.sequence_length);
        while (waiting() < length) {
            DocumentPiece piece;
            if (!reader_.next(piece)) {
                if (!options_.repeat) return {};
                beginAgain();
                continue;
            }
            ++position_.pieces;
            if (wanted(piece)) append(piece);
        }
        const auto begin = position_.rest.begin() + consumed_;
        Sequence sequence(begin, begin + options_.sequence_length);
        consumed_ += options_.sequence_length;
        ++position_.sequences;
        return sequence;
    }

    void restore(const DataPosition::File& position)
    {
        DocumentReader reader(path_, options_.text_field);
        DocumentPiece piece;
        for (std::int64_t i = 0; i < position.pieces; ++i)
            if (!reader.next(piece))
                throw Failure(ErrorCode::InvalidArgument,
                              path_.string() + " has " + std::to_string(i) + " documents, but " +
                                  std::to_string(position.pieces) + " of it were read before the interruption",
                              "give the file as it was then, or start anew without --resume");
        reader_ = std::move(reader);
        position_ = position;
        consumed_ = 0;
        tokens_at_epoch_start_ = -1;
    }

private:
    [[nodiscard]] std::size_t waiting() const { return position_.rest.size() - static_cast<std::size_t>(consumed_); }

    void beginAgain()
    {
        const auto read = position_.sequences * options_.sequence_length + static_cast<std::int64_t>(waiting());
        if (read == tokens_at_epoch_start_)
            throw Failure(ErrorCode::InvalidArgument,
                          path_.string() + ": there is no text in it" +
                              (options_.part == DataPart::All ? "" : " for this part of the data"),
                          "give a longer text, or another held-out share");
        tokens_at_epoch_start_ = read;
        reader_ = DocumentReader(path_, options_.text_field);
        ++position_.epoch;
        position_.pieces = 0;
    }

    [[nodiscard]] bool wanted(const DocumentPiece& piece) const
    {
        if (options_.part == DataPart::All) return true;
        // The hash's own low bits favour short texts' last letters: mix them once more.
        const bool held_out = SplitMix(piece.hash).uniform() < options_.held_out_share;
        return held_out == (options_.part == DataPart::HeldOut);
    }

    void append(const DocumentPiece& piece)
    {
        Tokenizer::EncodeOptions encoding;
        encoding.add_bos = piece.first;
        encoding.parse_special = false;
        Result<Sequence> ids = tokenizer_.encode(piece.text, encoding);
        if (!ids)
            throw Failure(ErrorCode::Corrupt,
                          path_.string() + ", document " + std::to_string(position_.pieces) + ": " +
                              ids.error().message,
                          ids.error().hint.empty() ? "convert the text to UTF-8" : ids.error().hint);
        // Moving the rest to the front for every sequence would take quadratic time over a long piece.
        position_.rest.erase(position_.rest.begin(), position_.rest.begin() + std::exchange(consumed_, 0));
        position_.rest.insert(position_.rest.end(), ids->begin(), ids->end());
        if (piece.last && !has_bos_ && tokenizer_.eosId()) position_.rest.push_back(*tokenizer_.eosId());
    }

    const TextDataOptions& options_;
    std::filesystem::path path_;
    const Tokenizer& tokenizer_;
    DocumentReader reader_;
    DataPosition::File position_;
    std::ptrdiff_t consumed_ = 0; ///< tokens of position_.rest that went into sequences
    bool has_bos_ = false;        ///< the tokenizer puts BOS in front; else EOS goes behind
    std::int64_t tokens_at_epoch_start_ = 0;
};

void checkOptions(const TextDataOptions& options)
{
    const auto refuse = [](const std::string& what, const std::string& hint) {
        throw Failure(ErrorCode::InvalidArgument, what, hint);
    };
    if (options.files.empty()) refuse("no text files are given", "name at least one with --data");
    if (options.sequence_length < 2) refuse("a sequence must have at least 2 tokens", "give a longer sequence length");
    if (options.shuffle_window < 1) refuse("the shuffle window must hold at least 1 sequence", "1 keeps the order");
    if (!(options.held_out_share >= 0 && options.held_out_share < 1))
        refuse("the held-out share must be at least 0 and below 1", "0.01 holds out one document in a hundred");
    for (const TextFile& file : options.files)
        if (!std::isfinite(file.share) || file.share < 0) refuse("a file's share must not be negative", "");
}

std::vector<double> sharesOf(const TextDataOptions& options)
{
    std::vector<double> shares;
    double sum = 0;
    const bool given = std::any_of(options.files.begin(), options.files.end(), [](auto& f) { return f.share > 0; });
    for (const TextFile& file : options.files) {
        std::error_code code;
        const auto bytes = std::filesystem::file_size(file.path, code);
        shares.push_back(given ? file.share : code ? 1.0 : static_cast<double>(std::max<std::uintmax_t>(bytes, 1)));
        sum += shares.back();
    }
    for (double& share : shares) share /= sum;
    return shares;
}

} // namespace

struct TextData::State {
    TextDataOptions options;
    std::shared_ptr<const Tokenizer> tokenizer;
    std::vector<double> shares;
    std::vector<FileStream> streams;
    std::vector<bool> ended;
    SplitMix random{0};
    std::vector<Sequence> window;

    /// From the file that is furthest behind its share.
    Sequence draw()
    {
        for (;;) {
            std::optional<std::size_t> pick;
            double most_behind = 0;
            std::int64_t drawn = 1;
            for (const FileStream& stream : streams) drawn += stream.sequences();
            for (std::size_t i = 0; i < streams.size(); ++i) {
                const double behind = shares[i] * static_cast<double>(drawn) -
                                      static_cast<double>(streams[i].sequences());
                if (ended[i] || shares[i] == 0 || (pick && behind <= most_behind)) continue;
                pick = i;
                most_behind = behind;
            }
            if (!pick) return {};
            Sequence sequence = streams[*pick].next();
            if (!sequence.empty()) return sequence;
            ended[*pick] = true;
        }
    }

    Sequence next()
    {
        while (window.size() < static_cast<std::size_t>(options.shuffle_window)) {
            Sequence sequence = draw();
            if (sequence.empty()) break;
            window.push_back(std::move(sequence));
        }
        if (window.empty()) return {};
        const std::size_t pick = window.size() == 1 ? 0 : random.below(window.size());
        Sequence sequence = std::move(window[pick]);
        window[pick] = std::move(window.back());
        window.pop_back();
        return sequence;
    }
};

TextData::TextData(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextData::~TextData() = default;

Result<std::unique_ptr<TextData>> TextData::open(const TextDataOptions& options,
                                                 std::shared_ptr<const Tokenizer> tokenizer)
{
    return guarded([&] {
        checkOptions(options);
        auto state = std::make_unique<State>();
        state->options = options;
        state->tokenizer = std::move(tokenizer);
        state->shares = sharesOf(options);
        state->random = SplitMix::of(options.seed, 0);
        for (std::size_t i = 0; i < options.files.size(); ++i)
            state->streams.emplace_back(state->options, i, *state->tokenizer);
        state->ended.assign(state->streams.size(), false);
        return std::unique_ptr<TextData>(new TextData(std::move(state)));
    });
}

Result<std::vector<TokenId>> TextData::next()
{
    return guarded([&] { return state_->next(); });
}

DataPosition TextData::position() const
{
    DataPosition position;
    position.random_state = state_->random.state();
    for (const FileStream& stream : state_->streams) position.files.push_back(stream.position());
    for (const Sequence& sequence : state_->window)
        position.window.insert(position.window.end(), sequence.begin(), sequence.end());
    return position;
}

Result<void> TextData::restore(const DataPosition& position)
{
    return guarded([&] {
        const auto length = static_cast<std::size_t>(state_->options.sequence_length);
        if (position.files.size() != state_->streams.size() || position.window.size() % length != 0)
            throw Failure(ErrorCode::InvalidArgument, "the saved position is of other data",
                          "give the files of the interrupted run, or start anew without --resume");
        for (std::size_t i = 0; i < position.files.size(); ++i) state_->streams[i].restore(position.files[i]);
        state_->ended.assign(state_->streams.size(), false);
        state_->random = SplitMix(position.random_state);
        state_->window.clear();
        for (std::size_t i = 0; i < position.window.size(); i += length)
            state_->window.emplace_back(position.window.begin() + static_cast<std::ptrdiff_t>(i),
                                        position.window.begin() + static_cast<std::ptrdiff_t>(i + length));
    });
}

Result<void> forEachDocument(const std::filesystem::path& file, const std::string& text_field,
                             const std::function<void(std::string_view text, std::int64_t number)>& use)
{
    return guarded([&] {
        DocumentReader reader(file, text_field);
        DocumentPiece piece;
        std::int64_t number = 0;
        while (reader.next(piece)) {
            if (piece.first) ++number;
            if (!piece.text.empty()) use(piece.text, number);
        }
    });
}

} // namespace flextron
