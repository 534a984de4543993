// routers.safetensors (docs/file-formats.md): tensors for the weights, one JSON text in the metadata for the rest.
#include <cmath>

#include "engine/base/json_p.h"
#include "engine/model/safetensors.h"
#include "engine/routing/routers.h"

namespace flextron {

namespace {

constexpr int kFormatVersion = 1;
constexpr const char* kMetadataKey = "flextron_routers";
constexpr std::size_t kMaxStops = 1024;
constexpr std::int64_t kMaxInner = 1 << 20;

using Shape = std::vector<std::int64_t>;

std::string networkName(int layer, const char* block)
{
    return "layers." + std::to_string(layer) + "." + block;
}

// ---- writing

class Writer {
public:
    void add(const std::string& name, const RouterNetwork& network)
    {
        add(name + ".hidden", network.hidden);
        add(name + ".output", network.output);
    }
    [[nodiscard]] const std::vector<NamedTensor>& tensors() const { return tensors_; }

private:
    void add(const std::string& name, const LinearWeights& linear)
    {
        const auto in = static_cast<std::size_t>(linear.in);
        const auto out = static_cast<std::size_t>(linear.out);
        if (linear.in <= 0 || linear.out <= 0 || linear.weight.size() != in * out || linear.bias.size() != out)
            throw Failure(ErrorCode::Internal, "router " + name + ": the weights do not have the sizes that it states");
        add(name + ".weight", {linear.out, linear.in}, linear.weight);
        add(name + ".bias", {linear.out}, linear.bias);
    }
    void add(const std::string& name, Shape shape, const std::vector<float>& values)
    {
        tensors_.push_back({name, {DType::Float32, std::move(shape), std::as_bytes(std::span(values))}});
    }

    std::vector<NamedTensor> tensors_;
};

/// Layers and hidden size, worked out from the networks: `routers` does not state them.
std::pair<int, std::optional<int>> modelSizes(const Routers& routers)
{
    const int stops = static_cast<int>(routers.budget_list.size());
    if (routers.dynamic()) return {static_cast<int>(routers.mlp.size()), routers.mlp.front().hidden.in - stops};
    const auto per_layer = routers.choices.head_int_list.size() + routers.choices.mlp_int_list.size();
    if (!routers.fixed || per_layer == 0) throw Failure(ErrorCode::InvalidArgument, "there are no routers to write");
    return {routers.fixed->output.out / static_cast<int>(per_layer), std::nullopt};
}

std::string describeRouters(const Routers& routers)
{
    const auto [layers, hidden_size] = modelSizes(routers);
    Json json = {{"format_version", kFormatVersion},
                 {"budget_list", routers.budget_list},
                 {"mlp_int_list", routers.choices.mlp_int_list},
                 {"head_int_list", routers.choices.head_int_list},
                 {"router_inter_dim", routers.router_inter_dim},
                 {"num_hidden_layers", layers},
                 {"dynamic", routers.dynamic()},
                 {"static", routers.fixed.has_value()}};
    if (hidden_size) json["hidden_size"] = *hidden_size;
    if (routers.surrogate)
        json["surrogate"] = {{"inner_dim", routers.surrogate->network.hidden.out},
                             {"full_loss", routers.surrogate->full_loss},
                             {"relative_error", routers.surrogate->relative_error}};
    return json.dump();
}

// ---- reading

class Reader {
public:
    explicit Reader(const SafetensorsFile& file) : file_(file) {}

    [[nodiscard]] RouterNetwork network(const std::string& name, int inputs, int inner, int outputs) const
    {
        return {linear(name + ".hidden", inputs, inner), linear(name + ".output", inner, outputs)};
    }

private:
    [[nodiscard]] LinearWeights linear(const std::string& name, int in, int out) const
    {
        return {in, out, values(name + ".weight", {out, in}), values(name + ".bias", {out})};
    }

    [[nodiscard]] std::vector<float> values(const std::string& name, const Shape& shape) const
    {
        const std::string where = file_.path().string() + ": tensor " + name;
        const auto found = file_.tensors().find(name);
        if (found == file_.tensors().end())
            throw Failure(ErrorCode::Corrupt, where + " is missing; expected " + shapeString(shape));
        const TensorView& tensor = found->second;
        if (tensor.shape != shape)
            throw Failure(ErrorCode::Corrupt,
                          where + " has shape " + shapeString(tensor.shape) + "; expected " + shapeString(shape));
        const bool floating = tensor.dtype == DType::Float32 || tensor.dtype == DType::Float16 ||
                              tensor.dtype == DType::BFloat16;
        if (!floating)
            throw Failure(ErrorCode::Corrupt, where + " has type " + std::string(safetensorsName(tensor.dtype)) +
                                                  "; expected F32, F16 or BF16");
        std::vector<float> result = toFloat(tensor);
        for (const float value : result)
            if (!std::isfinite(value)) throw Failure(ErrorCode::Corrupt, where + " holds a number that is not finite");
        return result;
    }

