// The static router in the last stage: trained on through the surrogate alone. Not a public header.
//
// Source: Flextron section 3.2 trains routers through the surrogate. A static router's choices are all that its loss
// depends on, so a surrogate fitted to the finished model is the right judge of it; that it is refined at the end, and
// how, is our choice (docs/method.md, "The surrogate").
#pragma once

#include <functional>

#include "engine/base/cancellation.h"
#include "engine/training/router_networks_p.h"
#include "engine/training/surrogate_fit_p.h"

namespace flextron {

struct StaticRefining {
    int steps = 600;
    int targets = 32; ///< drawn for each step: half of them stops, the others between the last stop and 1
    double rate = 0.005;
    /// Weight of what a choice costs below its target; what it costs above weighs kOvershoot times that, since a target
    /// is a limit. Training and judging weigh alike. Well above the nats that a full model's cost buys.
    double lambda = 8;
    static constexpr double kOvershoot = 4;
    double temperature_start = 0.3, temperature_end = 0.1; ///< of the Gumbel-softmax, and of its noise
};

/// Trains a copy of routers.fixed; no token is read and no model run. `judge` says how bad the argmax choices of a
/// state are; of the states met in the second half, the starting one too, the best is returned.
RouterTensors refineStatic(const ModelConfig& config, const TrainableRouters& routers, const SurrogateFit& surrogate,
                           const CostShares& costs, const StaticRefining& refining,
                           const std::function<double(const RouterTensors&)>& judge, std::uint64_t seed,
                           const CancelToken& cancel);

} // namespace flextron
