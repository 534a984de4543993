#include "engine/training/static_refining_p.h"

#include <cmath>

#include "engine/training/random_p.h"

namespace flextron {
namespace {

constexpr int kJudgeEvery = 50; // steps
constexpr std::uint64_t kTargets = 5, kNoise = 6;

RouterTensors copied(const RouterTensors& router, bool trained)
{
    const auto copy = [&](const at::Tensor& tensor) { return tensor.detach().clone().set_requires_grad(trained); };
    return {copy(router.hidden), copy(router.hidden_bias), copy(router.output), copy(router.output_bias)};
}

std::vector<double> drawTargets(const std::vector<double>& stops, int count, SplitMix& random)
{
    std::vector<double> targets;
    for (int i = 0; i < count; ++i)
        targets.push_back(i % 2 == 0 ? stops[1 + random.below(stops.size() - 1)]
                                     : stops.back() + (1 - stops.back()) * random.uniform());
    return targets;
}

/// [B] costs against their targets.
at::Tensor penalty(const at::Tensor& cost, const std::vector<double>& targets)
{
    const std::vector<float> wanted(targets.begin(), targets.end());
    const at::Tensor off = cost - at::tensor(wanted);
    return (StaticRefining::kOvershoot * off.relu() + (-off).relu()).mean();
}

} // namespace

RouterTensors refineStatic(const ModelConfig& config, const TrainableRouters& routers, const SurrogateFit& surrogate,
                           const CostShares& costs, const StaticRefining& refining,
                           const std::function<double(const RouterTensors&)>& judge, std::uint64_t seed,
                           const CancelToken& cancel)
{
    TrainableRouters own = routers;
    own.fixed = copied(routers.fixed, true);
    TrainOptions options;
    options.weight_decay = 0;
    options.learning_rate = refining.rate;
    AdamW optimizer({{"hidden", own.fixed.hidden},
                     {"hidden_bias", own.fixed.hidden_bias},
                     {"output", own.fixed.output},
                     {"output_bias", own.fixed.output_bias}},
                    options);
    RouterTensors best = copied(own.fixed, false);
    double best_badness = judge(best);
    SplitMix target_random = SplitMix::of(seed, kTargets), noise_random = SplitMix::of(seed, kNoise);
    for (int step = 0; step < refining.steps; ++step) {
        cancel.throwIfCancelled();
        const double done = static_cast<double>(step) / refining.steps;
        ChoiceDraw draw;
        draw.training = true;
        draw.through_model = false;
        draw.temperature = refining.temperature_start *
                           std::pow(refining.temperature_end / refining.temperature_start, done);
        draw.noise = draw.temperature;
        draw.seed = noise_random.next();
        const std::vector<double> targets = drawTargets(own.budget_list, refining.targets, target_random);
        RoutedWidths widths(config, own, costs, targets, draw, /*fixed=*/true);
        for (int l = 0; l < config.numLayers(); ++l)
            for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) widths.choose(l, block, {});
        optimizer.forgetGradients();
        (surrogate.predict(widths.choiceMeans()).mean() + refining.lambda * penalty(widths.cost(), targets)).backward();
        optimizer.clipGradients();
        optimizer.step(learningRate(options, step, refining.steps));
        if (2 * step < refining.steps || (step + 1) % kJudgeEvery != 0) continue;
        RouterTensors state = copied(own.fixed, false);
        const double badness = judge(state);
        if (badness < best_badness) {
            best = std::move(state);
            best_badness = badness;
        }
    }
    return best;
}

} // namespace flextron
