// What each sub-block of each layer costs at each width: milliseconds of this device's table, or FLOPs before there is
// one.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/generate/trace.h"
#include "engine/latency/latency_table.h"
#include "engine/model/config.h"
#include "engine/routing/overrides.h"
#include "engine/routing/target.h"

namespace flextron::ui {

/// Keys and values of all groups, one decoded token at `context` tokens. Costs add up: fixed() and every sub-block's
/// are the whole. Remembers what it has computed; one thread.
class LayerCosts {
public:
    LayerCosts(ModelConfig config, std::optional<LatencyTable> table, int context = 256);

    [[nodiscard]] bool fromTable() const { return table_.has_value(); }
    /// What no width changes: embedding, output head, keys and values of groups that are not used.
    [[nodiscard]] double fixed() const { return fixed_; }
    [[nodiscard]] double block(int layer, SubBlock block, int width) const;
    [[nodiscard]] double fullLayer(int layer) const;
    [[nodiscard]] double full() const { return full_; }
    /// What dynamic routers take of a token's time, beside all that; 0 without a table.
    [[nodiscard]] double routersMs() const { return routers_ms_; }

private:
    [[nodiscard]] double whole(const SubNetwork& subnet) const;
    ModelConfig config_;
    std::optional<LatencyTable> table_;
    int context_;
    double fixed_ = 0;
    double full_ = 0;
    double routers_ms_ = 0;
    mutable std::map<std::pair<int, int>, double> mlp_; // by (layer, width)
    mutable std::map<std::pair<int, int>, double> attention_;
};

/// A layer's cost for one token with the widths that it was read with. NaN where it was not read.
double layerCost(const Trace& trace, int token, int layer, const LayerCosts& costs);
/// The same in the mean over the routers' probabilities: what was expected before the largest was taken. NaN without
/// routers.
double expectedLayerCost(const Trace& trace, int token, int layer, const LayerCosts& costs);

/// Shares of the full model's cost, 0 to 1, the fixed part and, by a table, the routers' own time included;
/// milliseconds of one token.
struct BudgetEntry {
    double expected = 0;    ///< by the routers (soft); NaN without them
    double chosen = 0;      ///< with the widths that were used
    double table_ms = 0;    ///< of these widths, and of the routers where they were asked; NaN without a table
    double measured_ms = 0; ///< of the step; NaN for tokens that were read together with others
    int forced = 0;         ///< sub-blocks whose width is not the routers' choice
};
/// NaN throughout for a token that was not read.
BudgetEntry budgetEntry(const Trace& trace, int token, const LayerCosts& costs);

struct LayerSpending {
    int layer = 0;
    double expected = 0; ///< share of the full layer's cost; NaN without routers
    double chosen = 0;   ///< likewise
    double over = 0;     ///< what it spends beyond the asked share, as a share of the full model's cost
};

struct BudgetLedger {
    double asked = 1.0;
    BudgetEntry mean;                  ///< over the tokens that were read; measured over those that were written
    std::vector<double> chosen;        ///< by token; NaN where not read
    std::vector<double> running_mean;  ///< of `chosen` up to each token
    std::vector<LayerSpending> layers; ///< the one that overspends most first
};
/// From the trace alone, with what sub-blocks cost here. `stops`: what dynamic routers come to by the table (they were
/// asked in FLOPs).
BudgetLedger budgetLedger(const Trace& trace, const LayerCosts& costs, const std::vector<DynamicStop>& stops = {});

} // namespace flextron::ui
