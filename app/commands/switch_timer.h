// What a change of the sub-network in mid-text costs.
#pragma once

#include <memory>

#include "app/commands/console.h"
#include "engine/generate/generation.h"

namespace flextron::cli {

struct SwitchTimes {
    int switches = 0;
    double set_ms = 0;        ///< median of setPlan alone
    double change_ms = 0;     ///< setPlan and the token after it, over a token at those widths: medians, the dearer way
    double change_ms_max = 0; ///< the same for the slowest of all switches
    double steady_ms = 0;     ///< median of a token at the smaller widths
    std::int64_t resident_before = 0; ///< bytes, after the first tokens at both widths
    std::int64_t resident_after = 0;  ///< after all switches
};

/// Writes a text under KvPolicy::All, and changes between the full model and `smaller` every few tokens.
SwitchTimes timeSwitches(const std::shared_ptr<const LoadedModel>& model, const SubNetwork& smaller, int switches,
                         std::uint64_t seed, Console& console);

} // namespace flextron::cli
