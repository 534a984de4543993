// Arithmetic over panes' records, without a window: where texts part, and what a pane would take alone.
#pragma once

#include <optional>
#include <vector>

#include "engine/generate/trace.h"
#include "engine/latency/latency_table.h"
#include "ui/service/rundata.h"

namespace flextron::ui {

/// The value that the given share of them lies at or below; 0 for none.
double quantile(std::vector<double> values, double share);

/// First record from `from` on at which the texts hold different tokens; none while one is the other's beginning.
std::optional<int> firstDifference(const Trace& a, const Trace& b, int from);

/// The open model's latency table, if there is one, and the trace is of a model of its sizes; else null.
const LatencyTable* tableFor(const Trace& trace, const ModelInfoPtr& model);

/// What the tokens from record `from` on would take alone on this device, by the table at each token's own widths;
/// mean in milliseconds. None when nothing was read there.
std::optional<double> soloMs(const Trace& trace, int from, const LatencyTable& table);

/// When each new token would stand there, in milliseconds from the start, if the pane ran alone: the reading of what
/// is given as it was measured, then each token by the table, or as it was measured where there is none.
std::vector<double> soloTimes(const Trace& trace, int given, const LatencyTable* table);

/// Of a text that was read: mean loss in nats and tokens a second by the measured times.
struct ReadSummary {
    int tokens = 0;    ///< read
    int predicted = 0; ///< of these, those that have a loss
    double mean_nll = 0;
    double tokens_per_second = 0;
};
ReadSummary readSummary(const Trace& trace);

bool sameTarget(const Target& a, const Target& b);
bool sameChoice(const PaneChoice& a, const PaneChoice& b);

} // namespace flextron::ui
