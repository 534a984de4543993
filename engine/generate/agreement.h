// How a sub-network's predictions differ from the full model's at the same places of a text.
#pragma once

#include <cstdint>

namespace flextron {

struct Agreement {
    std::int64_t tokens = 0; ///< compared positions
    double agreement = 0;    ///< share of positions where both have the same most probable token
    double agreement_stderr = 0;
    double kl_to_full = 0; ///< mean KL(full || sub-network), nats
    double kl_stderr = 0;
};

} // namespace flextron
