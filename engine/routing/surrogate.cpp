#include "engine/routing/surrogate.h"

#include <algorithm>

#include "engine/base/error.h"

namespace flextron {

namespace {

void appendOneHot(std::vector<float>& means, int width, const std::vector<int>& choices, const char* what)
{
    const auto found = std::find(choices.begin(), choices.end(), width);
    if (found == choices.end())
        throw Failure(ErrorCode::InvalidArgument,
                      std::string("a width of ") + std::to_string(width) + " " + what +
                          " is not among the model's choices: the surrogate knows nothing of it",
                      "take widths of the choice sets");
    means.resize(means.size() + choices.size(), 0.0f);
    means[means.size() - choices.size() + static_cast<std::size_t>(found - choices.begin())] = 1.0f;
}

} // namespace

double Surrogate::predictRise(const std::vector<float>& choice_means) const
{
    return static_cast<double>(routerLogits(network, choice_means).at(0));
}

std::vector<float> choiceMeans(const SubNetwork& subnet, const ChoiceSets& choices)
{
    std::vector<float> means;
    for (std::size_t layer = 0; layer < subnet.mlp.size(); ++layer) {
        appendOneHot(means, subnet.heads.at(layer), choices.head_int_list, "heads");
        appendOneHot(means, subnet.mlp[layer], choices.mlp_int_list, "MLP neurons");
    }
    return means;
}

} // namespace flextron
