#include "engine/model/subnetwork.h"

#include <algorithm>
#include <cstdint>

namespace flextron {

namespace {

[[noreturn]] void refuse(const std::string& what)
{
    throw Failure(ErrorCode::InvalidArgument, "sub-network: " + what,
                  "flextron info MODEL shows the widths that the model has");
}

void checkWidths(const std::vector<int>& widths, const std::string& kind, const ModelConfig& config,
                 int LayerSizes::*full, int multiple)
{
    if (widths.size() != config.layers.size())
        refuse(kind + " is given for " + std::to_string(widths.size()) + " layers, the model has " +
               std::to_string(config.layers.size()));
    for (std::size_t l = 0; l < widths.size(); ++l) {
        // Words only for what is wrong: every step is checked, and a good one allocates nothing.
        const auto what = [&] { return kind + " of layer " + std::to_string(l) + " is " + std::to_string(widths[l]); };
        if (widths[l] < 0 || widths[l] > config.layers[l].*full)
            refuse(what() + ", it must be from 0 to " + std::to_string(config.layers[l].*full));
        if (widths[l] % multiple != 0)
            refuse(what() + ", it must be a multiple of " + std::to_string(multiple) +
                   ": heads that share keys and values stay together");
    }
}

/// FNV-1a, 64 bits, a width at a time.
std::uint64_t mix(std::uint64_t hash, int width)
{
    for (unsigned shift = 0; shift < 32; shift += 8)
        hash = (hash ^ ((static_cast<std::uint32_t>(width) >> shift) & 0xffu)) * 0x100000001b3u;
    return hash;
}

} // namespace

SubNetwork fullSubNetwork(const ModelConfig& config)
{
    SubNetwork subnet;
    for (const LayerSizes& sizes : config.layers) {
        subnet.mlp.push_back(sizes.intermediate_size);
        subnet.heads.push_back(sizes.num_attention_heads);
    }
    return subnet;
}

SubNetwork smallestSubNetwork(const ModelConfig& config, const ChoiceSets& choices)
{
    SubNetwork subnet = fullSubNetwork(config);
    for (int& width : subnet.mlp) width = std::min(width, choices.mlp_int_list.front());
    for (int& heads : subnet.heads) heads = std::min(heads, choices.head_int_list.front());
    return subnet;
}

SubNetwork uniformSubNetwork(const ModelConfig& config, int mlp, int heads)
{
    return {std::vector<int>(config.layers.size(), mlp), std::vector<int>(config.layers.size(), heads)};
}

Result<void> validateSubNetwork(const SubNetwork& subnet, const ModelConfig& config)
{
    return guarded([&] {
        checkWidths(subnet.mlp, "mlp", config, &LayerSizes::intermediate_size, 1);
        checkWidths(subnet.heads, "heads", config, &LayerSizes::num_attention_heads, config.headsPerGroup());
    });
}

bool nestedIn(const SubNetwork& inner, const SubNetwork& outer)
{
    const auto notWider = [](const std::vector<int>& a, const std::vector<int>& b) {
        return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](int x, int y) { return x <= y; });
    };
    return notWider(inner.mlp, outer.mlp) && notWider(inner.heads, outer.heads);
}

std::size_t hashValue(const SubNetwork& subnet)
{
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const int width : subnet.mlp) hash = mix(hash, width);
    for (const int heads : subnet.heads) hash = mix(hash, heads);
    return static_cast<std::size_t>(hash);
}

} // namespace flextron
