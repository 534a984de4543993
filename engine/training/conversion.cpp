#include "engine/training/conversion.h"

#include <algorithm>
#include <cmath>

#include "engine/base/files.h"
#include "engine/base/folder_lock_p.h"
#include "engine/base/system.h"
#include "engine/training/sorting_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

namespace fs = std::filesystem;

/// How the stages that train share what importance and surrogate leave, and where their learning rates end.
struct StageDefaults {
    const char* stage;
    double share;
    double final_rate_share;
};
constexpr StageDefaults kDefaults[] = {{"elastic", 0.34, 0.05}, {"routers", 0.30, 0.1}, {"joint", 0.36, 0.02}};
constexpr double kShareOfBase = 0.0763; // of the base's tokens, in all: the paper's
/// Where the base's tokens are not known: so many tokens a parameter in all.
constexpr double kTokensAParameter = 0.25;
constexpr int kProbeSteps = 3;
constexpr int kNetworksARound = 5; // that refining the static router measures: one a stop

bool wants(const ConversionOptions& options, const std::string& stage)
{
    const auto& list = options.stages.empty() ? conversionStages() : options.stages;
    return std::find(list.begin(), list.end(), stage) != list.end();
}

bool trains(const std::string& stage)
{
    return stage != "importance" && stage != "permute";
}

/// Routers learn from many small steps.
int batchOf(const std::string& stage, const ConversionOptions& options)
{
    const int batch = options.training.batch;
    return stage == "routers" || stage == "joint" ? std::max(1, batch / 2) : batch;
}

fs::path cleanPath(const fs::path& path)
{
    fs::path clean = fs::absolute(path).lexically_normal();
    return clean.has_filename() ? clean : clean.parent_path();
}

fs::path workFolder(const fs::path& out)
{
    fs::path work = cleanPath(out);
    work += ".work";
    return work;
}

void checkStages(const ConversionOptions& options)
{
    for (const std::string& stage : options.stages)
        if (const auto& all = conversionStages(); std::find(all.begin(), all.end(), stage) == all.end())
            throw Failure(ErrorCode::InvalidArgument, "there is no stage \"" + stage + "\"",
                          "the stages are importance, permute, elastic, routers, joint, surrogate");
}

/// A conversion that is gone on with keeps the choices that it began with.
void checkSameChoices(const fs::path& sorted, const ChoiceSets& asked)
{
    const ChoiceSets made = Checkpoint::open(sorted).orThrow()->choices();
    const auto differs = [](const std::vector<int>& a, const std::vector<int>& b) { return !a.empty() && a != b; };
    if (!differs(asked.mlp_int_list, made.mlp_int_list) && !differs(asked.head_int_list, made.head_int_list)) return;
    throw Failure(ErrorCode::InvalidArgument, sorted.string() + " was begun with other choices of widths",
                  "go on with the same ones, or remove " + sorted.parent_path().string() + " and begin anew");
}

/// One stage that trains, from a complete checkpoint to the next.
class StageRunner {
public:
    StageRunner(const ConversionOptions& options, const Checkpoint& base, fs::path frozen, ProgressFn progress,
                CancelToken cancel)
        : options_(options)
        , base_(base)
        , frozen_(std::move(frozen))
        , progress_(std::move(progress))
        , cancel_(std::move(cancel))
    {
    }

