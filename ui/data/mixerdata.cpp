#include "ui/data/mixerdata.h"

#include <algorithm>
#include <cmath>

#include <QCoreApplication>

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Mixer)
};

/// 0 = smallest, 1 = full.
double shapeAt(MixerPreset preset, double place)
{
    const bool end = place < 0.25 || place >= 0.75;
    switch (preset) {
    case MixerPreset::Full: return 1;
    case MixerPreset::Smallest: return 0;
    case MixerPreset::Middle: return 0.5;
    case MixerPreset::NarrowEnds: return end ? 0 : 1;
    case MixerPreset::NarrowMiddle: return end ? 1 : 0;
    case MixerPreset::Falling: return 1 - place;
    case MixerPreset::Rising: return place;
    }
    return 1;
}

int choiceAt(const std::vector<int>& choices, int full, double height)
{
    std::vector<int> stops = faderStops(choices, full);
    if (stops.size() > 1) stops.erase(stops.begin()); // presets never skip
    return stops[static_cast<std::size_t>(std::lround(height * static_cast<double>(stops.size() - 1)))];
}

} // namespace

QString mixerPresetName(MixerPreset preset)
{
    switch (preset) {
    case MixerPreset::Full: return Text::tr("All full");
    case MixerPreset::Smallest: return Text::tr("All narrowest");
    case MixerPreset::Middle: return Text::tr("All in the middle");
    case MixerPreset::NarrowEnds: return Text::tr("Narrow ends");
    case MixerPreset::NarrowMiddle: return Text::tr("Narrow middle");
    case MixerPreset::Falling: return Text::tr("Falling");
    case MixerPreset::Rising: return Text::tr("Rising");
    }
    return {};
}

std::vector<int> faderStops(const std::vector<int>& choices, int full)
{
    std::vector<int> stops{0};
    for (const int choice : choices) {
        if (choice > 0 && choice < full) stops.push_back(choice);
    }
    if (full > 0) stops.push_back(full);
    return stops;
}

int stopOf(const std::vector<int>& stops, int width)
{
    const auto after = std::upper_bound(stops.begin(), stops.end(), width);
    return std::max(0, static_cast<int>(after - stops.begin()) - 1);
}

SubNetwork presetWidths(MixerPreset preset, const ModelConfig& config, const ChoiceSets& choices)
{
    SubNetwork subnet;
    const int layers = config.numLayers();
    for (int layer = 0; layer < layers; ++layer) {
        const LayerSizes& sizes = config.layers[static_cast<std::size_t>(layer)];
        const bool slope = preset == MixerPreset::Falling || preset == MixerPreset::Rising;
        const double place = slope ? (layers > 1 ? static_cast<double>(layer) / (layers - 1) : 0)
                                   : static_cast<double>(layer) / layers;
        const double height = shapeAt(preset, place);
        subnet.mlp.push_back(choiceAt(choices.mlp_int_list, sizes.intermediate_size, height));
        subnet.heads.push_back(choiceAt(choices.head_int_list, sizes.num_attention_heads, height));
    }
    return subnet;
}

SubNetwork withLocks(SubNetwork wanted, const SubNetwork& now, const std::set<int>& locked)
{
    for (const int layer : locked) {
        const auto at = static_cast<std::size_t>(layer);
        if (at >= now.mlp.size() || at >= wanted.mlp.size()) continue;
        wanted.mlp[at] = now.mlp[at];
        wanted.heads[at] = now.heads[at];
    }
    return wanted;
}

SubNetwork soloed(const SubNetwork& mix, const std::set<int>& solo, const ModelConfig& config)
{
    return solo.empty() ? mix : withLocks(fullSubNetwork(config), mix, solo);
}

} // namespace flextron::ui
