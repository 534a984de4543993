// Measuring with a clock of one's own: the tests' clock is virtual.
#pragma once

#include <functional>
#include <string>

#include "engine/compute/backend.h"
#include "engine/latency/latency_table.h"

namespace flextron {

/// Milliseconds since any fixed moment.
using ClockMs = std::function<double()>;

/// Rounds of the quick form: as many as its time has room for, within these bounds.
inline constexpr int kLeastQuickRounds = 5;
inline constexpr int kMostQuickRounds = 101;

/// measureLatency and checkLatencyTable with `clock`; they throw.
LatencyTable measureLatencyWith(const Backend& backend, const MeasureOptions& options, const ClockMs& clock,
                                const ProgressFn& progress, const CancelToken& cancel);
StaleCheck checkLatencyTableWith(const LatencyTable& table, const Backend& backend, const ClockMs& clock,
                                 const CancelToken& cancel);

/// "NVIDIA H200", "AMD EPYC 9654": what the backend runs on.
std::string deviceName(const Backend& backend);

} // namespace flextron
