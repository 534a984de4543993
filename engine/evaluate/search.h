// The best sub-network for a target, by the surrogate and the latency table at hand: no training, no routers.
//
// Source: Flextron's surrogate answers without running the model; the search, that what it proposes is read for real,
// corrects the surrogate and decides, are our choice (docs/method.md).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/evaluate/documents.h"
#include "engine/generate/loaded_model.h"
#include "engine/routing/target.h"

namespace flextron {

struct SearchGoal {
    enum class Kind {
        Share,     ///< least loss at no more than this share of the full model's cost
        LatencyMs, ///< least loss in no more than these milliseconds a token
        Quality,   ///< least cost with a loss at most so many nats a token above the full model's
    };
    Kind kind = Kind::Share;
    double value = 1.0;
};

struct SearchCandidate {
    SubNetwork subnet; ///< widths of the choice sets, in general different in every layer
    double share = 1.0;
    std::optional<double> ms;
    std::int64_t parameters = 0;
    double predicted_rise = 0; ///< nats a token, by the surrogate as it is in the file
    TextLoss measured;         ///< by reading the documents
    double measured_rise = 0;
};

struct SearchOptions {
    int candidates = 16; ///< read for real, each search led by what those before taught
    int restarts = 24;
    int context = 256; ///< length at which cost is counted
    KvRule kv = KvRule::Own;
    std::uint64_t seed = 1;
};

struct SearchResult {
    std::vector<SearchCandidate> candidates; ///< best first: by measured loss, or for Quality those that meet it first
    TextLoss full;
    bool met = true; ///< Quality: the best candidate's measured rise is within the goal
};

/// Unsupported without a surrogate; InvalidArgument below the floor, with the nearest goal that can be met, for
/// milliseconds without a table, and without documents. Deterministic for a seed.
Result<SearchResult> searchSubNetwork(const LoadedModel& model, const SearchGoal& goal, const Documents& documents,
                                      const SearchOptions& options = {}, const ProgressFn& progress = {},
                                      const CancelToken& cancel = {});

} // namespace flextron
