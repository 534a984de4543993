#include "engine/training/optimizer_p.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <tuple>

namespace flextron {

double learningRate(const TrainOptions& options, std::int64_t step, std::int64_t steps)
{
    const double warm_up = std::max(1.0, std::round(options.warm_up_share * static_cast<double>(steps)));
    const auto at = static_cast<double>(step);
    if (at < warm_up) return options.learning_rate * (at + 1) / warm_up;
    const double done = (at - warm_up) / std::max(1.0, static_cast<double>(steps) - 1 - warm_up); // 1 at the last step
    const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(done, 1.0)));
    return options.learning_rate * (options.final_rate_share + (1 - options.final_rate_share) * cosine);
}

AdamW::AdamW(std::vector<TrainedTensor> tensors, const TrainOptions& options)
    : weight_decay_(options.weight_decay)
    , beta1_(options.beta1)
    , beta2_(options.beta2)
    , epsilon_(options.epsilon)
    , clip_(options.clip)
{
    for (TrainedTensor& trained : tensors) {
        at::Tensor first = at::zeros_like(trained.tensor), second = at::zeros_like(trained.tensor);
        at::Tensor steps = at::zeros({}, trained.tensor.options().dtype(at::kFloat).requires_grad(false));
        entries_.push_back({std::move(trained), first, second, steps});
    }
}

void AdamW::forgetGradients()
{
    for (Entry& entry : entries_) entry.trained.tensor.mutable_grad().reset();
}

double AdamW::clipGradients()
{
    std::vector<at::Tensor> gradients;
    for (const Entry& entry : entries_)
        if (entry.trained.tensor.grad().defined()) gradients.push_back(entry.trained.tensor.grad());
    if (gradients.empty()) return 0;
    const at::NoGradGuard no_graph;
    const double norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients))).item<double>();
    if (norm > clip_) at::_foreach_mul_(gradients, clip_ / norm);
    return norm;
}

void AdamW::step(double learning_rate)
{
    // One fused call for all tensors with the same decay and rate.
    std::map<std::pair<bool, double>, std::vector<const Entry*>> groups;
    for (const Entry& entry : entries_)
        if (entry.trained.tensor.grad().defined()) groups[{entry.trained.decays, entry.trained.rate}].push_back(&entry);
    for (const auto& [kind, members] : groups) {
        std::vector<at::Tensor> tensors, gradients, first, second, steps;
        for (const Entry* entry : members) {
            tensors.push_back(entry->trained.tensor.detach()); // the same memory, outside the graph
            gradients.push_back(entry->trained.tensor.grad().detach());
            first.push_back(entry->first);
            second.push_back(entry->second);
            steps.push_back(entry->steps);
        }
        at::_foreach_add_(steps, 1);
        at::_fused_adamw_(tensors, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, learning_rate * kind.second,
                          beta1_, beta2_, kind.first ? weight_decay_ : 0.0, epsilon_, /*amsgrad=*/false,
                          /*maximize=*/false);
    }
}

NamedTensors AdamW::state() const
{
    NamedTensors state;
    for (const Entry& entry : entries_) {
        state.emplace_back("weight." + entry.trained.name, entry.trained.tensor.detach());
        state.emplace_back("first." + entry.trained.name, entry.first);
        state.emplace_back("second." + entry.trained.name, entry.second);
        state.emplace_back("steps." + entry.trained.name, entry.steps);
    }
    return state;
}

void restoreTensors(const NamedTensors& tensors, const std::map<std::string, at::Tensor>& state)
{
    for (const auto& [name, tensor] : tensors) {
        const auto found = state.find(name);
        if (found == state.end() || found->second.sizes() != tensor.sizes())
            throw Failure(ErrorCode::Corrupt, "the saved training state has no fitting tensor \"" + name + "\"",
                          "start anew without --resume");
        at::Tensor(tensor).copy_(found->second);
    }
}

} // namespace flextron
