#include "ui/service/modelinfo.h"

#include <algorithm>
#include <set>

#include <QRegularExpression>

#include "engine/base/files.h"

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

namespace {

/// By FLOPs, with the time that a table foretells for them.
std::vector<Stop> flopsStops(const TargetContext& context)
{
    TargetContext by_flops = context;
    by_flops.latency = nullptr;
    std::vector<Stop> stops = uniformStops(by_flops);
    for (Stop& stop : stops)
        if (context.latency != nullptr)
            stop.predicted_ms = context.latency->predictMs(stop.subnet, context.context, context.kv);
    return stops;
}

/// Of each stop, as far as it is known.
void addRises(std::vector<Stop>& stops, const TargetContext& context)
{
    for (Stop& stop : stops) {
        ResolvedTarget resolved;
        resolved.plan.subnet = stop.subnet;
        stop.rise = expectedRise(resolved, context);
    }
}

std::vector<Result<QualityCurve>> qualityCurves(const LoadedModel& model, const TargetContext& context)
{
    std::vector<Result<QualityCurve>> curves;
    for (const Routing routing : {Routing::Uniform, Routing::Static, Routing::Dynamic}) {
        const bool there = routing == Routing::Uniform ||
                           (model.routers && (routing == Routing::Dynamic ? model.routers->dynamic()
                                                                          : model.routers->fixed.has_value()));
        if (there) curves.push_back(qualityCurve(routing, context));
        else curves.emplace_back(Error{ErrorCode::Unsupported, "this model has no such routers", {}});
    }
    return curves;
}

} // namespace

namespace {

/// What a model's card says first: of Markdown with a head, the first paragraph that is no heading, without emphasis.
QString cardSentence(const std::filesystem::path& folder)
{
    constexpr std::uint64_t kMostBytes = 1u << 20;
    const auto card = readFile(folder / "README.md", kMostBytes);
    if (!card.ok()) return {};
    QString text = QString::fromStdString(*card);
    if (text.startsWith(QLatin1String("---\n"))) text = text.section(QStringLiteral("\n---\n"), 1);
    for (QString& part : text.split(QStringLiteral("\n\n"))) {
        part = part.simplified().remove(QLatin1Char('*')).remove(QLatin1Char('`'));
        static const QRegularExpression words(QStringLiteral("^[\\p{L}\\p{N}]"));
        if (!words.match(part).hasMatch()) continue; // a heading, a table, a picture, a list
        static const QRegularExpression sentence(QStringLiteral("^.*?[.!?](?= |$)"));
        constexpr int kMost = 240;
        const QString first = sentence.match(part).captured();
        return first.isEmpty() || first.size() > kMost ? part.left(kMost) : first;
    }
    return {};
}

} // namespace

ModelInfoPtr describeModel(const LoadedModel& model)
{
    auto info = std::make_shared<ModelInfo>();
    info->name = QString::fromStdString(model.name);
    info->checkpoint = model.checkpoint;
    info->card = cardSentence(model.checkpoint->folder());
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
    info->latency_problem = QString::fromStdString(model.latency_problem);
    const TargetContext context = model.targetContext();
    info->latency_stops = uniformStops(context);
    info->flops_stops = flopsStops(context);
    if (info->dynamic_routers) info->dynamic_stops = dynamicStops(context);
    info->parameter_stops = parameterStops(context);
    for (auto* stops : {&info->latency_stops, &info->flops_stops, &info->parameter_stops}) addRises(*stops, context);
    info->quality = qualityCurves(model, context);
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
    info.rise = expectedRise(resolved, context);
    return info;
}

} // namespace flextron::ui
