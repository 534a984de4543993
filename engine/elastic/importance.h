// Which neurons and heads matter: accumulated over a calibration text, forward only.
//
// Source: Flextron section 3.1 (importance by activations); the exact sums follow the later papers of the same line
// (method: 4.1).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"
#include "engine/model/checkpoint.h"

namespace flextron {

struct ImportanceOptions {
    int sequences = 512;
    int sequence_length = 0; ///< 0 = the model's context
    int batch = 8;
};

/// Neuron i: mean over tokens of |its activation at the input of the down projection|. Head h: mean of the L2 norm of
/// its output before O; a group is the sum over its heads. Reads the full model. `ids` is cut into sequences spread
/// evenly over it. `backend` must be the reference backend (else Unsupported). InvalidArgument when the text is shorter
/// than one sequence.
Result<ImportanceReport> measureImportance(const Backend& backend, std::span<const TokenId> ids,
                                           const ImportanceOptions& options, const ProgressFn& progress = {},
                                           const CancelToken& cancel = {});

} // namespace flextron
