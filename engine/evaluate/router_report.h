// What the routers of a model do on given texts, and whether it is worth anything: shares of choices, asked against got
// cost, loss against controls of equal cost, verdicts in words. (Our choice; the paper reports losses only.)
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

struct NamedDocuments {
    std::string name;
    Documents documents;
};

struct RouterReportOptions {
    /// Shares of FLOPs, as routers are trained, whatever costs are counted in; descending; empty: the trained stops
    /// below 1 (1 bypasses the routers).
    std::vector<double> budgets;
    int context = 256; ///< the length at which costs are counted
    int resamples = 10'000;
    std::uint64_t seed = 1;
};

/// One layer's and sub-block's dynamic router on one text at one budget.
struct RouterCell {
    int layer = 0;
    SubBlock block = SubBlock::Mlp;
    std::vector<double> shares;        ///< of tokens, by choice
    double entropy_between_tokens = 0; ///< of `shares`, nats: 0 when every token gets the same
    double router_entropy = 0;         ///< mean over tokens of the entropy of the router's own probabilities, nats
    double margin = 0;                 ///< mean over tokens
    std::vector<int> dead;             ///< widths that no token got
};

/// The reading against another of equal cost: `difference` is the control's loss less the routers'.
struct Control {
    double share = 0; ///< mean cost
    TextLoss loss;
    PairedComparison compared;
};

struct StaticUse {
    SubNetwork subnet;
    double got = 0; ///< share of full cost
    TextLoss loss;
    Control uniform;
};

struct DynamicUse {
    double got = 0; ///< mean over tokens of the share of full cost
    TextLoss loss;
    Control uniform; ///< uniformAtShare(got)
    SubNetwork uniform_subnet;
    /// Every layer's and sub-block's choices permuted between the tokens of each document: the same widths, the same
    /// mean cost. The first token keeps its own: it is the same in every document, so its widths tell nothing about
    /// listening, and much hangs on it.
    Control shuffled;
    std::vector<RouterCell> cells; ///< layer 0 attention, layer 0 MLP, layer 1 attention, ...

    /// Shuffling costs at least kUseful nats a token with p < 0.01, and the routers are not worse than uniform widths
    /// of the same cost (the 97.5 % bound of that difference is not below 0): random routers have habits, too, and
    /// spoiling a bad habit can cost something. Over at least kEnough documents: a bootstrap of a handful is worth
    /// nothing.
    [[nodiscard]] bool usesItsInput() const;
    static constexpr double kUseful = 0.01;
    static constexpr int kEnough = 20;
};

/// One text at one budget.
struct StopUse {
    std::string text;
    double asked = 1.0;
    std::optional<DynamicUse> dynamic; ///< where the model has dynamic routers
    std::optional<StaticUse> fixed;    ///< where it has a static one
};

struct RouterReport {
    ChoiceSets choices;
    std::string cost_basis;     ///< "latency table" or "FLOPs"
    std::vector<StopUse> stops; ///< by text, then by budget as given
    std::vector<std::string> verdicts;
};

/// Reads every document once for each budget with the routers and once with each control. InvalidArgument without
/// routers or documents. Costs are counted as resolveTarget counts them (KvRule::All for dynamic routing and what it is
/// held against).
Result<RouterReport> reportRouters(const LoadedModel& model, const std::vector<NamedDocuments>& texts,
                                   const RouterReportOptions& options, const ProgressFn& progress = {},
                                   const CancelToken& cancel = {});

/// Verdicts in words on what a report measured: the routers that ignore target or token, dead choices, cost that misses
/// its target or does not fall with it, choices that are worth no more than shuffled or uniform ones.
std::vector<std::string> routerVerdicts(const RouterReport& report);

} // namespace flextron