    const SafetensorsFile& file_;
};

std::vector<int> widths(const JsonObject& json, const std::string& key)
{
    const auto numbers = json.integers(key, 1, 1 << 30, 1 << 16);
    return {numbers.begin(), numbers.end()};
}

std::vector<double> readStops(const JsonObject& json)
{
    std::vector<double> stops;
    for (const Json& value : json.array("budget_list", kMaxStops)) {
        const double stop = value.is_number() ? value.get<double>() : 0.0;
        if (!(stop > 0.0 && stop <= 1.0) || (!stops.empty() && stop >= stops.back()))
            json.mustBe("budget_list", "a list of shares that descend, each above 0 and at most 1");
        stops.push_back(stop);
    }
    if (stops.empty()) json.mustBe("budget_list", "a list of at least one share");
    return stops;
}

std::string listString(const std::vector<int>& list)
{
    return Json(list).dump();
}

/// What the file says of its model against the model at hand.
void checkBelongs(const JsonObject& json, const ModelConfig& config, const ChoiceSets& own, const ChoiceSets& expected,
                  bool dynamic)
{
    const std::string hint = "use the routers that were made for this model, or none";
    const auto fail = [&](const std::string& what, const std::string& found, const std::string& wanted) {
        throw Failure(ErrorCode::InvalidArgument,
                      json.where() + ": routers for a model with " + what + " " + found + "; this one has " + wanted,
                      hint);
    };
    const auto layers = json.integer("num_hidden_layers", 1, 1 << 20);
    if (layers != config.numLayers())
        fail("num_hidden_layers", std::to_string(layers), std::to_string(config.numLayers()));
    if (dynamic) {
        const auto hidden_size = json.integer("hidden_size", 1, 1 << 30);
        if (hidden_size != config.hidden_size)
            fail("hidden_size", std::to_string(hidden_size), std::to_string(config.hidden_size));
    }
    if (own.mlp_int_list != expected.mlp_int_list)
        fail("mlp_int_list", listString(own.mlp_int_list), listString(expected.mlp_int_list));
    if (own.head_int_list != expected.head_int_list)
        fail("head_int_list", listString(own.head_int_list), listString(expected.head_int_list));
}

Surrogate readSurrogate(const Reader& reader, const JsonObject& json, int inputs)
{
    const JsonObject own = json.object("surrogate");
    const auto inner = static_cast<int>(own.integer("inner_dim", 1, kMaxInner));
    return {reader.network("surrogate", inputs, inner, 1), own.number("full_loss", 0, 1e6),
            own.number("relative_error", 0, 1e6)};
}

Routers readNetworks(const SafetensorsFile& file, const JsonObject& json, const ModelConfig& config,
                     const ChoiceSets& choices)
{
    Routers routers;
    routers.choices = {widths(json, "mlp_int_list"), widths(json, "head_int_list")};
    const bool dynamic = json.boolean("dynamic");
    checkBelongs(json, config, routers.choices, choices, dynamic);
    routers.budget_list = readStops(json);
    routers.router_inter_dim = static_cast<int>(json.integer("router_inter_dim", 1, kMaxInner));
    const int stops = static_cast<int>(routers.budget_list.size());
    const int head_choices = static_cast<int>(choices.head_int_list.size());
    const int mlp_choices = static_cast<int>(choices.mlp_int_list.size());
    const Reader reader(file);
    for (int layer = 0; dynamic && layer < config.numLayers(); ++layer) {
        const int inputs = config.hidden_size + stops;
        routers.heads.push_back(
            reader.network(networkName(layer, "heads"), inputs, routers.router_inter_dim, head_choices));
        routers.mlp.push_back(reader.network(networkName(layer, "mlp"), inputs, routers.router_inter_dim, mlp_choices));
    }
    const int of_all_layers = config.numLayers() * (head_choices + mlp_choices);
    if (json.boolean("static"))
        routers.fixed = reader.network("static", stops, routers.router_inter_dim, of_all_layers);
    if (json.has("surrogate")) routers.surrogate = readSurrogate(reader, json, of_all_layers);
    return routers;
}

} // namespace

Result<void> writeRouters(const std::filesystem::path& file, const Routers& routers)
{
    return guarded([&] {
        const std::string description = describeRouters(routers);
        Writer writer;
        for (std::size_t layer = 0; layer < routers.mlp.size(); ++layer) {
            writer.add(networkName(static_cast<int>(layer), "heads"), routers.heads.at(layer));
            writer.add(networkName(static_cast<int>(layer), "mlp"), routers.mlp[layer]);
        }
        if (routers.fixed) writer.add("static", *routers.fixed);
        if (routers.surrogate) writer.add("surrogate", routers.surrogate->network);
        writeSafetensors(file, writer.tensors(), {{kMetadataKey, description}}).orThrow();
    });
}

Result<std::shared_ptr<const Routers>> readRouters(const std::filesystem::path& file, const ModelConfig& config,
                                                   const ChoiceSets& choices)
{
    return guarded([&]() -> std::shared_ptr<const Routers> {
        const SafetensorsFile opened = SafetensorsFile::open(file).orThrow();
        const auto description = opened.metadata().find(kMetadataKey);
        if (description == opened.metadata().end())
            throw Failure(ErrorCode::Corrupt,
                          file.string() + ": no \"" + kMetadataKey + "\" in the metadata: this is no file of routers",
                          "give a routers.safetensors that this program wrote");
        const Json parsed = parseJson(description->second, file);
        const JsonObject json(parsed, file.string(), kMetadataKey);
        if (const auto version = json.integer("format_version", 1, 1 << 30); version > kFormatVersion)
            throw Failure(ErrorCode::Unsupported,
                          file.string() + ": routers of format version " + std::to_string(version) +
                              "; this program knows " + std::to_string(kFormatVersion),
                          "use a newer Flextron Explorer");
        return std::make_shared<const Routers>(readNetworks(opened, json, config, choices));
    });
}

} // namespace flextron
