#include "ui/data/routerdata.h"

#include <cmath>
#include <limits>

#include "engine/routing/routers.h"

namespace flextron::ui {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const TokenRecord* recordAt(const Trace& trace, int token)
{
    if (token < 0 || token >= static_cast<int>(trace.records.size())) return nullptr;
    return &trace.records[static_cast<std::size_t>(token)];
}

} // namespace

const std::vector<int>& choicesOf(const Trace& trace, SubBlock block)
{
    return block == SubBlock::Mlp ? trace.choices.mlp_int_list : trace.choices.head_int_list;
}

std::span<const float> routerProbabilities(const Trace& trace, int token, int layer, SubBlock block)
{
    const TokenRecord* record = recordAt(trace, token);
    if (record == nullptr || layer < 0 || layer >= trace.layers) return {};
    const auto& all = block == SubBlock::Mlp ? record->mlp_probabilities : record->head_probabilities;
    const std::size_t count = choicesOf(trace, block).size();
    const std::size_t from = static_cast<std::size_t>(layer) * count;
    if (all.size() < from + count || std::isnan(all[from])) return {};
    return std::span(all).subspan(from, count);
}

int usedWidth(const Trace& trace, int token, int layer, SubBlock block)
{
    const TokenRecord* record = recordAt(trace, token);
    if (record == nullptr || !record->read || layer < 0) return -1;
    const auto& widths = block == SubBlock::Mlp ? record->mlp : record->heads;
    return layer < static_cast<int>(widths.size()) ? widths[static_cast<std::size_t>(layer)] : -1;
}

int chosenIndex(std::span<const float> probabilities)
{
    return probabilities.empty() ? -1 : argmax({probabilities.begin(), probabilities.end()});
}

double expectedWidth(std::span<const float> probabilities, const std::vector<int>& choices)
{
    if (probabilities.empty() || probabilities.size() != choices.size()) return kNaN;
    double sum = 0;
    for (std::size_t i = 0; i < choices.size(); ++i) sum += static_cast<double>(probabilities[i]) * choices[i];
    return sum;
}

double smallestMargin(const Trace& trace, int token)
{
    double smallest = kNaN;
    for (int layer = 0; layer < trace.layers; ++layer) {
        for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
            const auto probabilities = routerProbabilities(trace, token, layer, block);
            if (probabilities.size() < 2) continue; // one choice is none
            const double here = routerMargin(probabilities);
            if (!(here >= smallest)) smallest = here;
        }
    }
    return smallest;
}

bool forced(const Trace& trace, int token, int layer, SubBlock block)
{
    const auto probabilities = routerProbabilities(trace, token, layer, block);
    const int chosen = chosenIndex(probabilities);
    const int used = usedWidth(trace, token, layer, block);
    return chosen >= 0 && used >= 0 && choicesOf(trace, block)[static_cast<std::size_t>(chosen)] != used;
}

} // namespace flextron::ui
