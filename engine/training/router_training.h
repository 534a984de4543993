// Training routers, and the joint finetuning of model and routers.
//
// Source: Flextron section 3.2 (routers that pick widths from a target, trained through a surrogate; joint finetuning
// of model and routers). The straight-through Gumbel-softmax and its temperature follow the later papers of the same
// line; the rest is our choice (docs/method.md, "Training"). Costs are shares of the full model's under KvRule::All.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/latency/latency_table.h"
#include "engine/training/train_options.h"

namespace flextron {

/// What tells routers which choices lose little.
enum class RouterGradient {
    StraightThrough, ///< the language model's own loss, through masks
    Surrogate,       ///< a surrogate of it, that sees choices alone; routers rest while it is off by too much
};

struct RouterOptions {
    std::vector<double> budget_list; ///< stops, descending from 1; empty: 1, 0.9, ... down to what the model can reach
    std::optional<LatencyTable> latency; ///< milliseconds at `context` are the cost; none: FLOPs
    int context = 256;
    RouterGradient gradient = RouterGradient::StraightThrough; ///< of the stage routers; joint is always the former
    int router_inter_dim = 32;
    double lambda = 4; ///< weight of |mean cost - target|, times (1 + distill_base): costs must not drift when the
                       ///< loss weighs more
    double temperature_start = 1;
    double temperature_end = 0.1;
    double noise_start = 1; ///< of the Gumbel noise; what is drawn comes to be the argmax, as at inference
    double noise_end = 0.1;
    double widest_bias = 1;            ///< of the widest choice's logit at the start
    int targets_a_batch = 2;           ///< a batch is cut into as many parts, each with a target of its own
    int static_every = 4;              ///< every so manieth step trains the static router; 0: never
    double router_rate = 1;            ///< of the learning rate, for the routers
    double static_rate = 4;            ///< of that, for the static router: it gets few steps, and has few inputs
    double full_share = 0.5;           ///< joint finetuning: share of the full model in a step's loss
    double distill_base = 0;           ///< weight of KL(frozen base || logits) in every pass's loss
    std::filesystem::path base;        ///< the frozen base; empty: `source` as it is before the stage
    double surrogate_threshold = 0.02; ///< running relative error above which routers rest
    int surrogate_inter_dim = 128;
    std::vector<double> validation_targets; ///< empty: the stops below 1
};

/// Trains dynamic and static routers for the checkpoint `source`, whose weights stay as they are, and writes both to
/// `out`. Loss: cross-entropy of the masked pass, or the surrogate's prediction, + lambda * |mean cost of the batch
/// part
/// - its target|, half of the targets being stops, the others drawn evenly between the last stop and 1. With a
/// surrogate its running relative error, the threshold and whether the gate is open stand in the metrics, and it is
/// written beside the routers.
Result<StageReport> trainRouters(const std::filesystem::path& source, const std::filesystem::path& out,
                                 const TrainOptions& options, const RouterOptions& routers,
                                 const ProgressFn& progress = {}, const CancelToken& cancel = {});

/// Trains the weights of `source` together with its routers.safetensors. Every step has a pass of the full model beside
/// the routed one, so that it is not starved. budget_list, router_inter_dim, the bias and the surrogate's settings are
/// the routers' own already and are not used. A surrogate that was there is dropped: it no longer fits.
Result<StageReport> finetuneJointly(const std::filesystem::path& source, const std::filesystem::path& out,
                                    const TrainOptions& options, const RouterOptions& routers,
                                    const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
