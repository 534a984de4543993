// The heatmap's numbers: one value a token and layer, with the means beside them. No window.
#pragma once

#include <vector>

#include "ui/data/heatmapdata.h"

namespace flextron::ui {

/// Where a baseline is given, cells are differences to it, and only of the first `common` tokens: after a split the
/// texts are different ones.
struct GridSource {
    const Trace* trace = nullptr;
    const Trace* baseline = nullptr; ///< null: values, not differences
    int common = 0;                  ///< tokens that may be compared
    Quantity quantity = Quantity::MlpWidth;
    const LayerShares* shares = nullptr;
};

class CellGrid {
public:
    /// Forgets all; `tokens` columns of nothing.
    void reset(int tokens, int layers);
    /// Takes the values of tokens [first, end of the trace). Only tokens of the trace within the room are taken.
    void fill(const GridSource& source, int first);

    [[nodiscard]] int tokens() const { return tokens_; }
    [[nodiscard]] int layers() const { return layers_; }
    /// NaN where there is nothing yet.
    [[nodiscard]] double at(int token, int layer) const;
    /// Mean over the layers that have a value; NaN without any.
    [[nodiscard]] double tokenMean(int token) const;
    /// Mean over the tokens that have a value; NaN without any.
    [[nodiscard]] double layerMean(int layer) const;
    /// The largest distance from 0 of any cell; 0 without any.
    [[nodiscard]] double largest() const;

private:
    [[nodiscard]] std::size_t index(int token, int layer) const
    {
        return static_cast<std::size_t>(token) * static_cast<std::size_t>(layers_) + static_cast<std::size_t>(layer);
    }
    int tokens_ = 0;
    int layers_ = 0;
    std::vector<double> values_; // [token][layer]
    std::vector<double> layer_sums_;
    std::vector<int> layer_counts_;
};

} // namespace flextron::ui
