#include "engine/routing/routers.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/base/random.h"

namespace flextron {

namespace {

/// y = weight x + bias, summed in double: the order of the sum shall not decide a choice.
std::vector<float> applyLinear(const LinearWeights& linear, const std::vector<float>& input)
{
    if (static_cast<int>(input.size()) != linear.in)
        throw Failure(ErrorCode::Internal, "a router's input has " + std::to_string(input.size()) +
                                               " numbers, expected " + std::to_string(linear.in));
    std::vector<float> result(linear.bias);
    for (std::size_t row = 0; row < result.size(); ++row) {
        const float* weights = linear.weight.data() + row * input.size();
        double sum = linear.bias[row];
        for (std::size_t column = 0; column < input.size(); ++column)
            sum += static_cast<double>(weights[column]) * static_cast<double>(input[column]);
        result[row] = static_cast<float>(sum);
    }
    return result;
}

/// Weights and biases drawn from N(0, 1/in), so that inputs of size one give outputs of size one.
class RandomNetworks {
public:
    explicit RandomNetworks(std::uint64_t seed) : seed_(seed) {}

    RouterNetwork network(int inputs, int inner, int outputs)
    {
        return {linear(inputs, inner), linear(inner, outputs)};
    }

private:
    LinearWeights linear(int in, int out)
    {
        LinearWeights result{in, out, {}, {}};
        const double scale = 1.0 / std::sqrt(static_cast<double>(in));
        const auto draw = [&] { return static_cast<float>(scale * normalNumber(seed_, next_++)); };
        result.weight.resize(static_cast<std::size_t>(in) * static_cast<std::size_t>(out));
        result.bias.resize(static_cast<std::size_t>(out));
        std::generate(result.weight.begin(), result.weight.end(), draw);
        std::generate(result.bias.begin(), result.bias.end(), draw);
        return result;
    }

    std::uint64_t seed_;
    std::uint64_t next_ = 0;
};

} // namespace

std::vector<float> targetCode(double budget, const std::vector<double>& budget_list)
{
    std::vector<float> code(budget_list.size(), 0.0f);
    if (code.empty()) return code;
    if (budget >= budget_list.front()) {
        code.front() = 1.0f;
        return code;
    }
    // The list descends: `below` is the first stop that is not above the budget.
    const auto below = std::lower_bound(budget_list.begin(), budget_list.end(), budget, std::greater<>());
    if (below == budget_list.end()) {
        code.back() = 1.0f;
        return code;
    }
    const auto index = static_cast<std::size_t>(below - budget_list.begin());
    const double upper = budget_list[index - 1];
    const double share_of_upper = (budget - *below) / (upper - *below);
    code[index - 1] = static_cast<float>(share_of_upper);
    code[index] = static_cast<float>(1.0 - share_of_upper);
    return code;
}

std::vector<float> routerLogits(const RouterNetwork& router, const std::vector<float>& input)
{
    std::vector<float> inner = applyLinear(router.hidden, input);
    for (float& value : inner)
        if (value < 0.0f) value *= RouterNetwork::kNegativeSlope;
    return applyLinear(router.output, inner);
}

std::vector<float> softmax(const std::vector<float>& logits)
{
    if (logits.empty()) return {};
    const float largest = *std::max_element(logits.begin(), logits.end());
    std::vector<float> probabilities(logits.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        probabilities[i] = std::exp(logits[i] - largest);
        sum += static_cast<double>(probabilities[i]);
    }
    for (float& probability : probabilities) probability = static_cast<float>(static_cast<double>(probability) / sum);
    return probabilities;
}

float routerMargin(std::span<const float> probabilities)
{
    if (probabilities.size() < 2) return 1.0f;
    float first = 0.0f;
    float second = 0.0f;
    for (const float probability : probabilities) {
        if (probability > first) second = std::exchange(first, probability);
        else second = std::max(second, probability);
    }
    return first - second;
}

float routerEntropy(std::span<const float> probabilities)
{
    double sum = 0.0;
    for (const float probability : probabilities) {
        const auto p = static_cast<double>(probability);
        if (p > 0.0) sum -= p * std::log(p);
    }
    return static_cast<float>(sum);
}

int argmax(const std::vector<float>& values)
{
    return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}

Routers randomRouters(const ModelConfig& config, const ChoiceSets& choices, const std::vector<double>& budget_list,
                      int router_inter_dim, std::uint64_t seed)
{
    Routers routers;
    routers.budget_list = budget_list;
    routers.choices = choices;
    routers.router_inter_dim = router_inter_dim;
    const int stops = static_cast<int>(budget_list.size());
    const int head_choices = static_cast<int>(choices.head_int_list.size());
    const int mlp_choices = static_cast<int>(choices.mlp_int_list.size());
    RandomNetworks random(seed);
    for (int layer = 0; layer < config.numLayers(); ++layer) {
        routers.heads.push_back(random.network(config.hidden_size + stops, router_inter_dim, head_choices));
        routers.mlp.push_back(random.network(config.hidden_size + stops, router_inter_dim, mlp_choices));
    }
    routers.fixed = random.network(stops, router_inter_dim, config.numLayers() * (head_choices + mlp_choices));
    return routers;
}

} // namespace flextron
