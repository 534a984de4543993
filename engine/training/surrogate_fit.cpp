#include "engine/training/surrogate_fit_p.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

namespace flextron {
namespace {

constexpr double kErrorMemory = 0.9; // of the running error

at::Tensor normal(at::IntArrayRef shape, std::uint64_t seed)
{
    at::Generator generator = at::detail::createCPUGenerator(seed);
    const double deviation = 1 / std::sqrt(static_cast<double>(shape.back()));
    return at::normal(0.0, deviation, shape, generator, at::TensorOptions().dtype(at::kFloat)).set_requires_grad(true);
}

TrainOptions fitOptions()
{
    TrainOptions options;
    options.weight_decay = 0;
    options.beta2 = 0.99;
    return options;
}

std::vector<float> values(const at::Tensor& tensor)
{
    const at::Tensor flat = tensor.detach().contiguous();
    return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

} // namespace

SurrogateFit::SurrogateFit(std::int64_t inputs, int inner, double rate, std::uint64_t seed)
    : hidden_(normal({inner, inputs}, seed))
    , hidden_bias_(at::zeros({inner}).set_requires_grad(true))
    , output_(normal({1, inner}, seed + 1))
    , output_bias_(at::zeros({1}).set_requires_grad(true))
    , means_(at::zeros({kKept, inputs}))
    , rises_(at::zeros({kKept}))
    , seen_(at::zeros({}, at::kDouble))
    , error_(at::ones({}, at::kDouble))
    , rate_(rate)
    , optimizer_({{"surrogate.hidden", hidden_},
                  {"surrogate.hidden_bias", hidden_bias_},
                  {"surrogate.output", output_},
                  {"surrogate.output_bias", output_bias_}},
                 fitOptions())
{
}

at::Tensor SurrogateFit::forward(const at::Tensor& means, bool trained) const
{
    const auto use = [&](const at::Tensor& weight) { return trained ? weight : weight.detach(); };
    const at::Tensor inner = at::leaky_relu(at::linear(means, use(hidden_), use(hidden_bias_)),
                                            RouterNetwork::kNegativeSlope);
    return at::linear(inner, use(output_), use(output_bias_)).squeeze(-1);
}

at::Tensor SurrogateFit::predict(const at::Tensor& means) const
{
    return forward(means, false);
}

void SurrogateFit::observe(const at::Tensor& means, const at::Tensor& rises, const at::Tensor& losses)
{
    const double measured = losses.mean().item<double>();
    const double off = (predict(means).mean() - rises.mean()).item<double>();
    const double error = std::abs(off) / std::max(measured, 1e-6);
    const auto seen = static_cast<std::int64_t>(seen_.item<double>());
    error_.fill_(seen == 0 ? error : kErrorMemory * this->error() + (1 - kErrorMemory) * error);
    for (std::int64_t i = 0; i < rises.size(0); ++i) {
        means_[(seen + i) % kKept].copy_(means[i]);
        rises_[(seen + i) % kKept].copy_(rises[i]);
    }
    seen_.add_(static_cast<double>(rises.size(0)));
}

void SurrogateFit::learn(int steps)
{
    const auto kept = std::min<std::int64_t>(kKept, static_cast<std::int64_t>(seen_.item<double>()));
    const at::Tensor means = means_.narrow(0, 0, kept), rises = rises_.narrow(0, 0, kept);
    for (int i = 0; i < steps; ++i) {
        optimizer_.forgetGradients();
        at::mse_loss(forward(means, true), rises).backward();
        optimizer_.clipGradients();
        optimizer_.step(rate_);
    }
    optimizer_.forgetGradients();
}

RouterNetwork SurrogateFit::exported() const
{
    const auto linear = [](const at::Tensor& weight, const at::Tensor& bias) {
        return LinearWeights{static_cast<int>(weight.size(1)), static_cast<int>(weight.size(0)), values(weight),
                             values(bias)};
    };
    return {linear(hidden_, hidden_bias_), linear(output_, output_bias_)};
}

std::vector<std::pair<std::string, at::Tensor>> SurrogateFit::state() const
{
    auto all = optimizer_.state();
    all.emplace_back("surrogate.kept_means", means_);
    all.emplace_back("surrogate.kept_rises", rises_);
    all.emplace_back("surrogate.seen", seen_);
    all.emplace_back("surrogate.error", error_);
    return all;
}

} // namespace flextron
