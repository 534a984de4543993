// A checkpoint directory (method: section 6): Hugging Face files plus what makes the model elastic.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/model/choice_sets.h"
#include "engine/model/config.h"
#include "engine/model/safetensors.h"
#include "engine/model/tensor.h"

namespace flextron {

/// Mean importance of each unit over a calibration text, in the order in which the units now stand (descending when
/// sorted).
struct ImportanceReport {
    std::string text; ///< what was read, for a person: file names
    std::int64_t sequences = 0;
    std::int64_t tokens = 0;
    std::vector<std::vector<float>> mlp;    ///< [layer][neuron]
    std::vector<std::vector<float>> groups; ///< [layer][key/value group]
    bool sorted = false; ///< the permutation has been applied: a prefix holds the most important units
};

/// One stage that a conversion has gone through; kept for the model card and `info`.
struct TrainingStage {
    std::string name;        ///< "importance", "permute", ...
    std::int64_t tokens = 0; ///< training tokens read by the stage
    double seconds = 0;
};

/// Loss of one member of the family on a validation text, as the conversion measured it at its end.
struct RecordedLoss {
    std::string text;          ///< file name
    std::string routing;       ///< "full", "uniform", "static" or "dynamic"
    double budget = 1;         ///< asked share of the full model's cost
    double cost = 1;           ///< share that it came to
    double loss = 0;           ///< nats a token
    double standard_error = 0; ///< over sequences
    std::int64_t tokens = 0;   ///< predicted
    /// Of dynamic routing: the mean over the tokens of each sub-block's one-hot choices, in the order of choiceMeans().
    /// What it costs is a sum over sub-blocks, so that this prices it by any latency table. Empty: not recorded.
    std::vector<double> choice_means = {};
};

/// flextron.json. Written by this program only; every field is checked when read.
struct FlextronRecord {
    static constexpr int kFormatVersion = 1;
    ChoiceSets choices;
    std::vector<double> budget_list; ///< trained stops, descending from 1; empty before training
    std::optional<ImportanceReport> importance;
    std::int64_t base_training_tokens = 0; ///< 0 when unknown
    std::vector<TrainingStage> stages;
    std::vector<RecordedLoss> losses;    ///< at the end of the conversion; empty before
    std::vector<LayerSizes> layer_sizes; ///< of an extracted sub-network that differs between layers; else empty
};

Result<FlextronRecord> parseFlextronRecord(std::string_view json, const std::filesystem::path& file);
std::string writeFlextronRecord(const FlextronRecord& record);

/// An opened directory: configuration read, tensors mapped and checked against it. Immutable; any thread. The weights
/// are those of the files: nothing is converted or copied here.
class Checkpoint {
public:
    /// NotFound, Corrupt or Unsupported, naming file and tensor: a missing shard, a missing tensor, a wrong shape or
    /// dtype.
    static Result<std::shared_ptr<const Checkpoint>> open(const std::filesystem::path& folder);

    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    [[nodiscard]] const ModelConfig& config() const { return config_; }
    /// As recorded, or the defaults for a model that was never converted.
    [[nodiscard]] const ChoiceSets& choices() const { return record_.choices; }
    [[nodiscard]] const FlextronRecord& record() const { return record_; }
    /// flextron.json is there. Without it sub-networks can still be chosen, but nothing was sorted or trained for them.
    [[nodiscard]] bool elastic() const { return elastic_; }
    /// The dtype that most weights have.
    [[nodiscard]] DType dtype() const { return dtype_; }
    /// Sum over the mapped tensors.
    [[nodiscard]] std::int64_t bytes() const;
    [[nodiscard]] std::int64_t parameters() const;
    /// File names and sizes, for `info`.
    [[nodiscard]] const std::vector<std::pair<std::string, std::uint64_t>>& files() const { return files_; }

    /// Hugging Face's tensor names ("model.layers.0.mlp.up_proj.weight", "transformer.h.0.mlp.c_fc.weight"), a leading
    /// "transformer." or "model." where the file leaves it out restored. Throws Failure(Corrupt) for a name that is not
    /// there: engine-internal, every name the config implies was checked at opening.
    [[nodiscard]] const TensorView& tensor(const std::string& name) const;
    [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
    /// All tensors the configuration implies and nothing else, by name: buffers that old files carry along are left
    /// out.
    [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }

private:
    Checkpoint() = default;
    std::filesystem::path folder_;
    ModelConfig config_;
    FlextronRecord record_;
    bool elastic_ = false;
    DType dtype_ = DType::Float32;
    std::vector<SafetensorsFile> shards_;
    std::map<std::string, TensorView> tensors_;
    std::vector<std::pair<std::string, std::uint64_t>> files_;
};

/// Names and shapes of all tensors that `config` implies, as Hugging Face stores them (GPT-2's Conv1D weights are [in,
/// out]). lm_head only when untied. A sub-block of width 0 has none, its norm included.
std::map<std::string, std::vector<std::int64_t>> expectedTensors(const ModelConfig& config);

/// Everything a new checkpoint directory holds. Tokenizer files are copied from `tokenizer_from` when it is not empty.
struct CheckpointContents {
    ModelConfig config;
    DType dtype = DType::Float32;
    std::vector<NamedTensor> tensors;    ///< complete, as expectedTensors says
    std::shared_ptr<const void> storage; ///< keeps alive what `tensors` look at; may be empty when the caller does that
    std::optional<FlextronRecord> record; ///< none: a plain Hugging Face checkpoint
    std::filesystem::path tokenizer_from;
    std::uint64_t max_shard_bytes = 5'000'000'000; ///< beyond it the weights are sharded, with an index
};

/// Writes the directory whole or not at all (AtomicFolder). A config that plain Hugging Face cannot say
/// (ModelConfig::plainHuggingFace) is written with its largest sizes in config.json and `layer_sizes` in flextron.json
/// (filled in here); only this program can load that one, and the record must be given. InvalidArgument for tensors
/// that do not fit the config; Io when there is not enough space, before anything is written.
Result<void> writeCheckpoint(const std::filesystem::path& folder, const CheckpointContents& contents,
                             const ProgressFn& progress = {});

} // namespace flextron
