// AdamW with decoupled weight decay, and the learning rate's course. Not a public header.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/training/train_options.h"
#include "engine/training/weights_p.h"

namespace flextron {

/// Linear warm-up, then a cosine down to final_rate_share. `step` counts from 0.
double learningRate(const TrainOptions& options, std::int64_t step, std::int64_t steps);

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
/// Copies the tensors of `state` into those of the same name. Throws Failure(Corrupt) for a name or a shape that does
/// not fit.
void restoreTensors(const NamedTensors& tensors, const std::map<std::string, at::Tensor>& state);

/// Source: Loshchilov and Hutter, 2019. A tensor that got no gradient in a step is left alone, its moments too.
class AdamW {
public:
    AdamW(std::vector<TrainedTensor> tensors, const TrainOptions& options);

    void forgetGradients();
    /// Scales all gradients down together where their norm is above options.clip; returns the norm before that.
    double clipGradients();
    void step(double learning_rate);

    /// Weights, both moments and the count of steps of every tensor, by name: all that a later run needs.
    [[nodiscard]] NamedTensors state() const;

private:
    struct Entry {
        TrainedTensor trained;
        at::Tensor first, second; // running means of the gradient and its square
        at::Tensor steps;         // [] float32
    };
    std::vector<Entry> entries_;
    double weight_decay_, beta1_, beta2_, epsilon_, clip_;
};

} // namespace flextron
