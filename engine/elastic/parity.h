// Do two models compute the same? Asked of the reference backend, before a new checkpoint gets its name.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"
#include "engine/compute/device.h"

namespace flextron {

/// All of these throw Failure.
/// Seeded ids over the whole vocabulary, as many as a check needs and the context allows.
std::vector<TokenId> parityIds(const ModelConfig& config, std::uint64_t seed);

/// Logits [tokens][vocab_size] of `ids` read in one go with fixed widths.
std::vector<float> parityLogits(const Backend& backend, const SubNetwork& subnet, std::span<const TokenId> ids,
                                const CancelToken& cancel);

struct Parity {
    double max_difference = 0; ///< of two logits
    double largest_logit = 0;
    double allowed = 0; ///< rounding of the arithmetic: the order of sums may differ
};
/// Opens the checkpoint in `folder` and compares its full network with `expected`. Failure(Internal) when they differ
/// by more than rounding.
Parity checkParity(const std::filesystem::path& folder, const Device& device, ComputeType type,
                   std::span<const TokenId> ids, const std::vector<float>& expected, const ProgressFn& progress,
                   const CancelToken& cancel);

} // namespace flextron
