// Forcing choices: from "this row, narrower" to overrides, and what that did to the losses. No window.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <QString>

#include "engine/generate/trace.h"
#include "engine/routing/overrides.h"
#include "ui/data/selection.h"

namespace flextron::ui {

enum class ForceScope {
    Cell,   ///< the primary token in the selected layer
    Row,    ///< every token, also those to come, in the selected layer
    Column, ///< the primary token in every layer
    Brush,  ///< the selected tokens in the selected layers
};
enum class ForceChange { Wider, Narrower, Skip };
enum class ForceBlocks { Mlp, Attention, Both };

/// The next choice from `width` in that direction; the end stays the end. Below the narrowest choice is 0.
int changedWidth(const std::vector<int>& choices, int width, ForceChange change);

/// Overrides for what is selected, relative to the widths with which it was read (a row: those of the primary token).
/// Empty when nothing that was read is selected, or nothing would change.
std::vector<Override> forceEntries(const Trace& trace, const SelectionState& selection, ForceScope scope,
                                   ForceBlocks blocks, ForceChange change);

/// The control for routers that look at the token: every token that was read gets the widths of another one, so that
/// the text costs the same to the last multiplication and only who gets what is by chance. Empty when fewer than two
/// were read, or all have the same.
std::vector<Override> shuffledEntries(const Trace& trace, std::uint64_t seed);

/// Some overrides that belong together, as the user made them.
struct ForcedGroup {
    QString name;
    std::vector<Override> entries;
    bool operator==(const ForcedGroup&) const = default;
};
/// "token 5, layer 2: MLP 0": of one; "12 choices" of many.
QString describeForced(const std::vector<Override>& entries);
Overrides allOverrides(const std::vector<ForcedGroup>& groups);

/// Mean change of loss in nats, above 0 is worse. A token's widths act on what is foretold after it: `there` is over
/// the tokens that follow directly after a forced one, `downstream` over all later ones.
struct ForceEffect {
    double there = 0;
    double downstream = 0;
    int tokens_there = 0;
    int tokens_downstream = 0;
    bool operator==(const ForceEffect&) const = default;
};
/// Losses of the predicted tokens 1 .. n-1 of the same text, with and without.
ForceEffect forceEffect(std::span<const float> with, std::span<const float> without, const Overrides& overrides);

} // namespace flextron::ui
