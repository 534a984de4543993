// What can be wrong with a request, found before anything is touched: the same for every backend.
#pragma once

#include <vector>

#include "engine/compute/backend.h"

namespace flextron {

/// Throws Failure(InvalidArgument) for what Backend::step promises to refuse. Allocates nothing for a good request.
void checkStep(const StepInput& input, const ModelConfig& config);

/// The same for Backend::newCache.
void checkCacheRequest(int capacity, const std::vector<int>& heads, const ModelConfig& config);

} // namespace flextron
