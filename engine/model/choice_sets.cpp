#include "engine/model/choice_sets.h"

#include <algorithm>
#include <functional>
#include <string>

namespace flextron {

namespace {

constexpr int kNeuronMultiple = 32; // whole vector registers, whatever their size
constexpr int kQuarters = 4;

/// `widths` without repetition and without 0; ascending as they come in.
std::vector<int> distinct(std::vector<int> widths)
{
    std::erase(widths, 0);
    widths.erase(std::unique(widths.begin(), widths.end()), widths.end());
    return widths;
}

/// 1/4, 2/4, 3/4, 4/4 of `full`, each rounded to the nearest multiple of `multiple`; the last stays `full`.
std::vector<int> quarters(int full, int multiple)
{
    std::vector<int> widths;
    for (int quarter = 1; quarter < kQuarters; ++quarter) {
        const int exact = full * quarter / kQuarters;
        widths.push_back((exact + multiple / 2) / multiple * multiple);
    }
    widths.push_back(full);
    return widths;
}

bool sameInEveryLayer(const ModelConfig& config, int LayerSizes::*size)
{
    return std::all_of(config.layers.begin(), config.layers.end(),
                       [&](const LayerSizes& sizes) { return sizes.*size == config.layers.front().*size; });
}

/// A width of 0 in every layer leaves nothing to choose; the list still needs its one positive entry.
int fullWidth(int width)
{
    return std::max(width, 1);
}

void checkList(const std::vector<int>& list, const std::string& name, int full, bool may_vary, int multiple)
{
    const auto refuse = [&](const std::string& what) {
        throw Failure(ErrorCode::InvalidArgument, name + " " + what,
                      "give ascending widths that end with the full one, " + std::to_string(full));
    };
    if (list.empty()) refuse("is empty");
    if (std::adjacent_find(list.begin(), list.end(), std::greater_equal<>()) != list.end()) refuse("is not ascending");
    if (list.front() <= 0) refuse("holds " + std::to_string(list.front()) + ": a choice is at least 1");
    if (list.back() != full)
        refuse("ends with " + std::to_string(list.back()) + ", the full width is " + std::to_string(full));
    for (const int width : list)
        if (width % multiple != 0)
            refuse("holds " + std::to_string(width) + ", which is not a multiple of " + std::to_string(multiple) +
                   ", the heads of a group");
    if (!may_vary && list.size() > 1)
        refuse("has " + std::to_string(list.size()) +
               " entries, but the layers of this model differ: it can have only one");
}

} // namespace

ChoiceSets defaultChoiceSets(const ModelConfig& config)
{
    const LayerSizes full = config.maxSizes();
    const int per_group = config.headsPerGroup();
    ChoiceSets choices;
    choices.mlp_int_list = {fullWidth(full.intermediate_size)};
    if (full.intermediate_size > 0 && sameInEveryLayer(config, &LayerSizes::intermediate_size)) {
        choices.mlp_int_list = distinct(quarters(full.intermediate_size, kNeuronMultiple));
        if (choices.mlp_int_list.size() < kQuarters ||
            !std::is_sorted(choices.mlp_int_list.begin(), choices.mlp_int_list.end()))
            choices.mlp_int_list = distinct(quarters(full.intermediate_size, 1));
    }
    choices.head_int_list = {fullWidth(full.num_attention_heads)};
    if (full.num_key_value_heads > 0 && sameInEveryLayer(config, &LayerSizes::num_key_value_heads)) {
        choices.head_int_list = distinct(quarters(full.num_key_value_heads, 1));
        for (int& heads : choices.head_int_list) heads *= per_group;
    }
    return choices;
}

Result<void> validateChoiceSets(const ChoiceSets& choices, const ModelConfig& config)
{
    return guarded([&] {
        const LayerSizes full = config.maxSizes();
        checkList(choices.mlp_int_list, "mlp_int_list", fullWidth(full.intermediate_size),
                  sameInEveryLayer(config, &LayerSizes::intermediate_size), 1);
        checkList(choices.head_int_list, "head_int_list", fullWidth(full.num_attention_heads),
                  sameInEveryLayer(config, &LayerSizes::num_key_value_heads), config.headsPerGroup());
    });
}

} // namespace flextron
