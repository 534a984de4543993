#include "engine/training/state_file_p.h"

#include <algorithm>

#include "engine/model/safetensors.h"

namespace flextron {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kMany = std::int64_t{1} << 50;

at::Tensor idsTensor(const std::vector<TokenId>& ids)
{
    at::Tensor tensor = at::empty({static_cast<std::int64_t>(ids.size())}, at::kInt);
    std::copy(ids.begin(), ids.end(), tensor.mutable_data_ptr<std::int32_t>());
    return tensor;
}

std::vector<TokenId> idsOf(const std::map<std::string, at::Tensor>& tensors, const std::string& name,
                           const std::string& file)
{
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.dim() != 1 || found->second.scalar_type() != at::kInt)
        throw Failure(ErrorCode::Corrupt, file + ": tensor \"" + name + "\" is not there as a list of token ids",
                      "start anew without --resume");
    const auto* data = found->second.const_data_ptr<std::int32_t>();
    return {data, data + found->second.numel()};
}

} // namespace

void writeState(const std::filesystem::path& file, const TrainingState& state, NamedTensors tensors)
{
    const DataPosition& data = state.data;
    Json files = Json::array();
    for (std::size_t i = 0; i < data.files.size(); ++i) {
        const DataPosition::File& each = data.files[i];
        files.push_back({{"epoch", each.epoch}, {"pieces", each.pieces}, {"sequences", each.sequences}});
        tensors.emplace_back("data.rest." + std::to_string(i), idsTensor(each.rest));
    }
    tensors.emplace_back("data.window", idsTensor(data.window));
    std::vector<NamedTensor> named;
    for (auto& [name, tensor] : tensors) {
        tensor = tensor.to(at::kCPU).contiguous();
        named.push_back({name, viewOf(tensor)});
    }
    // The random state as text: JSON numbers above 2^53 are not safe everywhere.
    const Json json = {{"version", kVersion},
                       {"step", state.step},
                       {"seconds", state.seconds},
                       {"flops", state.flops},
                       {"random", std::to_string(data.random_state)},
                       {"files", files},
                       {"settings", state.settings}};
    writeSafetensors(file, named, {{"flextron.training", json.dump()}}).orThrow();
}

TrainingState readState(const std::filesystem::path& file)
{
    const SafetensorsFile opened = SafetensorsFile::open(file).orThrow();
    const auto found = opened.metadata().find("flextron.training");
    if (found == opened.metadata().end())
        throw Failure(ErrorCode::Corrupt, file.string() + " is not the state of a training run",
                      "start anew without --resume");
    const Json json = parseJson(found->second, file);
    const JsonObject object(json, file.string());
    if (object.integer("version", 1, kMany) != kVersion)
        throw Failure(ErrorCode::Unsupported, file.string() + " is of another version of this program",
                      "go on with the version that began it, or start anew without --resume");
    TrainingState state;
    state.settings = object.at("settings");
    state.step = object.integer("step", 0, kMany);
    state.seconds = object.number("seconds", 0, 1e12);
    state.flops = object.number("flops", 0, 1e40);
    for (const auto& [name, view] : opened.tensors()) state.tensors[name] = copyOf(view);
    try {
        state.data.random_state = std::stoull(object.text("random"));
    } catch (const std::logic_error&) {
        object.mustBe("random", "a number in quotes");
    }
    state.data.window = idsOf(state.tensors, "data.window", file.string());
    const std::size_t files = object.array("files", 100'000).size();
    for (std::size_t i = 0; i < files; ++i) {
        const JsonObject each = object.element("files", i);
        state.data.files.push_back({each.integer("epoch", 0, kMany), each.integer("pieces", 0, kMany),
                                    each.integer("sequences", 0, kMany),
                                    idsOf(state.tensors, "data.rest." + std::to_string(i), file.string())});
    }
    return state;
}

void checkSameSettings(const Json& saved, const Json& given, const std::filesystem::path& file)
{
    for (const auto& [key, value] : given.items()) {
        const Json was = saved.is_object() && saved.contains(key) ? saved[key] : Json();
        if (was != value)
            throw Failure(ErrorCode::InvalidArgument,
                          "cannot go on with " + file.string() + ": \"" + key + "\" was " + describe(was) +
                              " then and is " + describe(value) + " now",
                          "give the settings of the interrupted run, or start anew without --resume");
    }
}

} // namespace flextron
