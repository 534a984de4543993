// The state of an interrupted stage: one safetensors file, replaced whole. Not a public header.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/base/json_p.h"
#include "engine/training/optimizer_p.h"
#include "engine/training/text_data.h"

namespace flextron {

struct TrainingState {
    Json settings; ///< of the stage: a resumed run must have the same
    std::int64_t step = 0;
    double seconds = 0; ///< of work so far
    double flops = 0;   ///< of all passes so far
    DataPosition data;
    std::map<std::string, at::Tensor> tensors; ///< of the optimizer, and what else the stage keeps
};

/// `state.tensors` is not read: `tensors` are written. Throws Failure: Io.
void writeState(const std::filesystem::path& file, const TrainingState& state, NamedTensors tensors);
/// Throws Failure: NotFound, Io, Corrupt.
TrainingState readState(const std::filesystem::path& file);

/// Throws Failure(InvalidArgument) naming the first setting that differs.
void checkSameSettings(const Json& saved, const Json& given, const std::filesystem::path& file);

} // namespace flextron
