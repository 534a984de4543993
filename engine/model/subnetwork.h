// A member of the family: how many MLP neurons and attention heads each layer uses.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/model/choice_sets.h"
#include "engine/model/config.h"

namespace flextron {

/// Plain value. In layer l the first mlp[l] hidden neurons and the first heads[l] query heads exist (whole groups under
/// grouped-query attention); 0 skips the sub-block: nothing is added to the residual stream, neither the output bias.
/// (At a width above 0 the output bias is always added whole.) Source: Flextron, nested elastic MLP and MHA; that 0 is
/// allowed by hand is our choice.
struct SubNetwork {
    std::vector<int> mlp;
    std::vector<int> heads;

    [[nodiscard]] int numLayers() const { return static_cast<int>(mlp.size()); }
    auto operator<=>(const SubNetwork&) const = default;
};

SubNetwork fullSubNetwork(const ModelConfig& config);
/// The narrowest choice in every layer; in a layer that is narrower still (a model that is not uniform), the whole
/// layer.
SubNetwork smallestSubNetwork(const ModelConfig& config, const ChoiceSets& choices);
/// The same widths in every layer. Precondition: they fit (see validateSubNetwork).
SubNetwork uniformSubNetwork(const ModelConfig& config, int mlp, int heads);

/// Right number of layers; 0 <= width <= full; heads in whole groups. Widths need not be in the choice sets.
Result<void> validateSubNetwork(const SubNetwork& subnet, const ModelConfig& config);

/// True when every width of `inner` is at most that of `outer`: then inner's weights are a prefix of outer's.
bool nestedIn(const SubNetwork& inner, const SubNetwork& outer);

/// "mlp 704*2,352*4; heads 8*6": run-length coded, layer 0 first.
std::string toString(const SubNetwork& subnet);
/// {"mlp": [...], "heads": [...]}
std::string toJson(const SubNetwork& subnet);
/// Header "layer,mlp,heads", one line a layer.
std::string toCsv(const SubNetwork& subnet);
/// Reads any of the three forms (told apart by their first characters) and checks the result against `config`. In the
/// text form a single width without "*" stands for all layers when it is the only one. InvalidArgument says where and
/// what was expected.
Result<SubNetwork> parseSubNetwork(std::string_view text, const ModelConfig& config);

/// FNV-1a over the widths.
std::size_t hashValue(const SubNetwork& subnet);

} // namespace flextron

template <> struct std::hash<flextron::SubNetwork> {
    std::size_t operator()(const flextron::SubNetwork& subnet) const { return flextron::hashValue(subnet); }
};
