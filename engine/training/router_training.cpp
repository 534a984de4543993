#include "engine/training/router_training.h"

#include <algorithm>

#include "engine/training/router_stage_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

constexpr double kReachable = 0.02; ///< a stop this close to the narrowest sub-network leaves no choice

std::vector<double> stopsFor(const ModelConfig& config, const ChoiceSets& choices, const RouterOptions& options)
{
    const double floor = CostShares::of(config, choices, costFor(config, options)).floor(config.numLayers());
    std::vector<double> wanted = options.budget_list;
    const bool given = !wanted.empty();
    if (!given) wanted = {1, 0.9, 0.8, 0.7, 0.6, 0.5};
    if (wanted.front() != 1 || !std::is_sorted(wanted.rbegin(), wanted.rend()) ||
        std::adjacent_find(wanted.begin(), wanted.end()) != wanted.end() || wanted.size() < 2)
        throw Failure(ErrorCode::InvalidArgument, "the stops must descend from 1", "for example 1,0.8,0.6");
    if (!given) std::erase_if(wanted, [&](double stop) { return stop < floor + kReachable; });
    if (wanted.size() < 2 || wanted.back() < floor)
        throw Failure(ErrorCode::InvalidArgument,
                      "the narrowest sub-network costs " + std::to_string(floor) +
                          " of the full one: there is no stop between, or one is below it",
                      "give stops above that, or narrower choices");
    return wanted;
}

void checkOptions(const RouterOptions& options)
{
    const bool good = options.router_inter_dim > 0 && options.lambda >= 0 && options.temperature_start > 0 &&
                      options.temperature_end > 0 && options.noise_start > 0 && options.noise_end > 0 &&
                      options.static_rate > 0 && options.distill_base >= 0 && options.surrogate_threshold > 0 &&
                      options.surrogate_inter_dim > 0 && options.targets_a_batch > 0 && options.static_every >= 0 &&
                      options.router_rate > 0 && options.full_share >= 0 && options.full_share < 1;
    if (!good)
        throw Failure(ErrorCode::InvalidArgument, "an option of router training is out of its range",
                      "see the defaults in the help");
}

StageReport runStage(const std::filesystem::path& folder, const std::filesystem::path& out, const TrainOptions& options,
                     const RouterOptions& router_options, bool joint, const ProgressFn& progress,
                     const CancelToken& cancel)
{
    checkOptions(router_options);
    refuseExisting(out);
    const StageSource source = openStageSource(folder, options.device, cancel);
    const ModelConfig& config = source.checkpoint->config();
    const ChoiceSets& choices = source.checkpoint->choices();
    if (!config.uniform())
        throw Failure(ErrorCode::Unsupported, folder.string() + ": its layers differ in size",
                      "train the model that it was extracted from");
    // A probe of the joint stage may come before there are routers.
    const bool have_routers = joint &&
                              !(options.probe_steps > 0 && !std::filesystem::exists(folder / "routers.safetensors"));
    TrainableRouters routers =
        have_routers ? trainableRouters(*readRouters(folder / "routers.safetensors", config, choices).orThrow())
                     : newRouters(config, choices, stopsFor(config, choices, router_options),
                                  router_options.router_inter_dim, router_options.widest_bias, options.seed);
    if (routers.mlp.empty() || !routers.fixed.hidden.defined())
        throw Failure(ErrorCode::Unsupported, folder.string() + ": it has no dynamic or no static routers",
                      "train both with the stage \"routers\"");
    routers.moveTo(source.weights.device());
    TrainingLoop loop(options, config.max_position_embeddings, jobFolderFor(options, out), source.tokenizer, progress,
                      cancel);
    RouterStage stage(source, std::move(routers), router_options, joint,
                      teacherFor(router_options.distill_base, router_options.base, folder, options.device, cancel),
                      options.seed);
    const StageReport report = loop.run(stage);
    if (options.probe_steps > 0) return report;
    const Routers trained = stage.exported();
    writeStageResult(out, source, report, options.dtype, &trained, 0, metricsSoFar(loop.jobFolder(), folder));
    finishJob(loop.jobFolder());
    return report;
}

} // namespace

Result<StageReport> trainRouters(const std::filesystem::path& source, const std::filesystem::path& out,
                                 const TrainOptions& options, const RouterOptions& routers, const ProgressFn& progress,
                                 const CancelToken& cancel)
{
    return guarded([&] { return runStage(source, out, options, routers, false, progress, cancel); });
}

Result<StageReport> finetuneJointly(const std::filesystem::path& source, const std::filesystem::path& out,
                                    const TrainOptions& options, const RouterOptions& routers,
                                    const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] { return runStage(source, out, options, routers, true, progress, cancel); });
}

} // namespace flextron
