#include "engine/training/router_networks_p.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "engine/model/cost.h"

namespace flextron {
namespace {

constexpr double kOutputDeviation = 0.01; // nearly indifferent at the start, but for the bias
constexpr double kCodeDeviation = 1; // the few numbers of the target code must be heard beside the hidden state's many

/// `hidden_size` + `stops` inputs; a static router has the stops only.
RouterTensors newNetwork(std::int64_t hidden_size, std::int64_t stops, std::int64_t inner, std::int64_t outputs,
                         at::Generator& generator)
{
    const auto normal = [&](at::IntArrayRef shape, double deviation) {
        return at::normal(0.0, deviation, shape, generator, at::TensorOptions().dtype(at::kFloat));
    };
    at::Tensor hidden = normal({inner, stops}, kCodeDeviation);
    if (hidden_size > 0)
        hidden = at::cat({normal({inner, hidden_size}, 1 / std::sqrt(static_cast<double>(hidden_size))), hidden}, 1);
    return {hidden, at::zeros({inner}), normal({outputs, inner}, kOutputDeviation), at::zeros({outputs})};
}

void addTrained(std::vector<TrainedTensor>& all, const RouterTensors& router, const std::string& name, double rate)
{
    all.push_back({name + ".hidden", router.hidden, false, rate});
    all.push_back({name + ".hidden_bias", router.hidden_bias, false, rate});
    all.push_back({name + ".output", router.output, false, rate});
    all.push_back({name + ".output_bias", router.output_bias, false, rate});
}

std::vector<float> values(const at::Tensor& tensor)
{
    const at::Tensor flat = tensor.detach().to(at::kCPU).contiguous();
    const float* data = flat.const_data_ptr<float>();
    return {data, data + flat.numel()};
}

LinearWeights exportedLinear(const at::Tensor& weight, const at::Tensor& bias)
{
    return {static_cast<int>(weight.size(1)), static_cast<int>(weight.size(0)), values(weight), values(bias)};
}

RouterNetwork exportedNetwork(const RouterTensors& router)
{
    return {exportedLinear(router.hidden, router.hidden_bias), exportedLinear(router.output, router.output_bias)};
}

RouterTensors tensorsOf(const RouterNetwork& router)
{
    const auto matrix = [](const LinearWeights& linear) {
        return at::tensor(linear.weight).view({linear.out, linear.in});
    };
    return {matrix(router.hidden), at::tensor(router.hidden.bias), matrix(router.output),
            at::tensor(router.output.bias)};
}

at::Tensor secondLinear(const RouterTensors& router, const at::Tensor& inner)
{
    return at::linear(at::leaky_relu(inner, RouterNetwork::kNegativeSlope), router.output, router.output_bias);
}

/// 1 at the largest of the last dimension, else 0.
at::Tensor largestOf(const at::Tensor& scores)
{
    return at::zeros_like(scores).scatter_(-1, scores.argmax(-1, /*keepdim=*/true), 1.0);
}

/// prefix[c][u] = 1 for the units u that choice c has, [choices, full width].
at::Tensor prefixes(const std::vector<int>& choices, at::Device place)
{
    at::Tensor rows = at::zeros({static_cast<std::int64_t>(choices.size()), choices.back()}, place);
    for (std::size_t c = 0; c < choices.size(); ++c)
        rows[static_cast<std::int64_t>(c)].narrow(0, 0, choices[c]).fill_(1);
    return rows;
}

} // namespace

std::vector<TrainedTensor> TrainableRouters::trainedDynamic(double rate) const
{
    std::vector<TrainedTensor> all;
    for (std::size_t l = 0; l < mlp.size(); ++l) {
        addTrained(all, heads[l], "routers.heads." + std::to_string(l), rate);
        addTrained(all, mlp[l], "routers.mlp." + std::to_string(l), rate);
    }
    return all;
}

std::vector<TrainedTensor> TrainableRouters::trained(double rate, double static_rate) const
{
    std::vector<TrainedTensor> all = trainedDynamic(rate);
    addTrained(all, fixed, "routers.static", static_rate);
    return all;
}

void TrainableRouters::moveTo(at::Device place)
{
    const auto move = [&](RouterTensors& router) {
        for (at::Tensor* tensor : {&router.hidden, &router.hidden_bias, &router.output, &router.output_bias})
            *tensor = tensor->to(place);
    };
    for (RouterTensors& router : heads) move(router);
    for (RouterTensors& router : mlp) move(router);
    move(fixed);
}

Routers TrainableRouters::exported() const
{
    Routers routers;
    routers.budget_list = budget_list;
    routers.choices = choices;
    routers.router_inter_dim = static_cast<int>(mlp.front().hidden.size(0));
    for (std::size_t l = 0; l < mlp.size(); ++l) {
        routers.heads.push_back(exportedNetwork(heads[l]));
        routers.mlp.push_back(exportedNetwork(mlp[l]));
    }
    routers.fixed = exportedNetwork(fixed);
    return routers;
}

TrainableRouters newRouters(const ModelConfig& config, const ChoiceSets& choices, std::vector<double> budget_list,
                            int router_inter_dim, double widest_bias, std::uint64_t seed)
{
    at::Generator generator = at::detail::createCPUGenerator(seed);
    TrainableRouters routers;
    routers.budget_list = std::move(budget_list);
    routers.choices = choices;
    const auto stops = static_cast<std::int64_t>(routers.budget_list.size());
    const auto head_choices = static_cast<std::int64_t>(choices.head_int_list.size());
    const auto mlp_choices = static_cast<std::int64_t>(choices.mlp_int_list.size());
    for (int l = 0; l < config.numLayers(); ++l) {
        routers.heads.push_back(newNetwork(config.hidden_size, stops, router_inter_dim, head_choices, generator));
        routers.mlp.push_back(newNetwork(config.hidden_size, stops, router_inter_dim, mlp_choices, generator));
        routers.heads.back().output_bias[head_choices - 1] = widest_bias;
        routers.mlp.back().output_bias[mlp_choices - 1] = widest_bias;
    }
    const std::int64_t per_layer = head_choices + mlp_choices;
    routers.fixed = newNetwork(0, stops, router_inter_dim, config.numLayers() * per_layer, generator);
    for (int l = 0; l < config.numLayers(); ++l) {
        routers.fixed.output_bias[l * per_layer + head_choices - 1] = widest_bias;
        routers.fixed.output_bias[(l + 1) * per_layer - 1] = widest_bias;
    }
    return routers;
}

TrainableRouters trainableRouters(const Routers& routers)
{
    TrainableRouters result;
    result.budget_list = routers.budget_list;
    result.choices = routers.choices;
    for (const RouterNetwork& router : routers.heads) result.heads.push_back(tensorsOf(router));
    for (const RouterNetwork& router : routers.mlp) result.mlp.push_back(tensorsOf(router));
    if (routers.fixed) result.fixed = tensorsOf(*routers.fixed);
    return result;
}

CostOf flopCost(const ModelConfig& config)
{
    CostOptions options;
    options.context = std::min(options.context, config.max_position_embeddings);
    options.kv = KvRule::All;
    return [&config, options](const SubNetwork& subnet) {
        return static_cast<double>(costOf(subnet, config, options).flops_per_token);
    };
}

CostShares CostShares::of(const ModelConfig& config, const ChoiceSets& choices, const CostOf& cost)
{
    const SubNetwork nothing = uniformSubNetwork(config, 0, 0);
    const double full = cost(fullSubNetwork(config)), least = cost(nothing);
    const auto shares = [&](const std::vector<int>& widths, std::vector<int> SubNetwork::*block) {
        std::vector<float> result;
        for (const int width : widths) {
            SubNetwork one = nothing;
            (one.*block)[0] = width;
            result.push_back(static_cast<float>((cost(one) - least) / full));
        }
        return at::tensor(result);
    };
    return {least / full, shares(choices.head_int_list, &SubNetwork::heads),
            shares(choices.mlp_int_list, &SubNetwork::mlp)};
}

RoutedWidths::RoutedWidths(const ModelConfig& config, const TrainableRouters& routers, const CostShares& costs,
                           const std::vector<double>& targets, ChoiceDraw draw, bool fixed)
    : config_(config)
    , routers_(routers)
    , costs_(costs)
    , draw_(draw)
    , fixed_(fixed)
    , cost_(at::zeros({static_cast<std::int64_t>(targets.size())}, costs.heads.device()))
    , noise_(at::detail::createCPUGenerator(draw.seed))
    , expected_cost_(at::zeros_like(cost_))
{
    std::vector<float> codes;
    for (const double target : targets) {
        const std::vector<float> code = targetCode(target, routers.budget_list);
        codes.insert(codes.end(), code.begin(), code.end());
    }
    code_ = at::tensor(codes).view({static_cast<std::int64_t>(targets.size()), -1}).to(cost_.device());
    if (fixed_)
        fixed_logits_ = secondLinear(routers.fixed, at::linear(code_, routers.fixed.hidden, routers.fixed.hidden_bias));
}

at::Tensor RoutedWidths::logits(int layer, SubBlock block, const at::Tensor& normalised) const
{
    const auto head_choices = static_cast<std::int64_t>(routers_.choices.head_int_list.size());
    const auto mlp_choices = static_cast<std::int64_t>(routers_.choices.mlp_int_list.size());
    const bool heads = block == SubBlock::Attention;
    if (fixed_) { // [B, 1, choices]
        const std::int64_t first = layer * (head_choices + mlp_choices) + (heads ? 0 : head_choices);
        return fixed_logits_.narrow(1, first, heads ? head_choices : mlp_choices).unsqueeze(1);
    }
    const RouterTensors& router = (heads ? routers_.heads : routers_.mlp)[static_cast<std::size_t>(layer)];
    // W (x, code) = W_x x + W_code code: the code's part is the same for every token of a sequence.
    const std::int64_t d = normalised.size(-1), stops = code_.size(1);
    const at::Tensor of_code = at::linear(code_, router.hidden.narrow(1, d, stops), router.hidden_bias); // [B, inner]
    return secondLinear(router, at::linear(normalised, router.hidden.narrow(1, 0, d)) + of_code.unsqueeze(1));
}

/// [B, T or 1, choices]; in training hard forwards, soft backwards.
at::Tensor RoutedWidths::oneHot(const at::Tensor& logits)
{
    if (!draw_.training) return largestOf(logits.detach());
    // Drawn on the CPU wherever the model is: the same noise on every device.
    at::Tensor noise = at::empty(logits.sizes(), at::kFloat);
    noise.exponential_(1, noise_).log_().neg_(); // Gumbel
    const at::Tensor noisy = logits + draw_.noise * noise.to(logits.device());
    const at::Tensor soft = at::softmax(noisy / draw_.temperature, -1);
    return largestOf(soft.detach()) - soft.detach() + soft;
}

/// What the routers' probabilities say, without a graph.
void RoutedWidths::note(const at::Tensor& logits, const at::Tensor& costs)
{
    const at::NoGradGuard no_graph;
    const at::Tensor log_probabilities = at::log_softmax(logits, -1);
    const at::Tensor probabilities = log_probabilities.exp();
    entropies_.push_back(-(log_probabilities * probabilities).sum(-1).mean());
    expected_cost_ = expected_cost_ + at::matmul(probabilities, costs).mean(1);
}

PassWidth RoutedWidths::choose(int layer, SubBlock block, const at::Tensor& normalised)
{
    const bool heads = block == SubBlock::Attention;
    const std::vector<int>& widths = heads ? routers_.choices.head_int_list : routers_.choices.mlp_int_list;
    const at::Tensor& costs = heads ? costs_.heads : costs_.mlp;
    const at::Tensor decision = logits(layer, block, normalised);
    const at::Tensor choice = oneHot(decision); // [B, T or 1, choices]
    if (draw_.training) note(decision, costs);
    made_.push_back(choice.detach());
    means_.push_back(choice.mean(1));
    const at::Tensor mask = at::matmul(draw_.through_model ? choice : choice.detach(),
                                       prefixes(widths, choice.device())); // [B, T or 1, width]
    cost_ = cost_ + at::matmul(choice, costs).mean(1);
    return {widths.back(), mask};
}

std::vector<double> RoutedWidths::costs() const
{
    const at::Tensor sums = cost().detach().to(at::kCPU, at::kDouble).contiguous();
    return {sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + sums.numel()};
}

std::vector<double> RoutedWidths::expectedCosts() const
{
    const at::Tensor sums = (costs_.fixed + expected_cost_).to(at::kCPU, at::kDouble).contiguous();
    return {sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + sums.numel()};
}

void RoutedWidths::describe(std::map<std::string, double>& numbers) const
{
    for (std::size_t i = 0; i < made_.size(); ++i) {
        const bool heads = i % 2 == 0;
        const std::vector<int>& widths = heads ? routers_.choices.head_int_list : routers_.choices.mlp_int_list;
        const std::string place = (heads ? "heads_" : "mlp_") + std::to_string(i / 2);
        const at::Tensor shares = made_[i].mean(at::IntArrayRef{0, 1}).to(at::kCPU);
        const double entropy = entropies_[i].item<double>();
        for (std::size_t c = 0; c < widths.size(); ++c)
            numbers[place + "_" + std::to_string(widths[c])] = shares[static_cast<std::int64_t>(c)].item<double>();
        numbers["entropy_" + place] = entropy;
        numbers["entropy"] += entropy / static_cast<double>(made_.size());
    }
}

ShuffledWidths::ShuffledWidths(const RoutedWidths& routed, const ChoiceSets& choices, std::uint64_t seed)
    : choices_(choices)
    , cost_(at::full_like(routed.cost(), routed.cost().mean().item<double>()))
{
    at::Generator generator = at::detail::createCPUGenerator(seed);
    for (const at::Tensor& choice : routed.choices()) {
        const at::Tensor rows = choice.flatten(0, 1);
        const at::Tensor order = at::randperm(rows.size(0), generator, at::kLong).to(rows.device());
        shuffled_.push_back(rows.index_select(0, order).view(choice.sizes()));
    }
}

PassWidth ShuffledWidths::choose(int, SubBlock block, const at::Tensor&)
{
    const std::vector<int>& widths = block == SubBlock::Attention ? choices_.head_int_list : choices_.mlp_int_list;
    const at::Tensor& choice = shuffled_.at(next_++);
    return {widths.back(), at::matmul(choice, prefixes(widths, choice.device()))};
}

} // namespace flextron
