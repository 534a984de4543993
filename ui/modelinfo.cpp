#include "ui/modelinfo.h"

#include <algorithm>
#include <set>

namespace flextron::ui {

Preparation preparationOf(const Checkpoint& checkpoint)
{
    const FlextronRecord& record = checkpoint.record();
    if (!checkpoint.elastic()) return Preparation::None;
    if (!record.budget_list.empty()) return Preparation::Trained;
    return record.importance && record.importance->sorted ? Preparation::Sorted : Preparation::None;
}

std::vector<Stop> parameterStops(const TargetContext& context)
{
    const ModelConfig& config = *context.config;
    CostOptions cost;
    cost.context = context.context;
    cost.kv = context.kv;
    std::set<std::int64_t> counts;
    for (const int mlp : context.choices->mlp_int_list) {
        for (const int heads : context.choices->head_int_list) {
            counts.insert(costOf(uniformSubNetwork(config, mlp, heads), config, cost).parameters);
        }
    }
    std::vector<Stop> stops;
    for (const std::int64_t count : counts) {
        Target target;
        target.kind = Target::Kind::Parameters;
        target.value = static_cast<double>(count);
        target.routing = Routing::Uniform;
        const auto resolved = resolveTarget(target, context);
        if (!resolved.ok()) continue; // below the floor
        if (!stops.empty() && stops.back().subnet == resolved->plan.subnet) continue;
        Stop stop;
        stop.subnet = resolved->plan.subnet;
        stop.share = resolved->share;
        stop.predicted_ms = resolved->predicted_ms;
        stop.parameters = costOf(stop.subnet, config, cost).parameters;
        stops.push_back(std::move(stop));
    }
    return stops;
}

ModelInfoPtr describeModel(const LoadedModel& model)
{
    auto info = std::make_shared<ModelInfo>();
    info->name = QString::fromStdString(model.name);
    info->checkpoint = model.checkpoint;
    info->preparation = preparationOf(*model.checkpoint);
    if (model.tokenizer) info->tokenizer = QString::fromStdString(model.tokenizer->kind());
    info->vocabulary = model.tokenizer;
    info->tokenizer_problem = QString::fromStdString(model.tokenizer_problem);
    info->backend = QString::fromStdString(model.backend->description());
    info->weight_bytes = model.backend->weightBytes();
    info->bytes_per_weight = model.backend->bytesPerWeight();
    info->device = model.device;
    info->static_routers = model.routers && model.routers->fixed.has_value();
    info->dynamic_routers = model.routers && model.routers->dynamic();
    info->latency = model.latency;
    const TargetContext context = model.targetContext();
    info->latency_stops = uniformStops(context);
    info->parameter_stops = parameterStops(context);
    if (info->latency_stops.empty()) {
        throw Failure(ErrorCode::Unsupported, model.name + ": the model has no sub-networks to choose from",
                      "Check the choice sets in flextron.json.");
    }
    return info;
}

PlanInfo describePlan(const ResolvedTarget& resolved, const LoadedModel& model)
{
    const TargetContext context = model.targetContext();
    CostOptions cost;
    cost.context = context.context;
    cost.kv = context.kv;
    PlanInfo info;
    info.subnet = resolved.plan.subnet;
    info.routing = resolved.routing;
    info.budget = resolved.plan.budget;
    info.share = resolved.share;
    info.predicted_ms = resolved.predicted_ms;
    info.cost_basis = QString::fromStdString(resolved.cost_basis);
    info.parameters = costOf(resolved.plan.subnet, model.config(), cost).parameters;
    return info;
}

} // namespace flextron::ui
