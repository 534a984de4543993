#include "engine/elastic/permutation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "engine/elastic/select_units_p.h"

namespace flextron {

namespace {

std::vector<int> identity(std::size_t count)
{
    std::vector<int> order(count);
    std::iota(order.begin(), order.end(), 0);
    return order;
}

std::vector<int> inverseOf(const std::vector<int>& order)
{
    std::vector<int> inverted(order.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        inverted.at(static_cast<std::size_t>(order[i])) = static_cast<int>(i);
    return inverted;
}

std::vector<int> descendingOrder(const std::vector<float>& importance, const std::string& what)
{
    if (std::any_of(importance.begin(), importance.end(), [](float value) { return std::isnan(value); }))
        throw Failure(ErrorCode::InvalidArgument, "the importance of " + what + " holds NaN",
                      "measure the importance again; if it stays so, the weights are damaged");
    auto order = identity(importance.size());
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return importance[static_cast<std::size_t>(a)] > importance[static_cast<std::size_t>(b)];
    });
    return order;
}

std::vector<float> reordered(const std::vector<float>& values, const std::vector<int>& order)
{
    std::vector<float> result;
    result.reserve(order.size());
    for (const int old_index : order) result.push_back(values.at(static_cast<std::size_t>(old_index)));
    return result;
}

void checkOrder(const std::vector<int>& order, int count, const std::string& what)
{
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != identity(static_cast<std::size_t>(count)))
        throw Failure(ErrorCode::InvalidArgument,
                      "the new order of " + what + " is not a permutation of 0 to " + std::to_string(count - 1),
                      "give each unit exactly once");
}

} // namespace

std::vector<LayerPermutation> identityPermutation(const ModelConfig& config)
{
    std::vector<LayerPermutation> permutation;
    for (const LayerSizes& sizes : config.layers)
        permutation.push_back({identity(static_cast<std::size_t>(sizes.intermediate_size)),
                               identity(static_cast<std::size_t>(sizes.num_key_value_heads))});
    return permutation;
}

std::vector<LayerPermutation> inverse(const std::vector<LayerPermutation>& permutation)
{
    std::vector<LayerPermutation> inverted;
    for (const LayerPermutation& layer : permutation)
        inverted.push_back({inverseOf(layer.mlp), inverseOf(layer.groups)});
    return inverted;
}

Result<std::vector<LayerPermutation>> permutationByImportance(const ImportanceReport& report)
{
    return guarded([&] {
        std::vector<LayerPermutation> permutation;
        for (std::size_t l = 0; l < report.mlp.size(); ++l) {
            const std::string layer = "layer " + std::to_string(l);
            permutation.push_back({descendingOrder(report.mlp[l], layer + "'s neurons"),
                                   descendingOrder(report.groups.at(l), layer + "'s heads")});
        }
        return permutation;
    });
}

ImportanceReport permuteReport(const ImportanceReport& report, const std::vector<LayerPermutation>& permutation)
{
    ImportanceReport permuted = report;
    const auto descends = [](const std::vector<float>& values) {
        return std::is_sorted(values.begin(), values.end(), std::greater<>());
    };
    permuted.sorted = true;
    for (std::size_t l = 0; l < permutation.size(); ++l) {
        permuted.mlp.at(l) = reordered(report.mlp.at(l), permutation[l].mlp);
        permuted.groups.at(l) = reordered(report.groups.at(l), permutation[l].groups);
        permuted.sorted = permuted.sorted && descends(permuted.mlp[l]) && descends(permuted.groups[l]);
    }
    return permuted;
}

Result<CheckpointContents> permuteCheckpoint(const std::shared_ptr<const Checkpoint>& source,
                                             const std::vector<LayerPermutation>& permutation)
{
    return guarded([&] {
        const ModelConfig& config = source->config();
        if (permutation.size() != config.layers.size())
            throw Failure(ErrorCode::InvalidArgument,
                          "an order is given for " + std::to_string(permutation.size()) + " layers, the model has " +
                              std::to_string(config.layers.size()),
                          "give one for each layer");
        std::vector<UnitSelection> selections;
        for (std::size_t l = 0; l < permutation.size(); ++l) {
            checkOrder(permutation[l].mlp, config.layers[l].intermediate_size,
                       "layer " + std::to_string(l) + "'s neurons");
            checkOrder(permutation[l].groups, config.layers[l].num_key_value_heads,
                       "layer " + std::to_string(l) + "'s heads");
            selections.push_back({permutation[l].mlp, permutation[l].groups});
        }
        CheckpointContents contents;
        contents.config = config;
        contents.dtype = source->dtype();
        SelectedTensors selected = selectUnits(source, config, selections);
        contents.tensors = std::move(selected.tensors);
        contents.storage = std::move(selected.storage);
        contents.tokenizer_from = source->folder();
        if (source->elastic()) {
            contents.record = source->record();
            if (contents.record->importance)
                contents.record->importance = permuteReport(*contents.record->importance, permutation);
        }
        return contents;
    });
}

} // namespace flextron
