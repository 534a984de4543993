// Quality against cost: which sub-networks to try, and which of them nothing beats. The measuring runs on the engine's
// thread.
#pragma once

#include <span>
#include <vector>

#include <QString>

#include "engine/base/cancellation.h"
#include "engine/generate/loaded_model.h"
#include "ui/data/comparison.h"

namespace flextron::ui {

enum class ParetoKind { Uniform, Static, Dynamic, Pinned };
QString paretoKindName(ParetoKind kind);

struct ParetoRequest {
    ParetoKind kind = ParetoKind::Uniform;
    QString name;
    PaneChoice choice;
};

struct ParetoPoint {
    ParetoRequest request;
    double share = 1.0;        ///< of the full model's cost; dynamic: of the widths that were used
    double ms = 0;             ///< a token, predicted; NaN without a latency table
    double loss = 0;           ///< mean nats a token
    double standard_error = 0; ///< of the mean, tokens taken as independent
    std::int64_t tokens = 0;
    /// What is drawn along: ms, or the share without a table.
    [[nodiscard]] double cost() const;
};

/// Every uniform stop; with routers, static and dynamic at `between` targets from the floor to 1; the pins.
std::vector<ParetoRequest> paretoRequests(const ModelInfo& model, const std::vector<Pin>& pins, int between = 6);

/// Reads `ids` with one of them. Engine thread.
Result<ParetoPoint> measurePoint(const LoadedModel& model, const ParetoRequest& request, std::span<const TokenId> ids,
                                 const ProgressFn& progress, const CancelToken& cancel);

/// Indices of points that no other is both cheaper and better than, by rising cost.
std::vector<std::size_t> paretoFront(const std::vector<ParetoPoint>& points);

/// "dynamic 0.60: 0.45 ms (0.61 of full), loss 2.013 ± 0.020 nats"
QString describePoint(const ParetoPoint& point);

} // namespace flextron::ui
