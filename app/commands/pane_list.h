// "full,0.8,mlp 352*4,176*4; heads 4*8,0.5:dynamic": several targets in one word.
#pragma once

#include <string>
#include <vector>

#include "engine/model/config.h"
#include "engine/routing/target.h"

namespace flextron::cli {

/// At commas, except inside a sub-network's text: there the next part has a "*". UsageError, naming the option, for an
/// empty list or part.
std::vector<std::string> splitPanes(const std::string& list, const std::string& option);

/// "full", a budget in (0, 1], or a sub-network, with ":uniform", ":static" or ":dynamic" behind it. UsageError for
/// anything else.
Target paneTarget(const std::string& item, const ModelConfig& config, const std::string& option);

} // namespace flextron::cli
