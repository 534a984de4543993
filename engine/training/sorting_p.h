// The first two stages of a conversion: importance and permutation. Not a public header.
#pragma once

#include <filesystem>

#include "engine/training/conversion.h"

namespace flextron {

/// Writes `out`, which computes what `base` computes: measured and sorted as `measure` and `permute` say, with the
/// choices and the base's tokens of `options` in its record. Throws Failure.
SortReport sortModel(const std::filesystem::path& base, const std::filesystem::path& out,
                     const ConversionOptions& options, bool measure, bool permute, const ProgressFn& progress,
                     const CancelToken& cancel);

/// Seconds that the stage importance will take, from a batch that is read and timed. Throws Failure.
double estimateImportance(const std::filesystem::path& base, const ConversionOptions& options,
                          const ProgressFn& progress, const CancelToken& cancel);

} // namespace flextron
