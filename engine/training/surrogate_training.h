// Fitting the surrogate to a finished model, since after joint finetuning the one that trained the routers no longer
// holds, and refining the static router through it.
//
// Source: Flextron section 3.2 has the surrogate; that it is fitted anew and kept is our choice (docs/method.md).
#pragma once

#include <filesystem>
#include <optional>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/latency/latency_table.h"
#include "engine/training/train_options.h"

namespace flextron {

struct SurrogateOptions {
    int sequences = 8;      ///< of training text, on which every sub-network is measured
    int sub_networks = 150; ///< random ones that it is fitted to
    int held_out = 50;      ///< random ones that its error is measured on
    int inner_dim = 128;
    /// The static router is refined through the surrogate so many times; what it then chooses is measured, and the
    /// surrogate learns from that before the next time. 0: the router stays as it is, which measured better
    /// (docs/method.md).
    int static_rounds = 0;
    std::optional<LatencyTable> latency; ///< what the router's targets are shares of, as RouterOptions; none: FLOPs
    int context = 256;
};

/// Measures random sub-networks of `source` by real forward passes, fits a surrogate to their losses, refines the
/// static router through it where asked, and writes `out`: `source` with the surrogate beside its routers. Weights are
/// only converted to options.dtype. `source` must have routers. The report's validation is of the refined router only,
/// on options.validation_files or the held-out text. The metrics hold the loss and the prediction of every held-out
/// sub-network.
Result<StageReport> fitSurrogate(const std::filesystem::path& source, const std::filesystem::path& out,
                                 const TrainOptions& options, const SurrogateOptions& surrogate,
                                 const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
