// How a run gets its widths: the small value that selection hands to generation and the forward pass.
#pragma once

#include <memory>

#include "engine/model/subnetwork.h"
#include "engine/routing/overrides.h"
#include "engine/routing/routers.h"

namespace flextron {

/// Widths of every token at every layer, in this order of strength: an override, else the dynamic router's choice, else
/// `subnet`.
struct WidthPlan {
    SubNetwork subnet;                          ///< used where no router is; complete in any case
    std::shared_ptr<const Routers> routers;     ///< dynamic routing when set (then Routers::dynamic() holds)
    double budget = 1.0;                        ///< what dynamic routers are asked for: as they were trained, of FLOPs
    std::shared_ptr<const Overrides> overrides; ///< may be empty

    [[nodiscard]] bool dynamic() const { return routers != nullptr; }
};

/// The largest widths the plan can lead to: what a K/V cache must hold. Under dynamic routing or overrides that widen,
/// the full model's.
SubNetwork widestOf(const WidthPlan& plan, const ModelConfig& config);

/// The plan fits the model: sub-network, overrides, the routers' sizes, a budget in (0, 1]. InvalidArgument says what
/// does not.
Result<void> validatePlan(const WidthPlan& plan, const ModelConfig& config);

} // namespace flextron
