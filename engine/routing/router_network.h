// The small networks of routing: Linear, LeakyReLU(0.1), Linear.
#pragma once

#include <vector>

namespace flextron {

/// y = weight x + bias.
struct LinearWeights {
    int in = 0;
    int out = 0;
    std::vector<float> weight; ///< [out, in], row-major
    std::vector<float> bias;   ///< [out]
};

/// Linear -> LeakyReLU(0.1) -> Linear.
struct RouterNetwork {
    static constexpr float kNegativeSlope = 0.1f;
    LinearWeights hidden; ///< [inner size, inputs]
    LinearWeights output; ///< [outputs, inner size]
};

/// Logits [output.out] for one input [hidden.in]: the definition that every backend must agree with.
std::vector<float> routerLogits(const RouterNetwork& router, const std::vector<float>& input);

} // namespace flextron
