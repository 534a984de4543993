// The whole conversion: from a plain checkpoint to an elastic one with routers (docs/method.md, "Training").
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/compute/device.h"
#include "engine/model/checkpoint.h"
#include "engine/training/elastic_training.h"
#include "engine/training/router_training.h"
#include "engine/training/surrogate_training.h"
#include "engine/training/train_options.h"

namespace flextron {

/// In the order in which they run: "importance", "permute", "elastic", "routers", "joint", "surrogate".
const std::vector<std::string>& conversionStages();

struct ConversionOptions {
    ConversionOptions()
    {
        elastic.full_share = 0.4;
        elastic.distill_base = 2;
        joint.temperature_start = joint.noise_start = 0.3; // goes on from sure routers
        joint.router_rate = 3;
        joint.full_share = 0.75;
        joint.distill_base = 8;
    }
    std::vector<std::string> stages; ///< empty: all
    /// Data, batch (routers and joint take half of it: many small steps), seed, job settings. tokens, learning_rate,
    /// job_folder, dtype and final_rate_share are set by stage.
    TrainOptions training;
    ChoiceSets choices;                    ///< an empty list: the base's own
    std::int64_t base_training_tokens = 0; ///< 0: what the base's record says, if it does
    DeviceRequest device;
    ComputeType type = ComputeType::Auto; ///< float32, and so is Auto; bfloat16: TrainOptions::bfloat16

    int importance_sequences = 128;
    /// That all stages together read at most. 0: 7.63 % of the base's (the paper's share), or, where nobody knows
    /// those, a token for every four parameters.
    std::int64_t tokens = 0;
    /// Training tokens of the stages. 0: a share of `tokens`.
    std::int64_t elastic_tokens = 0, router_tokens = 0, joint_tokens = 0;
    double elastic_rate = 6e-4, router_rate = 5e-3, joint_rate = 4e-4; ///< learning rates of the stages
    ElasticOptions elastic;
    RouterOptions routers, joint;
    SurrogateOptions surrogate; ///< `latency` and `context` are those of `routers`
    std::optional<DType>
        out_dtype; ///< of the weights that are written in the end, where a stage trains; none: the base's
};

struct SortReport {
    FlextronRecord record;
    double max_logit_difference = 0; ///< between before and after
    int parity_tokens = 0;           ///< that it was looked for in
};

struct ConversionReport {
    SortReport sort;                 ///< empty when no stage sorted in this run
    std::vector<StageReport> stages; ///< that trained in this run; those finished before an interruption are left out
    FlextronRecord record;           ///< of the finished checkpoint: every stage, and the losses
};

/// Runs the wanted stages one after the other, each from a complete checkpoint in OUT.work to the next; the last one
/// becomes `out`, in the base's weight type or options.out_dtype (float32 in between). Interrupted at any moment, it
/// goes on with options.training.resume: finished stages are not repeated, the one that was running goes on from its
/// last state. Errors as trainBase; InvalidArgument also for an unknown stage, a work folder of an interrupted
/// conversion without resume, or an `out` that is there. Blocks.
Result<ConversionReport> convertModel(const std::filesystem::path& base, const std::filesystem::path& out,
                                      const ConversionOptions& options, const ProgressFn& progress = {},
                                      const CancelToken& cancel = {});

/// Training tokens that a stage reads under `options`: what they say, or the default.
std::int64_t stageTokens(const std::string& stage, const ConversionOptions& options, const Checkpoint& base);

/// What a conversion will need, without doing it: three steps of every stage that trains are run and timed.
struct ConversionEstimate {
    struct Stage {
        std::string name;
        std::int64_t tokens = 0;
        double seconds = 0;
    };
    std::vector<Stage> stages;
    std::int64_t memory_bytes = 0; ///< most that this process held in the measured steps
    std::int64_t available_memory_bytes = 0;
    std::int64_t disk_bytes = 0; ///< most that OUT.work and `out` hold together
    std::int64_t available_disk_bytes = 0;
    std::int64_t base_training_tokens = 0; ///< 0: unknown
};
Result<ConversionEstimate> estimateConversion(const std::filesystem::path& base, const std::filesystem::path& out,
                                              const ConversionOptions& options, const ProgressFn& progress = {},
                                              const CancelToken& cancel = {});

} // namespace flextron
