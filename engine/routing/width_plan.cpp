#include "engine/routing/width_plan.h"

#include <algorithm>
#include <string>

namespace flextron {

namespace {

bool widens(const Override& entry, const SubNetwork& subnet)
{
    const std::vector<int>& widths = entry.block == SubBlock::Attention ? subnet.heads : subnet.mlp;
    if (entry.layer != Override::kAll) return entry.width > widths.at(static_cast<std::size_t>(entry.layer));
    return std::any_of(widths.begin(), widths.end(), [&](int width) { return entry.width > width; });
}

/// A layer's router against the sizes of `config`.
void checkRouter(const RouterNetwork& router, int inputs, int outputs, int layer, const char* block)
{
    if (router.hidden.in != inputs || router.output.out != outputs)
        throw Failure(ErrorCode::InvalidArgument,
                      "the plan's " + std::string(block) + " router of layer " + std::to_string(layer) + " maps " +
                          std::to_string(router.hidden.in) + " inputs to " + std::to_string(router.output.out) +
                          " choices; expected " + std::to_string(inputs) + " and " + std::to_string(outputs),
                      "use the routers that were made for this model");
}

void checkRouters(const WidthPlan& plan, const ModelConfig& config)
{
    const Routers& routers = *plan.routers;
    validateChoiceSets(routers.choices, config).orThrow();
    const auto layers = static_cast<std::size_t>(config.numLayers());
    if (routers.mlp.size() != layers || routers.heads.size() != layers)
        throw Failure(ErrorCode::InvalidArgument,
                      "the plan has dynamic routers for " + std::to_string(routers.mlp.size()) +
                          " layers; the model has " + std::to_string(layers),
                      "use the routers that were made for this model");
    const int inputs = config.hidden_size + static_cast<int>(routers.budget_list.size());
    for (int l = 0; l < config.numLayers(); ++l) {
        const auto i = static_cast<std::size_t>(l);
        checkRouter(routers.heads[i], inputs, static_cast<int>(routers.choices.head_int_list.size()), l, "head");
        checkRouter(routers.mlp[i], inputs, static_cast<int>(routers.choices.mlp_int_list.size()), l, "MLP");
    }
    if (!(plan.budget > 0.0 && plan.budget <= 1.0))
        throw Failure(ErrorCode::InvalidArgument,
                      "a plan's budget must be above 0 and at most 1, found " + std::to_string(plan.budget),
                      "give the share of the full model's latency");
}

} // namespace

SubNetwork widestOf(const WidthPlan& plan, const ModelConfig& config)
{
    if (plan.dynamic()) return fullSubNetwork(config);
    if (plan.overrides) {
        for (const Override& entry : plan.overrides->entries())
            if (widens(entry, plan.subnet)) return fullSubNetwork(config);
    }
    return plan.subnet;
}

Result<void> validatePlan(const WidthPlan& plan, const ModelConfig& config)
{
    return guarded([&] {
        validateSubNetwork(plan.subnet, config).orThrow();
        if (plan.overrides) validateOverrides(*plan.overrides, config).orThrow();
        if (plan.dynamic()) checkRouters(plan, config);
    });
}

} // namespace flextron
