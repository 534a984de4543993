// Fitting the surrogate to a finished model: after joint finetuning the one that trained the routers no longer holds.
//
// Source: Flextron section 3.2 has the surrogate; that it is fitted anew and kept is our choice (docs/method.md).
#pragma once

#include <filesystem>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/training/train_options.h"

namespace flextron {

struct SurrogateOptions {
    int sequences = 8;      ///< of training text, on which every sub-network is measured
    int sub_networks = 150; ///< random ones that it is fitted to
    int held_out = 50;      ///< random ones that its error is measured on
    int inner_dim = 128;
};

/// Measures random sub-networks of `source` by real forward passes, fits a surrogate to their losses, and writes `out`:
/// `source` with the surrogate beside its routers. Weights are only converted to options.dtype. `source` must have
/// routers. The metrics hold the loss and the prediction of every held-out sub-network.
Result<StageReport> fitSurrogate(const std::filesystem::path& source, const std::filesystem::path& out,
                                 const TrainOptions& options, const SurrogateOptions& surrogate,
                                 const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
