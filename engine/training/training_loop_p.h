// What all stages of training share: reading batches, steps of the optimizer, metrics, checkpoints, going on after an
// interruption. Not a public header.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/folder_lock_p.h"
#include "engine/base/json_p.h"
#include "engine/base/progress.h"
#include "engine/training/optimizer_p.h"
#include "engine/training/random_p.h"
#include "engine/training/state_file_p.h"

namespace flextron {

/// Sequences of a validation text, [N, T] int64.
struct ValidationSet {
    std::string name;
    at::Tensor ids;
};

/// Where a step stands in its stage. What a step draws at random comes from `random`, which depends on seed, stage and
/// step alone.
struct StepPlace {
    std::int64_t step = 0;
    std::int64_t steps = 0;
    std::uint64_t seed = 0;
    double scale = 1; ///< of the batch's loss in the step's: 1 / accumulation
    [[nodiscard]] double done() const { return static_cast<double>(step) / static_cast<double>(steps); }
    [[nodiscard]] SplitMix random(std::uint64_t purpose) const
    {
        return SplitMix::of(seed, purpose * 0x100000000ull + static_cast<std::uint64_t>(step) + 1);
    }
};

/// One kind of training: what is trained and what a batch does. The loop does the rest.
class StageWork {
public:
    virtual ~StageWork() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    /// What the stage's own numbers depend on besides TrainOptions; compared when resuming.
    [[nodiscard]] virtual Json settings() const = 0;
    [[nodiscard]] virtual std::vector<TrainedTensor> trained() const = 0;
    /// Tensors besides the trained ones that a resumed run needs; written in place.
    [[nodiscard]] virtual NamedTensors kept() const { return {}; }
    /// Called once before the batches of a step: draws what the whole step shares.
    virtual void beginStep(const StepPlace& place) = 0;
    /// Adds the gradients of place.scale * loss of `ids` [B, T]. Returns numbers for the metrics, "loss" among them.
    virtual std::map<std::string, double> batch(const at::Tensor& ids, const StepPlace& place) = 0;
    /// Multiply-adds times two of what batch() did last, forward and backward.
    [[nodiscard]] virtual double lastFlops() const = 0;
    virtual std::vector<ValidationLoss> validate(const std::vector<ValidationSet>& sets, const CancelToken& cancel) = 0;
};

class TrainingLoop {
public:
    /// `job_folder` is made when it is not there. Throws Failure: InvalidArgument for options that make no sense, or
    /// when the folder holds a state and `resume` is not set.
    TrainingLoop(TrainOptions options, int context, std::filesystem::path job_folder,
                 std::shared_ptr<const Tokenizer> tokenizer, ProgressFn progress, CancelToken cancel);

    /// Runs the stage to its end. Throws Failure: Cancelled (with the state saved), or what went wrong, with the last
    /// good state in place; Corrupt data, Io, InvalidArgument for a loss that is not a number.
    StageReport run(StageWork& stage);

    [[nodiscard]] const std::filesystem::path& jobFolder() const { return job_folder_; }

private:
    void checkOptions() const;
    [[nodiscard]] Json settings(const StageWork& stage) const;
    void openData(const std::string& stage);
    void start(StageWork& stage, AdamW& optimizer);
    at::Tensor nextBatch();
    std::map<std::string, double> pass(StageWork& stage, const StepPlace& place); ///< of the next batch
    Json step(StageWork& stage, AdamW& optimizer);
    /// Into the report and the step's line. Cancelled, it keeps the step that was just done.
    void validate(StageWork& stage, const AdamW& optimizer, Json& line, StageReport& report);
    StageReport probe(StageWork& stage, AdamW& optimizer);
    void save(StageWork& stage, const AdamW& optimizer);
    void appendMetrics(const Json& line);
    void dropLaterMetrics();
    [[nodiscard]] std::filesystem::path stateFile() const { return job_folder_ / "state.safetensors"; }
    [[nodiscard]] std::filesystem::path metricsFile() const { return job_folder_ / "metrics.jsonl"; }

    TrainOptions options_;
    at::Device place_; ///< of batches and validation texts
    std::filesystem::path job_folder_;
    FolderLock lock_; ///< of it, from the first step on
    std::shared_ptr<const Tokenizer> tokenizer_;
    ProgressFn progress_;
    CancelToken cancel_;
    std::unique_ptr<TextData> data_;
    std::vector<ValidationSet> validation_;
    std::string stage_name_;
    std::int64_t step_ = 0, steps_ = 0, tokens_a_step_ = 0;
    double seconds_before_ = 0, flops_ = 0;
};

/// A job's folder for a checkpoint that will be written to `out`.
std::filesystem::path jobFolderFor(const TrainOptions& options, const std::filesystem::path& out);
/// metrics.jsonl of the stages before (in `source`, may be empty) and of this one.
std::string metricsSoFar(const std::filesystem::path& job_folder, const std::filesystem::path& source = {});
/// After success: the job's folder goes away.
void finishJob(const std::filesystem::path& job_folder);

} // namespace flextron
