// Quality against cost: one point for each routing and budget, all read on the same documents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/evaluate/documents.h"
#include "engine/generate/loaded_model.h"
#include "engine/routing/target.h"

namespace flextron {

struct ParetoOptions {
    std::vector<double> budgets{1.0, 0.9, 0.8, 0.7, 0.6, 0.5};
    bool searched = false;   ///< also the best sub-network by the surrogate (search.h), on the same documents
    int context = 256;       ///< length at which cost is counted
    KvRule kv = KvRule::Own; ///< of fixed widths; dynamic routing keeps all keys and values
    std::uint64_t seed = 1;
};

struct ParetoPoint {
    std::string routing;      ///< "full", "uniform", "static", "dynamic", "searched"
    double budget = 1.0;      ///< asked share of the full model's cost
    double share = 1.0;       ///< got; dynamic: mean over the tokens read
    std::optional<double> ms; ///< a token, predicted by the latency table at hand; dynamic: mean
    double parameters = 0;    ///< active a token; dynamic: mean
    std::string subnet;       ///< toString; empty for dynamic
    TextLoss loss;
    /// No other point costs no more and loses no more (one of both less).
    bool on_front = false;
};

struct Pareto {
    std::string cost_basis; ///< "latency table" or "FLOPs"
    std::vector<ParetoPoint> points;
    /// Targets that no member of a routing can meet, in words.
    std::vector<std::string> left_out;
};

/// The full model first, then uniform, and static, dynamic and searched where the model has what they need, by budgets
/// as given. Two budgets that come to the same sub-network give one point. InvalidArgument without documents.
Result<Pareto> measurePareto(const LoadedModel& model, const Documents& documents, const ParetoOptions& options = {},
                             const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
