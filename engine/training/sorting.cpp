#include "engine/training/sorting_p.h"

#include <algorithm>
#include <chrono>

#include "engine/base/files.h"
#include "engine/compute/reference.h"
#include "engine/elastic/importance.h"
#include "engine/elastic/parity.h"
#include "engine/elastic/permutation.h"

namespace flextron {
namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point began)
{
    return std::chrono::duration<double>(Clock::now() - began).count();
}

/// The record to start from: the base's own, with what the options say.
FlextronRecord startRecord(const Checkpoint& base, const ConversionOptions& options)
{
    FlextronRecord record = base.record();
    if (!options.choices.mlp_int_list.empty()) record.choices.mlp_int_list = options.choices.mlp_int_list;
    if (!options.choices.head_int_list.empty()) record.choices.head_int_list = options.choices.head_int_list;
    validateChoiceSets(record.choices, base.config()).orThrow();
    if (options.base_training_tokens > 0) record.base_training_tokens = options.base_training_tokens;
    return record;
}

std::string fileNames(const ConversionOptions& options, bool whole)
{
    std::string names;
    for (const TextFile& file : options.training.data.files)
        names += (names.empty() ? "" : ", ") + (whole ? file.path : file.path.filename()).string();
    return names;
}

/// Sequences of the calibration text, end to end; fewer than asked for where the text ends before.
std::vector<TokenId> calibrationIds(const std::filesystem::path& base, const ConversionOptions& options, int length,
                                    const ProgressFn& progress, const CancelToken& cancel)
{
    TextDataOptions data = options.training.data;
    data.sequence_length = length;
    data.part = data.held_out_share > 0 ? DataPart::Training : DataPart::All;
    data.seed = options.training.seed;
    data.repeat = false;
    const auto text = TextData::open(data, openTokenizer(base).orThrow()).orThrow();
    std::vector<TokenId> ids;
    const auto total = static_cast<std::uint64_t>(options.importance_sequences);
    for (std::uint64_t i = 0; i < total; ++i) {
        cancel.throwIfCancelled();
        const std::vector<TokenId> sequence = text->next().orThrow();
        if (sequence.empty()) break;
        ids.insert(ids.end(), sequence.begin(), sequence.end());
        if (progress) progress({"reading the calibration text", i, total, "sequences"});
    }
    if (ids.empty())
        throw Failure(ErrorCode::InvalidArgument,
                      fileNames(options, true) + ": holds less text than one sequence of " + std::to_string(length) +
                          " tokens",
                      "give a longer text, or a shorter sequence length");
    return ids;
}

ImportanceReport measure(const Backend& backend, const std::filesystem::path& base, const ConversionOptions& options,
                         const ProgressFn& progress, const CancelToken& cancel)
{
    ImportanceOptions importance;
    const int asked = options.training.data.sequence_length;
    importance.sequence_length = asked > 0 ? asked : backend.config().max_position_embeddings;
    importance.sequences = options.importance_sequences;
    importance.batch = options.training.batch;
    const auto ids = calibrationIds(base, options, importance.sequence_length, progress, cancel);
    ImportanceReport report = measureImportance(backend, ids, importance, progress, cancel).orThrow();
    report.text = fileNames(options, false);
    return report;
}

/// The base's tensors as they are.
CheckpointContents unsorted(const Checkpoint& base)
{
    CheckpointContents contents;
    contents.config = base.config();
    contents.dtype = base.dtype();
    for (const auto& [name, tensor] : base.tensors()) contents.tensors.push_back({name, tensor});
    return contents;
}

CheckpointContents sorted(const std::shared_ptr<const Checkpoint>& base, FlextronRecord& record)
{
    if (!record.importance)
        throw Failure(ErrorCode::InvalidArgument,
                      base->folder().string() + ": the stage permute needs the importance of every unit",
                      "run --stages importance,permute with a text");
    const auto order = permutationByImportance(*record.importance).orThrow();
    CheckpointContents contents = permuteCheckpoint(base, order).orThrow();
    record.importance = permuteReport(*record.importance, order);
    return contents;
}

/// What is compared and ranked is computed in float32 on a GPU, too, unless something else is asked for.
ComputeType typeFor(const ConversionOptions& options)
{
    return options.type == ComputeType::Auto ? ComputeType::Float32 : options.type;
}

} // namespace

SortReport sortModel(const std::filesystem::path& base, const std::filesystem::path& out,
                     const ConversionOptions& options, bool measured, bool permuted, const ProgressFn& progress,
                     const CancelToken& cancel)
{
    auto folder = AtomicFolder::create(out).orThrow();
    const auto checkpoint = Checkpoint::open(base).orThrow();
    const Device device = chooseDevice(options.device).orThrow();
    auto backend = loadReferenceBackend(checkpoint, device, typeFor(options), progress, cancel).orThrow();
    FlextronRecord record = startRecord(*checkpoint, options);
    const auto ids = parityIds(checkpoint->config(), options.training.seed);
    const auto before = parityLogits(*backend, fullSubNetwork(checkpoint->config()), ids, cancel);

    auto began = Clock::now();
    if (measured) {
        record.importance = measure(*backend, base, options, progress, cancel);
        record.stages.push_back({"importance", record.importance->tokens, secondsSince(began)});
    }
    backend.reset();
    began = Clock::now();
    CheckpointContents contents = permuted ? sorted(checkpoint, record) : unsorted(*checkpoint);
    if (permuted) record.stages.push_back({"permute", 0, secondsSince(began)});
    contents.record = record;
    contents.tokenizer_from = checkpoint->folder();
    cancel.throwIfCancelled();
    writeCheckpoint(folder.path(), contents, progress).orThrow();
    const Parity parity = checkParity(folder.path(), device, typeFor(options), ids, before, progress, cancel);
    cancel.throwIfCancelled();
    folder.commit().orThrow();
    return {record, parity.max_difference, static_cast<int>(ids.size())};
}

double estimateImportance(const std::filesystem::path& base, const ConversionOptions& options,
                          const ProgressFn& progress, const CancelToken& cancel)
{
    const auto checkpoint = Checkpoint::open(base).orThrow();
    const auto backend = loadReferenceBackend(checkpoint, chooseDevice(options.device).orThrow(), typeFor(options),
                                              progress, cancel)
                             .orThrow();
    ConversionOptions batch = options;
    batch.importance_sequences = std::min(options.importance_sequences, options.training.batch);
    measure(*backend, base, batch, progress, cancel); // the first one finds cold caches
    const auto began = Clock::now();
    const ImportanceReport report = measure(*backend, base, batch, progress, cancel);
    const auto read = static_cast<double>(std::max<std::int64_t>(1, report.tokens));
    return secondsSince(began) / read * static_cast<double>(stageTokens("importance", options, *checkpoint));
}

} // namespace flextron
