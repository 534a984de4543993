#include "ui/data/cellgrid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace flextron::ui {

namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
} // namespace

void CellGrid::reset(int tokens, int layers)
{
    tokens_ = std::max(0, tokens);
    layers_ = std::max(0, layers);
    values_.assign(static_cast<std::size_t>(tokens_) * static_cast<std::size_t>(layers_), kNaN);
    layer_sums_.assign(static_cast<std::size_t>(layers_), 0.0);
    layer_counts_.assign(static_cast<std::size_t>(layers_), 0);
}

void CellGrid::fill(const GridSource& source, int first)
{
    const int count = std::min(static_cast<int>(source.trace->records.size()), tokens_);
    for (int token = std::max(0, first); token < count; ++token) {
        for (int layer = 0; layer < layers_; ++layer) {
            double value = cellValue(*source.trace, token, layer, source.quantity, source.shares);
            if (source.baseline != nullptr) {
                value = token < source.common
                            ? value - cellValue(*source.baseline, token, layer, source.quantity, source.shares)
                            : kNaN;
            }
            double& cell = values_[index(token, layer)];
            const auto at = static_cast<std::size_t>(layer);
            if (!std::isnan(cell)) {
                layer_sums_[at] -= cell;
                --layer_counts_[at];
            }
            if (!std::isnan(value)) {
                layer_sums_[at] += value;
                ++layer_counts_[at];
            }
            cell = value;
        }
    }
}

double CellGrid::at(int token, int layer) const
{
    if (token < 0 || layer < 0 || token >= tokens_ || layer >= layers_) return kNaN;
    return values_[index(token, layer)];
}

double CellGrid::tokenMean(int token) const
{
    double sum = 0;
    int count = 0;
    for (int layer = 0; layer < layers_; ++layer) {
        const double value = at(token, layer);
        if (std::isnan(value)) continue;
        sum += value;
        ++count;
    }
    return count > 0 ? sum / count : kNaN;
}

double CellGrid::layerMean(int layer) const
{
    if (layer < 0 || layer >= layers_) return kNaN;
    const auto at = static_cast<std::size_t>(layer);
    return layer_counts_[at] > 0 ? layer_sums_[at] / layer_counts_[at] : kNaN;
}

double CellGrid::largest() const
{
    double largest = 0;
    for (const double value : values_) {
        if (!std::isnan(value)) largest = std::max(largest, std::abs(value));
    }
    return largest;
}

} // namespace flextron::ui
