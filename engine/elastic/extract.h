// A sub-network as a checkpoint of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/model/checkpoint.h"
#include "engine/model/subnetwork.h"

namespace flextron {

struct Extraction {
    CheckpointContents contents; ///< for writeCheckpoint
    bool plain_hugging_face =
        true; ///< any tool that reads Hugging Face models loads it; otherwise only this program, by `layer_sizes`
    std::vector<std::string> notes; ///< what the user should know about the form, in words
};

/// Takes the first heads and neurons of each layer, as they are: a prefix of bytes, nothing computed.
///
/// The same widths above 0 in every layer give a plain Hugging Face checkpoint without flextron.json. GPT-2's plain
/// form derives the head size from the width of the model: there fewer heads are written as all heads, the others
/// zeroed, which computes the same and saves nothing. Widths that differ, or a sub-block left out, go to `layer_sizes`
/// in flextron.json. InvalidArgument when `subnet` does not fit.
Result<Extraction> extractSubNetwork(const std::shared_ptr<const Checkpoint>& source, const SubNetwork& subnet);

} // namespace flextron
