#include "engine/training/router_stage_p.h"

#include <algorithm>
#include <cmath>

#include "engine/generate/loaded_model.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

constexpr std::uint64_t kTargets = 2, kNoise = 3; ///< what the random numbers of a step are for
constexpr std::uint64_t kShuffleSeed = 1;
constexpr double kSurrogateRate = 5e-3;
constexpr int kSurrogateSteps = 16; // after each batch; they cost next to nothing

double between(double start, double end, double done)
{
    return start * std::pow(end / start, done); // geometric
}

/// Mean over the parts of |mean cost - target|: a single text may well cost more than another.
at::Tensor costPenalty(const at::Tensor& cost, const std::vector<double>& targets)
{
    at::Tensor sum = at::zeros({});
    const auto n = static_cast<std::int64_t>(targets.size());
    for (std::int64_t begin = 0; begin < n;) {
        std::int64_t end = begin + 1;
        while (end < n && targets[static_cast<std::size_t>(end)] == targets[static_cast<std::size_t>(begin)]) ++end;
        const at::Tensor off = cost.narrow(0, begin, end - begin).mean() - targets[static_cast<std::size_t>(begin)];
        sum = sum + off.abs() * (static_cast<double>(end - begin) / static_cast<double>(n));
        begin = end;
    }
    return sum;
}

} // namespace

CostOf costFor(const ModelConfig& config, const RouterOptions& options)
{
    if (!options.latency) return flopCost(config);
    return [table = *options.latency, context = options.context](const SubNetwork& subnet) {
        return table.predictMs(subnet, context, KvRule::All);
    };
}

struct RouterStage::Routed {
    RoutedWidths widths;
    double loss = 0; ///< cross-entropy, nats
};

RouterStage::RouterStage(const StageSource& source, TrainableRouters routers, RouterOptions options, bool joint,
                         Teacher base, std::uint64_t seed)
    : weights_(source.weights)
    , routers_(std::move(routers))
    , options_(std::move(options))
    , joint_(joint)
    , costs_(
          CostShares::of(weights_.config, routers_.choices, costFor(weights_.config, options_)).on(weights_.device()))
    , base_(std::move(base))
    , source_(modelHash(*source.checkpoint))
{
    setTrainable(weights_, joint);
    for (const TrainedTensor& trained : routers_.trained(1, 1)) trained.tensor.set_requires_grad(true);
    if (!joint && options_.gradient == RouterGradient::Surrogate)
        surrogate_ = std::make_unique<SurrogateFit>(routers_.fixed.output.size(0), options_.surrogate_inter_dim,
                                                    kSurrogateRate, seed);
}

Json RouterStage::settings() const
{
    return {{"source", source_},
            {"budget_list", routers_.budget_list},
            {"latency_table", options_.latency ? Json(options_.latency->fingerprint) : Json()},
            {"gradient", surrogate_ ? "surrogate" : "straight-through"},
            {"lambda", options_.lambda},
            {"temperature", {options_.temperature_start, options_.temperature_end}},
            {"noise", {options_.noise_start, options_.noise_end}},
            {"targets_a_batch", options_.targets_a_batch},
            {"static_every", options_.static_every},
            {"router_rate", options_.router_rate},
            {"static_rate", options_.static_rate},
            {"full_share", options_.full_share},
            {"distill_base", options_.distill_base},
            {"surrogate", {options_.surrogate_threshold, options_.surrogate_inter_dim}}};
}

std::vector<TrainedTensor> RouterStage::trained() const
{
    std::vector<TrainedTensor> all = routers_.trained(options_.router_rate,
                                                      options_.router_rate * options_.static_rate);
    if (joint_)
        for (TrainedTensor& tensor : trainedTensors(weights_)) all.push_back(std::move(tensor));
    return all;
}

void RouterStage::beginStep(const StepPlace& place)
{
    draw_.training = true;
    draw_.through_model = !surrogate_;
    draw_.temperature = between(options_.temperature_start, options_.temperature_end, place.done());
    draw_.noise = between(options_.noise_start, options_.noise_end, place.done());
    target_random_ = place.random(kTargets);
    noise_random_ = place.random(kNoise);
    fixed_ = options_.static_every > 0 && place.step % options_.static_every == options_.static_every - 1;
}

std::map<std::string, double> RouterStage::batch(const at::Tensor& ids, const StepPlace& place)
{
    std::map<std::string, double> numbers;
    const at::Tensor of_base = base_.logits(ids);
    flops_ = base_.flops(ids);
    if (joint_) fullPass(ids, of_base, place.scale * options_.full_share, numbers);
    const std::vector<double> targets = drawTargets(ids.size(0));
    draw_.seed = noise_random_.next();
    Routed routed{{weights_.config, routers_, costs_, targets, draw_, fixed_}};
    const at::Tensor loss = surrogate_ ? throughSurrogate(routed, ids, numbers) : throughModel(routed, ids, of_base);
    const at::Tensor penalty = costPenalty(routed.widths.cost(), targets);
    if (loss.defined()) // else the gate is closed
        ((loss + options_.lambda * (1 + (surrogate_ ? 0 : options_.distill_base)) * penalty) *
         (place.scale * (joint_ ? 1 - options_.full_share : 1)))
            .backward();
    describe(numbers, routed.widths, targets);
    numbers["loss"] = routed.loss;
    numbers["penalty"] = penalty.item<double>();
    return numbers;
}

void RouterStage::fullPass(const at::Tensor& ids, const at::Tensor& of_base, double weight,
                           std::map<std::string, double>& numbers)
{
    const SubNetwork full = fullSubNetwork(weights_.config);
    SlicedWidths widths(full);
    const at::Tensor logits = trainingLogits(weights_, ids, widths);
    at::Tensor loss = nextTokenLoss(logits, ids);
    numbers["loss_full"] = loss.item<double>();
    if (of_base.defined()) loss = loss + options_.distill_base * divergence(of_base, logits);
    (loss * weight).backward();
    flops_ += trainingFlops(weights_.config, full, ids);
}

