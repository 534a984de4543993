// The surrogate in training: a small network fitted to (choices, rise of the loss). Not a public header.
#pragma once

#include "engine/routing/surrogate.h"
#include "engine/training/optimizer_p.h"

namespace flextron {

/// Fits to the last kKept pairs that it was shown, all of them in every step. Everything here is our choice.
class SurrogateFit {
public:
    static constexpr std::int64_t kKept = 1024;

    /// `inputs`: numbers of one choice mean; `inner`: size of the hidden layer.
    SurrogateFit(std::int64_t inputs, int inner, double rate, std::uint64_t seed);

    /// Predicted rises [N] for `means` [N, inputs], nats; differentiable in `means`, not in the surrogate's weights.
    [[nodiscard]] at::Tensor predict(const at::Tensor& means) const;
    /// Adds pairs (`means` [N, inputs], measured `rises` [N]), both without a graph. `losses` [N] are what was measured
    /// in all: before it learns from them, the mean prediction is held against the mean of `losses`.
    void observe(const at::Tensor& means, const at::Tensor& rises, const at::Tensor& losses);
    /// Steps of AdamW over the kept pairs.
    void learn(int steps);
    /// Running relative error of predictions made before the pair was learned from; 1 before the first one.
    [[nodiscard]] double error() const { return error_.item<double>(); }

    [[nodiscard]] RouterNetwork exported() const;
    /// All that a resumed run needs, written in place.
    [[nodiscard]] NamedTensors state() const;

private:
    [[nodiscard]] at::Tensor forward(const at::Tensor& means, bool trained) const;

    at::Tensor hidden_, hidden_bias_, output_, output_bias_;
    at::Tensor means_, rises_; // [kKept, inputs], [kKept]: a ring
    at::Tensor seen_;          // [] float64: pairs shown so far
    at::Tensor error_;         // [] float64
    double rate_;
    AdamW optimizer_;
};

} // namespace flextron
