#include "engine/training/surrogate_training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

#include "engine/base/random.h"
#include "engine/compute/device.h"
#include "engine/routing/target.h"
#include "engine/training/fast_products_p.h"
#include "engine/training/passes_p.h"
#include "engine/training/router_stage_p.h"
#include "engine/training/source_p.h"
#include "engine/training/static_refining_p.h"
#include "engine/training/surrogate_fit_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRate = 5e-3;
constexpr int kSteps = 3000;
constexpr int kStepsAgain = 1000;     // after the measurements of a round
constexpr int kMostSubNetworks = 900; // the fit keeps 1,024 measurements, a few of them of the static router
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

Measured measure(const StageSource& source, const ValidationSet& set, std::vector<SubNetwork> subnets,
                 const std::function<void()>& step)
{
    std::vector<float> losses;
    for (const SubNetwork& subnet : subnets) {
        step(); // asks whether to go on; one sub-network takes a moment
        losses.push_back(static_cast<float>(validateSubNetwork(source.weights, set, subnet, "", {}).loss));
    }
    return {std::move(subnets), at::tensor(losses)};
}

std::vector<SubNetwork> randomSubNetworks(const StageSource& source, int count, SplitMix& random)
{
    std::vector<SubNetwork> subnets;
    for (int i = 0; i < count; ++i)
        subnets.push_back(randomSubNetwork(source.weights.config, source.checkpoint->choices(), random));
    return subnets;
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

/// The static router of a finished model, judged at its stops as it will be used: by the network that a target gets.
class StaticRouter {
public:
    StaticRouter(const StageSource& source, const SurrogateOptions& wanted, const ValidationSet& set, Routers& routers,
                 SurrogateFit& fit, double full_loss, std::function<void()> step)
        : source_(source)
        , wanted_(wanted)
        , set_(set)
        , routers_(routers)
        , fit_(fit)
        , full_loss_(full_loss)
        , step_(std::move(step))
    {
    }

    /// Networks that one call of refine() measures at most.
    static std::uint64_t measured(const SurrogateOptions& wanted, const Routers& routers)
    {
        return static_cast<std::uint64_t>(wanted.static_rounds + 1) * (routers.budget_list.size() - 1);
    }

    void refine(std::uint64_t seed, const CancelToken& cancel)
    {
        RouterOptions priced;
        priced.latency = wanted_.latency;
        priced.context = wanted_.context;
        const ModelConfig& config = source_.weights.config;
        TrainableRouters trained = trainableRouters(routers_);
        const CostShares costs = CostShares::of(config, trained.choices, costFor(config, priced));
        const auto foretold = [&](const RouterTensors& fixed) {
            return badness(fixed, [&](const std::vector<SubNetwork>& subnets) {
                return fit_.predict(rowsOf(subnets, routers_.choices)).detach();
            });
        };
        std::vector<RouterTensors> states{trained.fixed};
        learnFrom(trained.fixed);
        for (int round = 0; round < wanted_.static_rounds; ++round) {
            states.push_back(refineStatic(config, trained, fit_, costs, {}, foretold,
                                          mixBits(seed + static_cast<std::uint64_t>(round)), cancel));
            trained.fixed = states.back();
            learnFrom(trained.fixed);
        }
        double least = std::numeric_limits<double>::infinity();
        for (const RouterTensors& state : states) {
            const double bad = badness(
                state, [&](const std::vector<SubNetwork>& subnets) { return losses(subnets) - full_loss_; });
            if (bad >= least) continue;
            least = bad;
            trained.fixed = state;
        }
        routers_.fixed = trained.exported().fixed;
    }

    [[nodiscard]] std::vector<ResolvedTarget> atStops() const { return atStops(routers_); }

private:
    [[nodiscard]] std::vector<ResolvedTarget> atStops(Routers routers) const
    {
        TargetContext context;
        context.config = &source_.weights.config;
        context.choices = &source_.checkpoint->choices();
        context.latency = wanted_.latency ? &*wanted_.latency : nullptr;
        context.context = wanted_.context;
        context.routers = std::make_shared<const Routers>(std::move(routers));
        std::vector<ResolvedTarget> resolved;
        for (const double stop : routers_.budget_list) {
            Target target;
            target.kind = Target::Kind::Budget;
            target.value = stop;
            target.routing = Routing::Static;
            if (stop < 1) resolved.push_back(resolveTarget(target, context).orThrow());
        }
        return resolved;
    }

    [[nodiscard]] std::vector<ResolvedTarget> atStops(const RouterTensors& fixed) const
    {
        TrainableRouters trained = trainableRouters(routers_);
        trained.fixed = fixed;
        Routers routers;
        routers.budget_list = routers_.budget_list;
        routers.choices = routers_.choices;
        routers.fixed = trained.exported().fixed;
        return atStops(std::move(routers));
    }

    /// Nats: the mean rise at the stops, with what misses a stop, or rises less at a lower one, on top.
    double badness(const RouterTensors& fixed,
                   const std::function<at::Tensor(const std::vector<SubNetwork>&)>& rises_of) const
    {
        const double lambda = StaticRefining{}.lambda;
        const std::vector<ResolvedTarget> resolved = atStops(fixed);
        std::vector<SubNetwork> subnets;
        for (const ResolvedTarget& target : resolved) subnets.push_back(target.plan.subnet);
        const at::Tensor rises = rises_of(subnets);
        double sum = 0, last = 0;
        for (std::size_t i = 0; i < resolved.size(); ++i) {
            const double stop = routers_.budget_list[i + 1], rise = rises[static_cast<std::int64_t>(i)].item<double>();
            const double off = resolved[i].share - stop; // above means that no choice was low enough
            sum += rise + lambda * (off > 0 ? StaticRefining::kOvershoot * off : -off) +
                   lambda * std::max(0.0, last - rise);
            last = rise;
        }
        return sum / static_cast<double>(resolved.size());
    }

    /// Measured before or now, [N].
    at::Tensor losses(const std::vector<SubNetwork>& subnets)
    {
        std::vector<float> result;
        for (const SubNetwork& subnet : subnets) {
            auto [place, unknown] = known_.try_emplace(toString(subnet));
            if (unknown) place->second = measure(source_, set_, {subnet}, step_).losses.item<float>();
            result.push_back(place->second);
        }
        return at::tensor(result);
    }

    /// The surrogate sees what the router would choose: it must be right there above all.
    void learnFrom(const RouterTensors& fixed)
    {
        std::vector<SubNetwork> fresh;
        for (const ResolvedTarget& target : atStops(fixed))
            if (!known_.contains(toString(target.plan.subnet))) fresh.push_back(target.plan.subnet);
        if (fresh.empty()) return;
        const at::Tensor measured = losses(fresh);
        fit_.observe(rowsOf(fresh, routers_.choices), measured - full_loss_, measured);
        fit_.learn(kStepsAgain);
    }

    const StageSource& source_;
    const SurrogateOptions& wanted_;
    const ValidationSet& set_;
    Routers& routers_;
    SurrogateFit& fit_;
    double full_loss_;
    std::function<void()> step_;
    std::map<std::string, float> known_; ///< loss of a sub-network
};

void checkWanted(const SurrogateOptions& wanted)
{
    const bool good = wanted.sequences >= 1 && wanted.sub_networks >= 1 && wanted.held_out >= 1 &&
                      wanted.inner_dim >= 1 && wanted.static_rounds >= 0 && wanted.context >= 1;
    if (!good || wanted.sub_networks > kMostSubNetworks)
        throw Failure(ErrorCode::InvalidArgument, "an option of the surrogate's fitting is out of its range",
                      "at least 1 of everything, and at most " + std::to_string(kMostSubNetworks) + " sub-networks");
}

/// Loss of the networks that the static router's stops get, on the validation texts.
std::vector<ValidationLoss> validateStops(const StageSource& source, const std::vector<ValidationSet>& sets,
                                          const std::vector<double>& stops, const std::vector<ResolvedTarget>& resolved,
                                          const CancelToken& cancel)
{
    std::vector<ValidationLoss> losses;
    for (const ValidationSet& set : sets)
        for (std::size_t i = 0; i < resolved.size(); ++i) {
            losses.push_back(validateSubNetwork(source.weights, set, resolved[i].plan.subnet, "static", cancel));
            losses.back().target = stops[i + 1];
            losses.back().cost = resolved[i].share;
        }
    return losses;
}

StageReport fitted(const std::filesystem::path& folder, const std::filesystem::path& out, const TrainOptions& options,
                   const SurrogateOptions& wanted, const ProgressFn& progress, const CancelToken& cancel)
{
    checkWanted(wanted);
    refuseExisting(out);
    const FastProducts products;
    const auto started = Clock::now();
    const StageSource source = openStageSource(folder, Device{}, cancel);
    const ModelConfig& config = source.checkpoint->config();
    const ChoiceSets& choices = source.checkpoint->choices();
    Routers routers = *readRouters(folder / "routers.safetensors", config, choices).orThrow();
    const bool refines = wanted.static_rounds > 0 && routers.fixed;
    setThreads(options.threads);
    const ValidationSet set = fittingSet(options, wanted.sequences, config.max_position_embeddings, source.tokenizer);
    SplitMix random = SplitMix::of(options.seed, kDraw);
    std::uint64_t done = 0;
    const auto total = static_cast<std::uint64_t>(wanted.sub_networks + wanted.held_out) +
                       (refines ? StaticRouter::measured(wanted, routers) : 0);
    const auto step = [&] {
        cancel.throwIfCancelled();
        if (progress) progress({"surrogate", std::min(done++, total), total, "sub-networks"});
    };
    const double full_loss = validateSubNetwork(source.weights, set, fullSubNetwork(config), "", cancel).loss;
    const Measured measured = measure(source, set, randomSubNetworks(source, wanted.sub_networks, random), step);
    const Measured held_out = measure(source, set, randomSubNetworks(source, wanted.held_out, random), step);

    const at::Tensor rows = rowsOf(measured.subnets, choices);
    SurrogateFit fit(rows.size(1), wanted.inner_dim, kRate, options.seed);
    fit.observe(rows, measured.losses - full_loss, measured.losses);
    fit.learn(kSteps);
    StageReport report;
    if (refines) {
        StaticRouter router(source, wanted, set, routers, fit, full_loss, step);
        router.refine(options.seed, cancel);
        TrainOptions validated = options;
        if (validated.data.sequence_length == 0) validated.data.sequence_length = config.max_position_embeddings;
        report.validation = validateStops(source, validationSets(validated, source.tokenizer), routers.budget_list,
                                          router.atStops(), cancel);
    }
    std::string metrics;
    const double error = heldOutError(fit, held_out, choices, full_loss, metrics);
    routers.surrogate = Surrogate{fit.exported(), full_loss, error};

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