    StageReport run(const std::string& stage, const fs::path& from, const fs::path& to, TrainOptions training) const
    {
        training.tokens = stageTokens(stage, options_, base_);
        training.batch = batchOf(stage, options_);
        training.device = chooseDevice(options_.device).orThrow();
        training.bfloat16 = options_.type == ComputeType::BFloat16;
        for (const StageDefaults& defaults : kDefaults)
            if (stage == defaults.stage) training.final_rate_share = defaults.final_rate_share;
        if (stage == "elastic") {
            training.learning_rate = options_.elastic_rate;
            ElasticOptions elastic = options_.elastic;
            elastic.base_training_tokens = options_.base_training_tokens;
            if (elastic.base.empty()) elastic.base = frozen_;
            return trainElastic(from, to, training, elastic, progress_, cancel_).orThrow();
        }
        if (stage == "surrogate") {
            SurrogateOptions surrogate = options_.surrogate;
            surrogate.latency = options_.routers.latency; // the static router's targets stay shares of the same
            surrogate.context = options_.routers.context;
            return fitSurrogate(from, to, training, surrogate, progress_, cancel_).orThrow();
        }
        const bool joint = stage == "joint";
        training.learning_rate = joint ? options_.joint_rate : options_.router_rate;
        RouterOptions routers = joint ? options_.joint : options_.routers;
        if (routers.base.empty()) routers.base = frozen_;
        return (joint ? finetuneJointly : trainRouters)(from, to, training, routers, progress_, cancel_).orThrow();
    }

private:
    const ConversionOptions& options_;
    const Checkpoint& base_;
    fs::path frozen_; ///< what distillation from the base learns from
    ProgressFn progress_;
    CancelToken cancel_;
};

ConversionReport convert(const fs::path& base_folder, const fs::path& out, const fs::path& work,
                         const ConversionOptions& options, const ProgressFn& progress, const CancelToken& cancel)
{
    checkStages(options);
    refuseExisting(out);
    const auto base = Checkpoint::open(base_folder).orThrow();
    std::error_code ignored;
    if (fs::exists(work, ignored) && !options.training.resume)
        throw Failure(ErrorCode::InvalidArgument, work.string() + " holds an interrupted conversion",
                      "go on with --resume, or remove the folder");
    ConversionReport report;
    fs::path current = base_folder;
    const bool measured = wants(options, "importance"), permuted = wants(options, "permute");
    const auto training_stages = [&] {
        std::vector<std::string> stages;
        for (const std::string& stage : conversionStages())
            if (trains(stage) && wants(options, stage)) stages.push_back(stage);
        return stages;
    }();
    if (training_stages.empty()) {
        report.sort = sortModel(base_folder, out, options, measured, permuted, progress, cancel);
        report.record = report.sort.record;
        return report;
    }
    fs::create_directories(work);
    const FolderLock lock(work);
    if (measured || permuted || !options.choices.mlp_int_list.empty() || !options.choices.head_int_list.empty()) {
        current = work / "sorted";
        if (!fs::exists(current, ignored))
            report.sort = sortModel(base_folder, current, options, measured, permuted, progress, cancel);
        else checkSameChoices(current, options.choices);
    }
    const StageRunner runner(options, *base, current, progress, cancel);
    for (const std::string& stage : training_stages) {
        const fs::path next = work / stage;
        TrainOptions training = options.training;
        // Rounded once, at the end.
        training.dtype = stage == training_stages.back() ? options.out_dtype.value_or(base->dtype()) : DType::Float32;
        if (!fs::exists(next, ignored)) report.stages.push_back(runner.run(stage, current, next, training));
        current = next;
    }
    report.record = Checkpoint::open(current).orThrow()->record();
    fs::remove(out, ignored); // an empty folder
    fs::rename(current, cleanPath(out));
    fs::remove_all(work, ignored);
    return report;
}

