// Reading a text once more with widths that are known already.
#pragma once

#include <cstdint>
#include <span>

#include "engine/routing/overrides.h"

namespace flextron {

/// Forces the widths of one token. `heads`, `mlp`: [L]; `position`: the token's, as the backend will count it.
inline void forceWidths(Overrides& overrides, int position, std::span<const std::int32_t> heads,
                        std::span<const std::int32_t> mlp)
{
    for (std::size_t layer = 0; layer < mlp.size(); ++layer) {
        overrides.add({position, static_cast<int>(layer), SubBlock::Attention, heads[layer]});
        overrides.add({position, static_cast<int>(layer), SubBlock::Mlp, mlp[layer]});
    }
}

} // namespace flextron
