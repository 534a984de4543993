// Models of well-known shapes with random weights: speed does not depend on what the weights say.
#pragma once

#include <filesystem>
#include <string>

#include "app/commands/console.h"

namespace flextron::cli {

/// The folder of the "213M" or "135M" Llama shape in the user's cache; written on the first call (float16).
std::filesystem::path syntheticModel(const std::string& shape, Console& console);

} // namespace flextron::cli
