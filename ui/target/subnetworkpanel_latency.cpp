// What the latency slider counts in: time on this device, or FLOPs.
#include <algorithm>
#include <utility>

#include <QComboBox>

#include "ui/parts/format.h"
#include "ui/target/subnetworkpanel.h"

namespace flextron::ui {

namespace {

std::vector<double> ticksOf(const std::vector<Stop>& stops, TargetAxis axis)
{
    std::vector<double> ticks;
    for (const Stop& stop : stops) ticks.push_back(valueOf(stop, axis));
    return ticks;
}

} // namespace

const std::vector<Stop>& SubNetworkPanel::stops(TargetAxis axis) const
{
    if (axis != TargetAxis::Latency) return model_->parameter_stops;
    return byFlops() ? model_->flops_stops : model_->latency_stops;
}

bool SubNetworkPanel::byFlops() const
{
    return scale() == CostScale::Flops;
}

// In FLOPs the routers are asked for what they were trained for.
const std::vector<DynamicStop>& SubNetworkPanel::dynamicStops() const
{
    static const std::vector<DynamicStop> kAsTheyAre;
    return routing() != Routing::Dynamic || byFlops() ? kAsTheyAre : model_->dynamic_stops;
}

CostScale SubNetworkPanel::scale() const
{
    const auto wanted = static_cast<CostScale>(scale_->currentData().toInt());
    return wanted == CostScale::Milliseconds && !model_->latency ? CostScale::Share : wanted;
}

void SubNetworkPanel::setScale(CostScale scale)
{
    scale_->setCurrentIndex(scale_->findData(static_cast<int>(scale)));
}

QString SubNetworkPanel::costText(double share) const
{
    const auto full_ms = model_->latency_stops.back().predicted_ms;
    if (scale() == CostScale::Milliseconds && full_ms)
        return tr("%1 a token of %2").arg(formatMs(share * *full_ms), formatMs(*full_ms));
    return formatCostShare(share, model_->latency.has_value() && !byFlops());
}

// What runs stays what it is, in another count: only a budget has to be asked for anew. False where the count is the
// same.
bool SubNetworkPanel::recount()
{
    const bool in_flops = !model_->latency || byFlops();
    if (std::exchange(counted_in_flops_, in_flops) == in_flops) return false;
    if (driver_ != TargetAxis::Latency || requested_ >= 1.0) return true;
    const auto& before = in_flops ? model_->latency_stops : model_->flops_stops;
    const auto& after = in_flops ? model_->flops_stops : model_->latency_stops;
    const auto at = static_cast<std::size_t>(stopNotAbove(before, TargetAxis::Latency, requested_));
    const auto same = std::find_if(after.begin(), after.end(),
                                   [&](const Stop& stop) { return stop.subnet == before[at].subnet; });
    if (routing() == Routing::Dynamic)
        requested_ = in_flops ? budgetOfShare(model_->dynamic_stops, requested_)
                              : shareOfBudget(model_->dynamic_stops, requested_);
    else if (routing() == Routing::Uniform && same != after.end()) requested_ = same->share;
    requested_ = std::clamp(requested_, after.front().share, 1.0);
    return true;
}

void SubNetworkPanel::scaleChosen()
{
    if (!model_) return;
    const bool by_flops = comparison_->target().by_flops;
    recount();
    setTicks();
    if (by_flops != byFlops()) follow(driver_, requested_, true);
    else showTarget();
}

// With routers the stops are those they were trained for; without, what uniform widths can give.
void SubNetworkPanel::setTicks()
{
    const auto& by_latency = stops(TargetAxis::Latency);
    const double floor = by_latency.front().share;
    std::vector<double> ticks = ticksOf(by_latency, TargetAxis::Latency);
    const auto trained = trainedStops(model_->checkpoint->record().budget_list, 0.0);
    if (routing() != Routing::Uniform && trained.size() > 1) {
        ticks = {floor};
        for (const double budget : trained) {
            const double share = budget < 1.0 ? shareOfBudget(dynamicStops(), budget) : 1.0;
            if (share > ticks.back() && share <= 1.0) ticks.push_back(share);
        }
    }
    const auto full_ms = by_latency.back().predicted_ms;
    const QString floor_text = scale() == CostScale::Milliseconds && full_ms ? formatMs(floor * *full_ms)
                                                                             : formatShare(floor);
    latency_->setScale(1.0, std::move(ticks), tr("floor %1").arg(floor_text), tr("full"));
    const auto& by_count = model_->parameter_stops;
    parameters_->setScale(static_cast<double>(by_count.back().parameters), ticksOf(by_count, TargetAxis::Parameters),
                          tr("floor %1").arg(formatCount(by_count.front().parameters)), tr("full"));
    setQualityTicks();
}

} // namespace flextron::ui
