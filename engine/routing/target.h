// What the user asks for, and the plan it becomes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/latency/latency_table.h"
#include "engine/model/checkpoint.h"
#include "engine/model/choice_sets.h"
#include "engine/model/config.h"
#include "engine/model/cost.h"
#include "engine/model/subnetwork.h"
#include "engine/routing/width_plan.h"

namespace flextron {

enum class Routing {
    Uniform, ///< the same widths in every layer, found from the cost alone; needs no routers
    Static,  ///< the static router: one sub-network for the whole text
    Dynamic, ///< the dynamic routers: each token, layer by layer
};
std::string_view routingName(Routing routing); ///< "uniform", "static", "dynamic"
Result<Routing> parseRouting(std::string_view name);

struct Target {
    enum class Kind { Full, Budget, LatencyMs, Parameters, Quality, Explicit };
    Kind kind = Kind::Full;
    /// Budget: share of full latency in (0, 1]. LatencyMs: milliseconds a token. Parameters: active parameters a token.
    /// Quality: allowed rise of validation loss in nats. Unused otherwise.
    double value = 1.0;
    SubNetwork subnet; ///< Explicit
    /// Unset: dynamic where routers exist, else uniform.
    std::optional<Routing> routing;
    /// Budget: a share of FLOPs, whatever table there is: the same choices on every machine.
    bool by_flops = false;
};

/// "12.5M", "7e6", "0.6" (a share when at most 1) to a count of parameters of `config`.
Result<double> parseParameters(std::string_view text, const ModelConfig& config);

/// What a target is resolved against.
struct TargetContext {
    const ModelConfig* config = nullptr;
    const ChoiceSets* choices = nullptr;
    const LatencyTable* latency =
        nullptr; ///< null: shares of FLOPs stand in for shares of latency, and LatencyMs is refused
    std::shared_ptr<const Routers> routers; ///< may be null
    int context = 256;                      ///< the length at which a latency target holds
    KvRule kv = KvRule::All;
    /// For quality targets: what the conversion measured, and on which of its texts the rise is meant (empty: the first
    /// one recorded). Null or empty: the routers' surrogate answers, where there is one.
    const std::vector<RecordedLoss>* losses = nullptr;
    std::string quality_text;
};

struct ResolvedTarget {
    WidthPlan plan;
    Routing routing = Routing::Uniform;
    double share = 1.0;                 ///< predicted share of the full model's cost
    std::optional<double> predicted_ms; ///< from the table, where there is one
    std::string cost_basis;             ///< "latency table" or "FLOPs": what `share` is a share of
    /// Quality targets: the expected rise of the loss over the full model's, nats a token, and who says so.
    std::optional<double> predicted_rise;
    std::string quality_basis; ///< "losses recorded on TEXT" or "surrogate"
};

/// The best sub-network *not above* the target. A target below the floor is InvalidArgument, and the message names the
/// floor and the nearest target that can be met. A target that the full model meets is the full model, whatever the
/// routing. Our choices:
/// - Uniform: of the pairs of choices whose shares of width are at most one choice step apart, the costliest; where
///   none of those can be met, the costliest of the others (docs/method.md, uniform targets).
/// - Static: the costliest of what the router chooses between its stops that is not above the target, by the table at
///   hand. A budget below all of them gets the cheapest one, and `share` says so; other targets are refused there.
/// - Dynamic: the routers are asked for the budget (plan.budget, in FLOPs, as they were trained) that comes to the
///   target in the mean by the table at hand and the choices that the conversion recorded, their own time included; it
///   stays within the trained stops. `share` and `predicted_ms` are what that comes to; what a text really costs is
///   known once it was read. A share of FLOPs is asked as it is. Without recorded choices so is a share of the time;
///   for a latency the routers are then asked for what their time leaves of it, for a number of parameters for the
///   share of the uniform sub-network of that size.
/// - Quality: the cheapest that keeps the loss within the allowed rise over the full model's, by what the conversion
///   recorded for the routing; where it recorded nothing, and for uniform widths, by the surrogate. Unsupported where
///   there is neither.
Result<ResolvedTarget> resolveTarget(const Target& target, const TargetContext& context);

/// A stop of dynamic routers, and what it comes to by the context's table in the mean over the texts of the conversion.
struct DynamicStop {
    double budget = 1.0; ///< what the routers are asked for: a share of FLOPs
    double share = 1.0;  ///< of the full model's cost, the routers' own time included
    std::optional<double> predicted_ms;
};
/// Ascending, a budget of 1 last: all widths full, and the routers' time. Empty without a table or a record of choices:
/// then a budget is all that is known. Needs no routers.
std::vector<DynamicStop> dynamicStops(const TargetContext& context);

/// What the static router chooses when asked for `budget`, unchanged: the raw answer, which targets are not resolved
/// with. InvalidArgument without one, or when it belongs
/// to another model.
Result<SubNetwork> staticSubNetwork(const Routers& routers, double budget, const ModelConfig& config);

/// Predicted share of the full model's cost, as targets count it. Precondition: the context is complete and `subnet`
/// fits the model.
double shareOf(const SubNetwork& subnet, const TargetContext& context);

/// The uniform sub-network that comes nearest to costing `share` without being above it, any number of neurons and of
/// whole groups allowed: the control that routers are held against at equal cost (our choice). Heads and neurons are as
/// near to the same share of the full width as groups allow. The narrowest one when nothing fits.
SubNetwork uniformAtShare(double share, const TargetContext& context);

/// One stop of the slider: a uniform sub-network and its predicted share of full cost, ascending in share.
struct Stop {
    SubNetwork subnet;
    double share = 1.0;
    std::optional<double> predicted_ms;
    std::int64_t parameters = 0;
    std::optional<double> rise = std::nullopt; ///< expected, of the loss, nats a token; filled in by who wants it
};
/// The distinct results that resolveTarget can give for budgets (and latencies) under Routing::Uniform: the slider's
/// ticks. Each is what its own `share` resolves to. Precondition: the context is complete and its choice sets fit.
std::vector<Stop> uniformStops(const TargetContext& context);

} // namespace flextron