at::Tensor RouterStage::throughModel(Routed& routed, const at::Tensor& ids, const at::Tensor& of_base)
{
    const at::Tensor logits = trainingLogits(weights_, ids, routed.widths);
    at::Tensor loss = nextTokenLoss(logits, ids);
    routed.loss = loss.item<double>();
    if (of_base.defined()) loss = loss + options_.distill_base * divergence(of_base, logits);
    // With the model frozen its weights need no gradients: one pass back through the activations.
    flops_ += trainingFlops(weights_.config, fullSubNetwork(weights_.config), ids) * (joint_ ? 1.0 : 2.0 / 3.0);
    return loss;
}

/// The model is read without a graph, once in full and once routed. Undefined while the gate is closed.
at::Tensor RouterStage::throughSurrogate(Routed& routed, const at::Tensor& ids, std::map<std::string, double>& numbers)
{
    SlicedWidths full(fullSubNetwork(weights_.config));
    const at::Tensor of_full = lossPerSequence(trainingLogits(weights_, ids, full), ids);
    const at::Tensor losses = lossPerSequence(trainingLogits(weights_, ids, routed.widths), ids);
    routed.loss = losses.mean().item<double>();
    numbers["loss_full"] = of_full.mean().item<double>();
    flops_ += trainingFlops(weights_.config, fullSubNetwork(weights_.config), ids) * 2.0 / 3.0;
    const at::Tensor means = routed.widths.choiceMeans().to(at::kCPU); // the surrogate is small: it stays there
    surrogate_->observe(means.detach(), (losses - of_full).to(at::kCPU), losses.to(at::kCPU));
    surrogate_->learn(kSurrogateSteps);
    const bool open = surrogate_->error() < options_.surrogate_threshold;
    numbers["surrogate_error"] = surrogate_->error();
    numbers["surrogate_threshold"] = options_.surrogate_threshold;
    numbers["gate_open"] = open ? 1 : 0;
    return open ? surrogate_->predict(means).mean().to(weights_.device()) : at::Tensor();
}

/// One target for each part of the batch, repeated for its sequences.
std::vector<double> RouterStage::drawTargets(std::int64_t batch)
{
    const std::int64_t parts = std::min<std::int64_t>(options_.targets_a_batch, batch);
    const std::vector<double>& stops = routers_.budget_list; // the first one is the full model, which needs no router
    std::vector<double> of_part, targets;
    for (std::int64_t i = 0; i < parts; ++i)
        of_part.push_back(target_random_.below(2) == 0 ? stops[1 + target_random_.below(stops.size() - 1)]
                                                       : stops.back() + (1 - stops.back()) * target_random_.uniform());
    for (std::int64_t i = 0; i < batch; ++i) targets.push_back(of_part[static_cast<std::size_t>(i * parts / batch)]);
    return targets;
}

void RouterStage::describe(std::map<std::string, double>& numbers, const RoutedWidths& widths,
                           const std::vector<double>& targets) const
{
    const std::vector<double> got = widths.costs(), expected = widths.expectedCosts();
    const auto n = static_cast<double>(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
        numbers["target"] += targets[i] / n;
        numbers["cost"] += got[i] / n;
        numbers["cost_expected"] += expected[i] / n;
    }
    numbers["temperature"] = draw_.temperature;
    numbers["noise"] = draw_.noise;
    numbers["static"] = fixed_ ? 1 : 0;
    widths.describe(numbers);
}

std::vector<ValidationLoss> RouterStage::validate(const std::vector<ValidationSet>& sets, const CancelToken& cancel)
{
    std::vector<ValidationLoss> losses;
    validateUniform(weights_, routers_.choices, sets, losses, cancel);
    std::vector<double> targets = options_.validation_targets;
    if (targets.empty()) targets.assign(routers_.budget_list.begin() + 1, routers_.budget_list.end());
    for (const ValidationSet& set : sets)
        for (const double target : targets)
            for (const Placement placement : {Placement::Dynamic, Placement::Shuffled, Placement::Static})
                if (placement != Placement::Static || options_.static_every > 0)
                    losses.push_back(validateRouted(weights_, routers_, costs_, set, target, placement, cancel));
    return losses;
}

Routers RouterStage::exported() const
{
    Routers routers = routers_.exported();
    if (surrogate_) routers.surrogate = Surrogate{surrogate_->exported(), 0, surrogate_->error()};
    return routers;
}

ValidationLoss validateRouted(const ReferenceWeights& weights, const TrainableRouters& routers, const CostShares& costs,
                              const ValidationSet& set, double target, Placement placement, const CancelToken& cancel)
{
    const auto routed = [&](const at::Tensor& ids) {
        const std::vector<double> targets(static_cast<std::size_t>(ids.size(0)), target);
        return std::make_unique<RoutedWidths>(weights.config, routers, costs, targets, ChoiceDraw{},
                                              placement == Placement::Static);
    };
    const auto shuffled = [&](const at::Tensor& ids) {
        const auto widths = routed(ids);
        trainingLogits(weights, ids, *widths);
        return std::make_unique<ShuffledWidths>(*widths, routers.choices, kShuffleSeed);
    };
    const WidthsFor widths = placement == Placement::Shuffled ? WidthsFor(shuffled) : WidthsFor(routed);
    const char* const names[] = {"dynamic", "dynamic, shuffled", "static"};
    ValidationLoss loss = validationLoss(weights, set, widths, names[static_cast<int>(placement)], cancel);
    loss.target = target;
    return loss;
}

} // namespace flextron
