#include "engine/training/surrogate_training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "engine/base/random.h"
#include "engine/compute/device.h"
#include "engine/training/fast_products_p.h"
#include "engine/training/passes_p.h"
#include "engine/training/source_p.h"
#include "engine/training/surrogate_fit_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRate = 5e-3;
constexpr int kSteps = 3000;
constexpr std::uint64_t kDraw = 4;

/// Half of them draw every block's choice evenly; half lean, with all blocks, to one share of the width, or
/// sub-networks near full and near narrow would hardly occur.
SubNetwork randomSubNetwork(const ModelConfig& config, const ChoiceSets& choices, SplitMix& random)
{
    const bool leaning = random.below(2) == 1;
    const double share = random.uniform();
    const auto draw = [&](const std::vector<int>& widths) {
        const auto n = widths.size();
        if (!leaning) return widths[random.below(n)];
        const double wanted = share * static_cast<double>(n) + (random.uniform() - 0.5) * 1.5;
        return widths[static_cast<std::size_t>(std::clamp(std::floor(wanted), 0.0, static_cast<double>(n - 1)))];
    };
    SubNetwork subnet = fullSubNetwork(config);
    for (std::size_t l = 0; l < subnet.mlp.size(); ++l) {
        subnet.heads[l] = draw(choices.head_int_list);
        subnet.mlp[l] = draw(choices.mlp_int_list);
    }
    return subnet;
}

ValidationSet fittingSet(const TrainOptions& options, int sequences, int context,
                         std::shared_ptr<const Tokenizer> tokenizer)
{
    TextDataOptions data = options.data;
    if (data.sequence_length == 0) data.sequence_length = context;
    data.part = data.held_out_share > 0 ? DataPart::Training : DataPart::All;
    data.seed = mixBits(options.seed ^ kDraw);
    data.repeat = true;
    const auto text = TextData::open(data, std::move(tokenizer)).orThrow();
    at::Tensor ids = at::empty({sequences, data.sequence_length}, at::kLong);
    auto* to = ids.mutable_data_ptr<std::int64_t>();
    for (int i = 0; i < sequences; ++i) {
        const auto row = text->next().orThrow();
        to = std::copy(row.begin(), row.end(), to);
    }
    return {"fit", ids};
}

at::Tensor rowsOf(const std::vector<SubNetwork>& subnets, const ChoiceSets& choices)
{
    std::vector<at::Tensor> rows;
    for (const SubNetwork& subnet : subnets) rows.push_back(at::tensor(choiceMeans(subnet, choices)));
    return at::stack(rows);
}

struct Measured {
    std::vector<SubNetwork> subnets;
    at::Tensor losses; // [N]
};

Measured measureRandom(const StageSource& source, const ValidationSet& set, int count, SplitMix& random,
                       const std::function<void()>& step)
{
    Measured measured;
    std::vector<float> losses;
    for (int i = 0; i < count; ++i) {
        step();
        measured.subnets.push_back(randomSubNetwork(source.weights.config, source.checkpoint->choices(), random));
        losses.push_back(static_cast<float>(validateSubNetwork(source.weights, set, measured.subnets.back(), "").loss));
    }
    measured.losses = at::tensor(losses);
    return measured;
}

/// Mean of |predicted - measured| / measured, and a line of metrics for each.
double heldOutError(const SurrogateFit& fit, const Measured& held_out, const ChoiceSets& choices, double full_loss,
                    std::string& metrics)
{
    const at::Tensor predicted = fit.predict(rowsOf(held_out.subnets, choices)).detach() + full_loss;
    for (std::size_t i = 0; i < held_out.subnets.size(); ++i) {
        const auto row = static_cast<std::int64_t>(i);
        metrics += Json({{"stage", "surrogate"},
                         {"step", i + 1},
                         {"loss", held_out.losses[row].item<double>()},
                         {"predicted", predicted[row].item<double>()}})
                       .dump() +
                   "\n";
    }
    return ((predicted - held_out.losses).abs() / held_out.losses).mean().item<double>();
}

StageReport fitted(const std::filesystem::path& folder, const std::filesystem::path& out, const TrainOptions& options,
                   const SurrogateOptions& wanted, const ProgressFn& progress, const CancelToken& cancel)
{
    if (wanted.sequences < 1 || wanted.sub_networks < 1 || wanted.held_out < 1 || wanted.inner_dim < 1 ||
        wanted.sub_networks > SurrogateFit::kKept)
        throw Failure(ErrorCode::InvalidArgument, "an option of the surrogate's fitting is out of its range",
                      "at least 1 of everything, and at most " + std::to_string(SurrogateFit::kKept) + " sub-networks");
    refuseExisting(out);
    std::optional<FastProducts> products;
    if (!options.device.cuda) products.emplace();
    const auto started = Clock::now();
    const StageSource source = openStageSource(folder, options.device, cancel);
    const ModelConfig& config = source.checkpoint->config();
    const ChoiceSets& choices = source.checkpoint->choices();
    Routers routers = *readRouters(folder / "routers.safetensors", config, choices).orThrow();
    setThreads(options.threads);
    ValidationSet set = fittingSet(options, wanted.sequences, config.max_position_embeddings, source.tokenizer);
    set.ids = set.ids.to(source.weights.device());
    SplitMix random = SplitMix::of(options.seed, kDraw);
    std::uint64_t done = 0;
    const auto total = static_cast<std::uint64_t>(wanted.sub_networks + wanted.held_out);
    const auto step = [&] {
        cancel.throwIfCancelled();
        if (progress) progress({"surrogate", done++, total, "sub-networks"});
    };
    const double full_loss = validateSubNetwork(source.weights, set, fullSubNetwork(config), "").loss;
    const Measured measured = measureRandom(source, set, wanted.sub_networks, random, step);
    const Measured held_out = measureRandom(source, set, wanted.held_out, random, step);

    const at::Tensor rows = rowsOf(measured.subnets, choices);
    SurrogateFit fit(rows.size(1), wanted.inner_dim, kRate, options.seed);
    fit.observe(rows, measured.losses - full_loss, measured.losses);
    fit.learn(kSteps);
    std::string metrics;
    const double error = heldOutError(fit, held_out, choices, full_loss, metrics);
    routers.surrogate = Surrogate{fit.exported(), full_loss, error};

    StageReport report;
    report.stage = "surrogate";
    report.tokens = set.ids.numel();
    report.steps = static_cast<std::int64_t>(total);
    report.seconds = std::chrono::duration<double>(Clock::now() - started).count();
    writeStageResult(out, source, report, options.dtype, &routers, 0, metricsSoFar({}, folder) + metrics);
    return report;
}

} // namespace

Result<StageReport> fitSurrogate(const std::filesystem::path& source, const std::filesystem::path& out,
                                 const TrainOptions& options, const SurrogateOptions& surrogate,
                                 const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] { return fitted(source, out, options, surrogate, progress, cancel); });
}

} // namespace flextron
