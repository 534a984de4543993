#include "ui/routerdata.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

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
    if (probabilities.empty()) return -1;
    return static_cast<int>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
}

double margin(std::span<const float> probabilities)
{
    if (probabilities.size() < 2) return kNaN;
    double first = 0;
    double second = 0;
    for (const double p : probabilities) {
        if (p > first) second = std::exchange(first, p);
        else second = std::max(second, p);
    }
    return first - second;
}

double entropy(std::span<const float> probabilities)
{
    if (probabilities.empty()) return kNaN;
    double sum = 0;
    for (const double p : probabilities) {
        if (p > 0) sum -= p * std::log(p);
    }
    return sum;
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
            const double here = margin(routerProbabilities(trace, token, layer, block));
            if (!std::isnan(here) && !(here >= smallest)) smallest = here;
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
