// Frequencies of the rotary position embedding.
#pragma once

#include <vector>

#include "engine/model/config.h"

namespace flextron {

/// Radians a position, [head_dim / 2]. Source: Su et al., 2021; scaling as in transformers' modeling_rope_utils.
std::vector<double> ropeFrequencies(const ModelConfig& config);

} // namespace flextron
