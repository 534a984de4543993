// The latency lookup table: what each width costs on the device at hand.
//
// Source: Flextron, the latency look-up table that stands in for measuring each sub-network; its form is our choice
// (docs/method.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/model/config.h"
#include "engine/model/cost.h"
#include "engine/model/subnetwork.h"

namespace flextron {

class Backend;
struct Routers;

/// Milliseconds a decoded token at batch 1. Additive: fixed part + sum over layers of attention(heads, context) +
/// MLP(width), and the routers where they choose. Plain value; widths between entries are interpolated linearly.
struct LatencyTable {
    static constexpr int kFormatVersion = 3;
    std::string fingerprint; ///< device, threads, dtype, engine version, model shape: a table is used on nothing else
    int revision = 0;        ///< Backend::revision() of what was measured; 0: before there were revisions
    std::string device;      ///< for a person: "AMD EPYC, 2 threads"
    std::string measured_at; ///< ISO 8601, UTC
    int repeats = 0;         ///< medians of this many
    std::vector<int> mlp_widths;                       ///< ascending, from 0
    std::vector<int> head_counts;                      ///< ascending, from 0
    std::vector<int> contexts;                         ///< ascending
    double fixed_ms = 0;                               ///< embedding, final norm, output head
    std::vector<double> mlp_ms;                        ///< [width], a layer; 0 for width 0
    std::vector<std::vector<double>> attention_own_ms; ///< [context][heads], a layer, KvRule::Own; 0 for no heads
    std::vector<std::vector<double>> attention_all_ms; ///< the same under KvRule::All
    double router_ms = 0;                              ///< both dynamic routers of a layer
    int router_inter_dim = 0;                          ///< of the routers that were measured
    double noise = 0; ///< of the machine: the middle half of a step's repeats spread over this share of their median

    /// `routed`: widths are chosen by dynamic routers, which take their own time. A static router chooses once for a
    /// whole text and costs a token nothing.
    [[nodiscard]] double predictMs(const SubNetwork& subnet, int context, KvRule kv, bool routed = false) const;
};

struct MeasureOptions {
    std::vector<int> contexts{64, 256};
    int repeats = 15;  ///< rounds of the full form
    bool quick = true; ///< the shortest and the longest context only, and as many rounds as three seconds have room for
    std::shared_ptr<const Routers> routers; ///< whose time is measured; null: untrained ones of the usual size
    /// Where what was measured so far is kept, context by context, until all is: a measurement that was stopped goes on
    /// from there. Empty: nothing is kept.
    std::filesystem::path resume;
};

/// Times whole decode steps of `backend` with one kind of sub-block at one width in every layer and the other at its
/// full width, and takes differences: so everything is measured in the loop that generates. Cancelled, it returns
/// Error{Cancelled}.
Result<LatencyTable> measureLatency(const Backend& backend, const MeasureOptions& options,
                                    const ProgressFn& progress = {}, const CancelToken& cancel = {});

/// Of a backend on this machine: what a table must match to be used.
std::string latencyFingerprint(const Backend& backend);

/// Of `backend` as it is now: the same fingerprint and revision.
bool fitsBackend(const LatencyTable& table, const Backend& backend);

/// The user's cache. readLatencyTable: NotFound when there is no such file; Corrupt names the file. Older formats are
/// read, as tables of revision 0.
std::filesystem::path latencyTablePath(const std::string& fingerprint);
Result<LatencyTable> readLatencyTable(const std::filesystem::path& file);
/// The cache's table for `backend`. NotFound when none was measured, Unsupported when it is of another revision and so
/// out of date, Corrupt when the file cannot be read: none is a reason not to go on without, or to measure anew.
Result<LatencyTable> cachedLatencyTable(const Backend& backend);
Result<void> writeLatencyTable(const std::filesystem::path& file, const LatencyTable& table);

/// Three entries measured anew against the table.
struct StaleCheck {
    double worst_ratio = 1.0; ///< measured over predicted, the one furthest from 1
    bool stale = false;       ///< off by more than 15 %
};
Result<StaleCheck> checkLatencyTable(const LatencyTable& table, const Backend& backend, const CancelToken& cancel = {});

} // namespace flextron
