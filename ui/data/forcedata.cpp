#include "ui/data/forcedata.h"

#include <algorithm>
#include <random>
#include <set>

#include <QCoreApplication>
#include <QLocale>

#include "ui/data/routerdata.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Force)
};

QString whereText(const Override& entry)
{
    const QLocale locale;
    const QString token = entry.token == Override::kAll ? Text::tr("every token")
                                                        : Text::tr("token %1").arg(locale.toString(entry.token));
    const QString layer = entry.layer == Override::kAll ? Text::tr("every layer")
                                                        : Text::tr("layer %1").arg(locale.toString(entry.layer));
    return Text::tr("%1, %2").arg(token, layer);
}

} // namespace

int changedWidth(const std::vector<int>& choices, int width, ForceChange change)
{
    if (change == ForceChange::Skip) return 0;
    if (change == ForceChange::Wider) {
        const auto above = std::upper_bound(choices.begin(), choices.end(), width);
        return above != choices.end() ? *above : width;
    }
    const auto not_below = std::lower_bound(choices.begin(), choices.end(), width);
    return not_below != choices.begin() ? *std::prev(not_below) : 0;
}

std::vector<Override> forceEntries(const Trace& trace, const SelectionState& selection, ForceScope scope,
                                   ForceBlocks blocks, ForceChange change)
{
    std::set<int> tokens{selection.primary};
    std::set<int> layers{std::max(0, selection.layer)};
    if (scope == ForceScope::Brush) {
        tokens = selection.tokens;
        if (!selection.layers.empty()) layers = selection.layers;
    }
    if (scope == ForceScope::Column) {
        layers.clear();
        for (int layer = 0; layer < trace.layers; ++layer) layers.insert(layer);
    }
    std::vector<Override> entries;
    for (const int token : tokens) {
        for (const int layer : layers) {
            for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
                if (blocks == ForceBlocks::Mlp && block != SubBlock::Mlp) continue;
                if (blocks == ForceBlocks::Attention && block != SubBlock::Attention) continue;
                const int used = usedWidth(trace, token, layer, block);
                if (used < 0) continue;
                const int width = changedWidth(choicesOf(trace, block), used, change);
                if (width != used)
                    entries.push_back({scope == ForceScope::Row ? Override::kAll : token, layer, block, width});
            }
        }
    }
    return entries;
}

std::vector<Override> shuffledEntries(const Trace& trace, std::uint64_t seed)
{
    std::vector<int> read;
    for (int token = 0; token < static_cast<int>(trace.records.size()); ++token) {
        if (trace.records[static_cast<std::size_t>(token)].read) read.push_back(token);
    }
    std::vector<int> from = read;
    std::mt19937_64 random(seed);
    // Not std::shuffle: the same seed gives the same order everywhere.
    for (std::size_t left = from.size(); left > 1; --left) std::swap(from[left - 1], from[random() % left]);
    std::vector<Override> entries;
    bool changed = false;
    for (std::size_t i = 0; i < read.size(); ++i) {
        for (int layer = 0; layer < trace.layers; ++layer) {
            for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
                const int width = usedWidth(trace, from[i], layer, block);
                changed = changed || width != usedWidth(trace, read[i], layer, block);
                entries.push_back({read[i], layer, block, width});
            }
        }
    }
    return changed ? entries : std::vector<Override>();
}

QString describeForced(const std::vector<Override>& entries)
{
    const QLocale locale;
    if (entries.size() > 2) {
        return Text::tr("%1 choices, %2 to %3")
            .arg(locale.toString(static_cast<qulonglong>(entries.size())), whereText(entries.front()),
                 whereText(entries.back()));
    }
    QStringList parts;
    for (const Override& entry : entries) {
        const QString width = entry.width == 0 ? Text::tr("skipped") : locale.toString(entry.width);
        parts << (entry.block == SubBlock::Mlp ? Text::tr("MLP %1").arg(width) : Text::tr("heads %1").arg(width));
    }
    return entries.empty() ? QString()
                           : Text::tr("%1: %2").arg(whereText(entries.front()), parts.join(QStringLiteral(", ")));
}

Overrides allOverrides(const std::vector<ForcedGroup>& groups)
{
    Overrides all;
    for (const ForcedGroup& group : groups) {
        for (const Override& entry : group.entries) all.add(entry);
    }
    return all;
}

ForceEffect forceEffect(std::span<const float> with, std::span<const float> without, const Overrides& overrides)
{
    bool every = false;
    std::set<int> forced;
    for (const Override& entry : overrides.entries()) {
        if (entry.token == Override::kAll) every = true;
        else forced.insert(entry.token);
    }
    ForceEffect effect;
    for (std::size_t i = 0; i < std::min(with.size(), without.size()); ++i) {
        const int read = static_cast<int>(i); // entry i is the loss of token i + 1, foretold by reading token i
        const double change = static_cast<double>(with[i]) - without[i];
        if (every || forced.contains(read)) {
            effect.there += change;
            ++effect.tokens_there;
        } else if (!forced.empty() && read > *forced.begin()) {
            effect.downstream += change;
            ++effect.tokens_downstream;
        }
    }
    if (effect.tokens_there > 0) effect.there /= effect.tokens_there;
    if (effect.tokens_downstream > 0) effect.downstream /= effect.tokens_downstream;
    return effect;
}

} // namespace flextron::ui