ConversionEstimate estimate(const fs::path& base_folder, const fs::path& out, const ConversionOptions& options,
                            const ProgressFn& progress, const CancelToken& cancel)
{
    checkStages(options);
    const auto base = Checkpoint::open(base_folder).orThrow();
    ConversionEstimate estimate;
    estimate.base_training_tokens = options.base_training_tokens > 0 ? options.base_training_tokens
                                                                     : base->record().base_training_tokens;
    const StageRunner runner(options, *base, base_folder, progress, cancel);
    double seconds_a_token = 0; // forward and backward through the full model
    std::int64_t checkpoints = 0;
    for (const std::string& stage : conversionStages()) {
        if (!wants(options, stage)) continue;
        ConversionEstimate::Stage planned{stage, stageTokens(stage, options, *base), 0};
        if (stage == "elastic" || stage == "routers" || stage == "joint") {
            TrainOptions training = options.training;
            training.probe_steps = kProbeSteps;
            const StageReport probe = runner.run(stage, base_folder, out, training);
            planned.seconds = probe.seconds;
            seconds_a_token = probe.seconds / static_cast<double>(std::max<std::int64_t>(1, probe.tokens));
        }
        if (trains(stage)) ++checkpoints;
        estimate.stages.push_back(planned);
    }
    for (ConversionEstimate::Stage& stage : estimate.stages) { // those that only read forward: a third of a step
        const double forward = seconds_a_token / 3 * static_cast<double>(stage.tokens);
        if (stage.name == "importance")
            stage.seconds = forward > 0 ? forward : estimateImportance(base_folder, options, progress, cancel);
        if (stage.name == "surrogate") {
            const int rounds = options.surrogate.static_rounds;
            const int networks = options.surrogate.sub_networks + options.surrogate.held_out +
                                 (rounds > 0 ? kNetworksARound * (rounds + 1) : 0);
            stage.seconds = forward * networks;
        }
    }
    estimate.memory_bytes = peakMemory();
    estimate.available_memory_bytes = availableMemory() + residentMemory();
    // Sorted in the base's type, float32 after each stage, and the state: weights and two moments, written beside the
    // one before.
    estimate.disk_bytes = base->bytes() + base->parameters() * 4 * (checkpoints + 2 * 3);
    std::error_code ignored;
    fs::path there = cleanPath(out).parent_path();
    while (there.has_relative_path() && !fs::exists(there, ignored)) there = there.parent_path(); // made when needed
    const auto space = fs::space(there, ignored);
    estimate.available_disk_bytes = ignored ? 0 : static_cast<std::int64_t>(space.available);
    return estimate;
}

} // namespace

const std::vector<std::string>& conversionStages()
{
    static const std::vector<std::string> stages{"importance", "permute", "elastic", "routers", "joint", "surrogate"};
    return stages;
}

std::int64_t stageTokens(const std::string& stage, const ConversionOptions& options, const Checkpoint& base)
{
    const int asked = options.training.data.sequence_length;
    const std::int64_t length = asked > 0 ? asked : base.config().max_position_embeddings;
    if (stage == "importance") return options.importance_sequences * length;
    if (stage == "surrogate") return options.surrogate.sequences * length;
    if (stage == "elastic" && options.elastic_tokens > 0) return options.elastic_tokens;
    if (stage == "routers" && options.router_tokens > 0) return options.router_tokens;
    if (stage == "joint" && options.joint_tokens > 0) return options.joint_tokens;
    const std::int64_t base_tokens = options.base_training_tokens > 0 ? options.base_training_tokens
                                                                      : base.record().base_training_tokens;
    double left = options.tokens > 0 ? static_cast<double>(options.tokens)
                  : base_tokens > 0  ? kShareOfBase * static_cast<double>(base_tokens)
                                     : kTokensAParameter * static_cast<double>(base.parameters());
    for (const char* other : {"importance", "surrogate"})
        if (wants(options, other)) left -= static_cast<double>(stageTokens(other, options, base));
    for (const StageDefaults& defaults : kDefaults)
        if (stage == defaults.stage) { // whole steps, and not one more than the share
            const std::int64_t a_step = length * batchOf(stage, options) * options.training.accumulation;
            return std::max<std::int64_t>(1, static_cast<std::int64_t>(defaults.share * left) / a_step) * a_step;
        }
    return 0;
}

Result<ConversionReport> convertModel(const fs::path& base, const fs::path& out, const ConversionOptions& options,
                                      const ProgressFn& progress, const CancelToken& cancel)
{
    const fs::path work = workFolder(out);
    auto report = guarded([&] { return convert(base, out, work, options, progress, cancel); });
    std::error_code ignored;
    if (!report) fs::remove(work, ignored); // if nothing is in it yet
    return report;
}

Result<ConversionEstimate> estimateConversion(const fs::path& base, const fs::path& out,
                                              const ConversionOptions& options, const ProgressFn& progress,
                                              const CancelToken& cancel)
{
    return guarded([&] { return estimate(base, out, options, progress, cancel); });
}

} // namespace flextron
