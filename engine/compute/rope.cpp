#include <cmath>
#include <numbers>

#include "engine/compute/rope_p.h"

namespace flextron {
namespace {

/// Llama 3: waves longer than the old context are stretched by `factor`, short ones stay, those between are blended.
double llama3Frequency(double frequency, const RopeConfig& rope)
{
    const double wavelength = 2 * std::numbers::pi / frequency;
    const double old_context = rope.original_max_position_embeddings;
    if (wavelength > old_context / rope.low_freq_factor) return frequency / rope.factor;
    if (wavelength < old_context / rope.high_freq_factor) return frequency;
    const double smooth = (old_context / wavelength - rope.low_freq_factor) /
                          (rope.high_freq_factor - rope.low_freq_factor);
    return (1 - smooth) * frequency / rope.factor + smooth * frequency;
}

} // namespace

std::vector<double> ropeFrequencies(const ModelConfig& config)
{
    const RopeConfig& rope = config.rope;
    std::vector<double> frequencies;
    for (int i = 0; i < config.head_dim / 2; ++i) {
        const double frequency = std::pow(rope.theta, -2.0 * i / config.head_dim);
        switch (rope.scaling) {
        case RopeConfig::Scaling::None: frequencies.push_back(frequency); break;
        case RopeConfig::Scaling::Linear: frequencies.push_back(frequency / rope.factor); break;
        case RopeConfig::Scaling::Llama3: frequencies.push_back(llama3Frequency(frequency, rope)); break;
        }
    }
    return frequencies;
}

} // namespace flextron
