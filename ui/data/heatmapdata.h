// The heatmap's arithmetic: pure functions over a Trace, no window.
#pragma once

#include <optional>
#include <vector>

#include <QString>

#include "engine/generate/trace.h"
#include "engine/model/layer_shares.h"

namespace flextron::ui {

enum class Quantity {
    MlpWidth,     ///< neurons
    Heads,        ///< query heads
    ComputeShare, ///< of the full layer's FLOPs
    Milliseconds, ///< of the layer in this run
};

/// NaN for a token that was not read yet, or a cell outside the trace. `shares` is needed for ComputeShare only,
/// and NaN comes out where it is another model's than the trace.
double cellValue(const Trace& trace, int token, int layer, Quantity quantity, const LayerShares* shares);

/// Where the colours begin and end. Widths and shares start at 0 and end at full; milliseconds end at the largest value
/// seen (1 when none).
struct ValueRange {
    double low = 0;
    double high = 1;
    bool operator==(const ValueRange&) const = default;
};
ValueRange valueRange(const Trace& trace, Quantity quantity);

/// The values a quantity can take, ascending, for a discrete legend; empty for continuous ones. Widths in use that are
/// in no choice set (0 by hand) are added.
std::vector<double> discreteValues(const Trace& trace, Quantity quantity);

/// True when every token that was read has the same widths: then the map is a layer profile.
bool sameForEveryToken(const Trace& trace);

/// Number of tokens that were read.
int tokensRead(const Trace& trace);

/// "token 12 “ dragon”, layer 3: 352 of 704 neurons (50 %)"
QString cellText(const Trace& trace, int token, int layer, Quantity quantity, const LayerShares* shares);

/// "MLP width (neurons)": of axes and legends.
QString quantityName(Quantity quantity);

/// A value with its unit, as the legend says it.
QString valueText(double value, Quantity quantity);

} // namespace flextron::ui
