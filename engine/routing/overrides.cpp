#include "engine/routing/overrides.h"

#include <algorithm>
#include <limits>

#include "engine/base/json_p.h"

namespace flextron {

namespace {

const char* blockName(SubBlock block)
{
    return block == SubBlock::Attention ? "attention" : "mlp";
}

std::string placeOf(const Override& entry)
{
    const auto part = [](const char* what, int index) {
        return index == Override::kAll ? std::string("every ") + what : what + (" " + std::to_string(index));
    };
    return part("token", entry.token) + ", " + part("layer", entry.layer) + ", " + blockName(entry.block);
}

void checkWidth(const Override& entry, int layer, const ModelConfig& config)
{
    const LayerSizes& sizes = config.layers[static_cast<std::size_t>(layer)];
    const bool attention = entry.block == SubBlock::Attention;
    const int full = attention ? sizes.num_attention_heads : sizes.intermediate_size;
    if (entry.width < 0 || entry.width > full)
        throw Failure(ErrorCode::InvalidArgument,
                      "override (" + placeOf(entry) + "): width " + std::to_string(entry.width) +
                          " is not one of layer " + std::to_string(layer) + ", which has " + std::to_string(full) +
                          (attention ? " heads" : " neurons"),
                      "give a width from 0 (skip the sub-block) to " + std::to_string(full));
    if (attention && entry.width % config.headsPerGroup() != 0)
        throw Failure(ErrorCode::InvalidArgument,
                      "override (" + placeOf(entry) + "): " + std::to_string(entry.width) +
                          " heads are not whole groups of " + std::to_string(config.headsPerGroup()),
                      "give a multiple of " + std::to_string(config.headsPerGroup()) + " heads");
}

/// "token" or "layer": left out or "all" means every one.
int indexField(const JsonObject& object, const std::string& key)
{
    const Json* value = object.find(key);
    if (value == nullptr || *value == "all") return Override::kAll;
    if (!value->is_number_integer()) object.mustBe(key, "a whole number or \"all\"");
    return static_cast<int>(object.integer(key, 0, std::numeric_limits<int>::max()));
}

Override parseEntry(const JsonObject& object)
{
    object.allowOnly({"token", "layer", "block", "width"});
    Override entry;
    entry.token = indexField(object, "token");
    entry.layer = indexField(object, "layer");
    const std::string block = object.text("block");
    if (block != "attention" && block != "mlp") object.mustBe("block", "\"attention\" or \"mlp\"");
    entry.block = block == "attention" ? SubBlock::Attention : SubBlock::Mlp;
    entry.width = static_cast<int>(object.integer("width", 0, std::numeric_limits<int>::max()));
    return entry;
}

std::size_t tableOf(SubBlock block)
{
    return block == SubBlock::Mlp ? 1 : 0;
}

std::uint64_t placeKey(int token, int layer)
{
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(token)) << 32 | static_cast<std::uint32_t>(layer);
}

} // namespace

void Overrides::add(Override entry)
{
    last_[tableOf(entry.block)][placeKey(entry.token, entry.layer)] = entries_.size();
    entries_.push_back(entry);
}

void Overrides::removeAt(std::size_t index)
{
    std::vector<Override> left = std::move(entries_);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(index));
    *this = Overrides();
    for (const Override& entry : left) add(entry);
}

std::optional<int> Overrides::find(int token, int layer, SubBlock block) const
{
    const auto& table = last_[tableOf(block)];
    if (table.empty()) return std::nullopt;
    std::optional<std::size_t> last;
    for (const int named_token : {token, Override::kAll})
        for (const int named_layer : {layer, Override::kAll})
            if (const auto found = table.find(placeKey(named_token, named_layer)); found != table.end())
                last = std::max(last.value_or(0), found->second);
    if (!last) return std::nullopt;
    return entries_[*last].width;
}

Result<void> validateOverrides(const Overrides& overrides, const ModelConfig& config)
{
    return guarded([&] {
        for (const Override& entry : overrides.entries()) {
            if (entry.token < Override::kAll)
                throw Failure(ErrorCode::InvalidArgument, "override (" + placeOf(entry) + "): there is no such token",
                              "count tokens from 0, the first of the prompt");
            if (entry.layer < Override::kAll || entry.layer >= config.numLayers())
                throw Failure(ErrorCode::InvalidArgument,
                              "override (" + placeOf(entry) + "): the model has " + std::to_string(config.numLayers()) +
                                  " layers",
                              "give a layer from 0 to " + std::to_string(config.numLayers() - 1) + ", or all");
            const bool all = entry.layer == Override::kAll;
            const int from = all ? 0 : entry.layer;
            const int to = all ? config.numLayers() : entry.layer + 1;
            for (int layer = from; layer < to; ++layer) checkWidth(entry, layer, config);
        }
    });
}

Result<Overrides> parseOverrides(std::string_view json, const ModelConfig& config)
{
    return guarded([&] {
        const Json list = parseJson(json, "overrides");
        if (!list.is_array())
            throw Failure(ErrorCode::Corrupt, "overrides: expected a JSON array, found " + describe(list),
                          R"(write [{"token": 5, "layer": 0, "block": "mlp", "width": 0}])");
        Overrides overrides;
        for (std::size_t i = 0; i < list.size(); ++i)
            overrides.add(parseEntry(JsonObject(list[i], "overrides", "[" + std::to_string(i) + "]")));
        validateOverrides(overrides, config).orThrow();
        return overrides;
    });
}

std::string toJson(const Overrides& overrides)
{
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Override& entry : overrides.entries()) {
        nlohmann::ordered_json object;
        if (entry.token != Override::kAll) object["token"] = entry.token;
        if (entry.layer != Override::kAll) object["layer"] = entry.layer;
        object["block"] = blockName(entry.block);
        object["width"] = entry.width;
        list.push_back(std::move(object));
    }
    return list.dump();
}

} // namespace flextron
