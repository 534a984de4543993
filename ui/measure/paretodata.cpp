#include "ui/measure/paretodata.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <QCoreApplication>
#include <QLocale>

#include "engine/evaluate/scoring.h"
#include "ui/data/layercosts.h"
#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Pareto)
};

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ParetoRequest budgetRequest(ParetoKind kind, Routing routing, double share)
{
    ParetoRequest request;
    request.kind = kind;
    request.name = Text::tr("%1 %2").arg(paretoKindName(kind), formatShare(share));
    request.choice.target.kind = Target::Kind::Budget;
    request.choice.target.value = share;
    request.choice.target.routing = routing;
    return request;
}

double standardError(const std::vector<float>& values, double mean)
{
    if (values.size() < 2) return kNaN;
    double sum = 0;
    for (const double value : values) sum += (value - mean) * (value - mean);
    const auto n = static_cast<double>(values.size());
    return std::sqrt(sum / (n - 1) / n);
}

} // namespace

QString paretoKindName(ParetoKind kind)
{
    switch (kind) {
    case ParetoKind::Uniform: return Text::tr("uniform");
    case ParetoKind::Static: return Text::tr("static");
    case ParetoKind::Dynamic: return Text::tr("dynamic");
    case ParetoKind::Pinned: return Text::tr("pinned");
    }
    return {};
}

double ParetoPoint::cost() const
{
    return std::isnan(ms) ? share : ms;
}

std::vector<ParetoRequest> paretoRequests(const ModelInfo& model, const std::vector<Pin>& pins, int between)
{
    std::vector<ParetoRequest> requests;
    for (const Stop& stop : model.latency_stops)
        requests.push_back(budgetRequest(ParetoKind::Uniform, Routing::Uniform, stop.share));
    const double floor = model.latency_stops.front().share;
    for (const auto& [there, kind, routing] :
         {std::tuple(model.static_routers, ParetoKind::Static, Routing::Static),
          std::tuple(model.dynamic_routers, ParetoKind::Dynamic, Routing::Dynamic)}) {
        // A target of 1 is the full model, whatever the routing: uniform has it already.
        for (int i = 0; there && i < between; ++i)
            requests.push_back(budgetRequest(kind, routing, floor + (1 - floor) * i / between));
    }
    for (const Pin& pin : pins) {
        if (pin.branch.empty()) requests.push_back({ParetoKind::Pinned, pin.name, pin.choice});
    }
    return requests;
}

Result<ParetoPoint> measurePoint(const LoadedModel& model, const ParetoRequest& request, std::span<const TokenId> ids,
                                 const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] {
        ResolvedTarget resolved = resolveTarget(request.choice.target, model.targetContext()).orThrow();
        resolved.plan.overrides = request.choice.overrides;
        ScoreOptions options;
        options.keep_records = resolved.plan.dynamic() || resolved.plan.overrides != nullptr;
        options.routing = resolved.routing;
        const Score score = scoreText(model, ids, resolved.plan, options, progress, cancel).orThrow();
        ParetoPoint point;
        point.request = request;
        point.share = resolved.share;
        point.ms = resolved.predicted_ms.value_or(kNaN);
        if (options.keep_records) {
            const BudgetEntry used = budgetLedger(score.trace, LayerCosts(model.config(), model.latency)).mean;
            point.share = used.chosen;
            point.ms = used.table_ms;
        }
        point.loss = score.mean();
        point.standard_error = standardError(score.nll, point.loss);
        point.tokens = score.tokens;
        return point;
    });
}

std::vector<std::size_t> paretoFront(const std::vector<ParetoPoint>& points)
{
    std::vector<std::size_t> order(points.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return points[a].cost() != points[b].cost() ? points[a].cost() < points[b].cost()
                                                    : points[a].loss < points[b].loss;
    });
    std::vector<std::size_t> front;
    for (const std::size_t index : order) {
        if (front.empty() || points[index].loss < points[front.back()].loss) front.push_back(index);
    }
    return front;
}

QString describePoint(const ParetoPoint& point)
{
    const QLocale locale;
    const QString cost = std::isnan(point.ms)
                             ? formatCostShare(point.share, false)
                             : Text::tr("%1 (%2)").arg(formatMs(point.ms), formatCostShare(point.share, true));
    return Text::tr("%1: %2, loss %3 ± %4 nats")
        .arg(point.request.name, cost, locale.toString(point.loss, 'f', 3),
             std::isnan(point.standard_error) ? QStringLiteral("–") : locale.toString(point.standard_error, 'f', 3));
}

} // namespace flextron::ui
