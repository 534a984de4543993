// The layer mixer's arithmetic: shapes over layers, locks and solo. No window.
#pragma once

#include <set>
#include <vector>

#include <QString>

#include "engine/model/choice_sets.h"
#include "engine/model/config.h"
#include "engine/model/subnetwork.h"

namespace flextron::ui {

enum class MixerPreset {
    Full,
    Smallest,
    Middle,       ///< the middle choice everywhere
    NarrowEnds,   ///< narrow first and last quarter, full between
    NarrowMiddle, ///< the other way round
    Falling,      ///< from full in the first layer to the smallest in the last
    Rising,
};
QString mixerPresetName(MixerPreset preset);

/// What a fader can be set to in a layer: 0 (skip) and the choices that the layer is wide enough for, its own full
/// width last.
std::vector<int> faderStops(const std::vector<int>& choices, int full);
/// Index of the last stop not above `width`.
int stopOf(const std::vector<int>& stops, int width);

/// A valid sub-network of the shape.
SubNetwork presetWidths(MixerPreset preset, const ModelConfig& config, const ChoiceSets& choices);

/// `wanted`, but locked layers as in `now`.
SubNetwork withLocks(SubNetwork wanted, const SubNetwork& now, const std::set<int>& locked);
/// Only the layers of `solo` keep their widths, all others are full: what narrowing just these does. Nothing solo:
/// everything as it is.
SubNetwork soloed(const SubNetwork& mix, const std::set<int>& solo, const ModelConfig& config);

} // namespace flextron::ui
