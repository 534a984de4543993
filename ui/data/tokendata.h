// One number a token: what texts are coloured by and tables sorted by. Pure functions over a Trace, no window.
#pragma once

#include <QString>

#include "ui/data/baseline.h"
#include "ui/data/heatmapdata.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

enum class TokenQuantity {
    Probability,    ///< 0 to 1
    Surprisal,      ///< nats: its loss
    LossDifference, ///< nats: its loss less the full model's on the same text; above 0 is worse
    Compute,        ///< share of the full layers' FLOPs, mean over the layers
    Milliseconds,   ///< of the step that read it
    Margin,         ///< of the most doubtful router choice
};

struct TokenSource {
    const Trace* trace = nullptr;
    Baseline::View baseline;
    const LayerShares* shares = nullptr;
};

/// NaN where there is nothing: the first token, one not read yet, one after the split, one without routers.
double tokenValue(const TokenSource& source, int token, TokenQuantity quantity);

/// "Surprisal (nats)": of headings and legends.
QString tokenQuantityName(TokenQuantity quantity);
/// With its unit; "–" for NaN.
QString tokenValueText(double value, TokenQuantity quantity);

/// Colours: probabilities and shares 0 to 1, surprisal 0 to 8 nats, differences -2 to 2 nats, so that two texts can be
/// held against each other; milliseconds 0 to the largest.
struct TokenScale {
    ColorMap map = ColorMap::Sequential;
    ValueRange range;
};
TokenScale tokenScale(const TokenSource& source, TokenQuantity quantity);

} // namespace flextron::ui
