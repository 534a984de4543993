#include "ui/data/activeparameters.h"

#include "engine/model/cost.h"

namespace flextron::ui {

std::optional<double> ActiveParameters::mean(const PaneData& pane, const ModelConfig& config)
{
    if (pane.serial != serial_) next_ = 0;
    if (pane.serial != serial_ || pane.plan.budget != budget_) {
        sum_ = 0;
        count_ = 0;
    }
    serial_ = pane.serial;
    budget_ = pane.plan.budget;
    if (pane.trace.sizes() != config.sizes()) return std::nullopt;
    CostOptions options;
    options.kv = KvRule::All;
    const auto layers = static_cast<std::size_t>(config.numLayers());
    // The last record is read a step after it was written.
    for (; next_ < pane.trace.records.size() && pane.trace.records[next_].read; ++next_) {
        const TokenRecord& record = pane.trace.records[next_];
        if (record.mlp.size() != layers || record.heads.size() != layers) continue;
        const SubNetwork subnet{{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}};
        sum_ += static_cast<double>(costOf(subnet, config, options).parameters);
        ++count_;
    }
    return count_ > 0 ? std::optional(sum_ / count_) : std::nullopt;
}

} // namespace flextron::ui
