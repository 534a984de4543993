#include "engine/elastic/select_units_p.h"

#include <charconv>
#include <cstring>
#include <deque>
#include <functional>
#include <numeric>
#include <optional>
#include <string_view>

namespace flextron {

namespace {

enum class Unit { Neuron, Group };

/// How units lie in a tensor: along `axis`, in `segments` equal parts one after the other (Q, K and V of the fused
/// c_attn), `block` indices a unit.
struct Layout {
    Unit unit = Unit::Neuron;
    std::size_t axis = 0;
    int segments = 1;
    int block = 1;
};

/// SwiGLU: a neuron is a row of gate and up, a column of down. A group is rows of Q, K and V (of K and V one head, of Q
/// all that share it) and columns of O. Weights are [out, in].
std::optional<Layout> llamaLayout(std::string_view name, const ModelConfig& config)
{
    const int query_block = config.headsPerGroup() * config.head_dim;
    if (name.starts_with("mlp.gate_proj.") || name.starts_with("mlp.up_proj.")) return Layout{Unit::Neuron, 0, 1, 1};
    if (name == "mlp.down_proj.weight") return Layout{Unit::Neuron, 1, 1, 1};
    if (name.starts_with("self_attn.q_proj.")) return Layout{Unit::Group, 0, 1, query_block};
    if (name.starts_with("self_attn.k_proj.") || name.starts_with("self_attn.v_proj."))
        return Layout{Unit::Group, 0, 1, config.head_dim};
    if (name == "self_attn.o_proj.weight") return Layout{Unit::Group, 1, 1, query_block};
    return std::nullopt; // norms, and biases of the outputs
}

/// GPT-2's Conv1D weights are [in, out]; c_attn's outputs are Q, K and V side by side.
std::optional<Layout> gpt2Layout(std::string_view name, const ModelConfig& config)
{
    if (name == "mlp.c_fc.weight") return Layout{Unit::Neuron, 1, 1, 1};
    if (name == "mlp.c_fc.bias" || name == "mlp.c_proj.weight") return Layout{Unit::Neuron, 0, 1, 1};
    if (name == "attn.c_attn.weight") return Layout{Unit::Group, 1, 3, config.head_dim};
    if (name == "attn.c_attn.bias") return Layout{Unit::Group, 0, 3, config.head_dim};
    if (name == "attn.c_proj.weight") return Layout{Unit::Group, 0, 1, config.head_dim};
    return std::nullopt;
}

bool isIdentity(const std::vector<int>& units, std::size_t count)
{
    if (units.size() != count) return false;
    for (std::size_t i = 0; i < count; ++i)
        if (units[i] != static_cast<int>(i)) return false;
    return true;
}

/// Length of the run of units from `begin` on that lie one after the other in the source too (or are all zeros).
std::size_t runLength(const std::vector<int>& units, std::size_t begin)
{
    std::size_t end = begin + 1;
    while (end < units.size() && units[end] == (units[begin] == kZeroUnit ? kZeroUnit : units[end - 1] + 1)) ++end;
    return end - begin;
}

/// Copies the units of `source` into `target`, which has room for them, and zeros where a unit is kZeroUnit.
void gather(const TensorView& source, const Layout& layout, const std::vector<int>& units, std::byte* target)
{
    const auto axis = source.shape.begin() + static_cast<std::ptrdiff_t>(layout.axis);
    const auto product = [](auto begin, auto end) {
        return static_cast<std::size_t>(std::accumulate(begin, end, std::int64_t{1}, std::multiplies<>()));
    };
    const std::size_t outer = product(source.shape.begin(), axis);
    const std::size_t unit_bytes = static_cast<std::size_t>(layout.block) * product(axis + 1, source.shape.end()) *
                                   sizeOf(source.dtype);
    const std::size_t parts = outer * static_cast<std::size_t>(layout.segments);
    const std::size_t part_bytes = source.bytes.size() / parts;
    for (std::size_t part = 0; part < parts; ++part) {
        const std::byte* const from = source.bytes.data() + part * part_bytes;
        for (std::size_t i = 0; i < units.size();) {
            const std::size_t run = runLength(units, i);
            if (units[i] == kZeroUnit) std::memset(target, 0, run * unit_bytes);
            else std::memcpy(target, from + static_cast<std::size_t>(units[i]) * unit_bytes, run * unit_bytes);
            target += run * unit_bytes;
            i += run;
        }
    }
}

/// Splits "model.layers.3.mlp.up_proj.weight" into layer 3 and "mlp.up_proj.weight"; false for a tensor outside the
/// layers.
bool splitName(std::string_view name, const ModelConfig& config, std::size_t& layer, std::string_view& rest)
{
    const std::string_view prefix = config.isGpt() ? "transformer.h." : "model.layers.";
    if (!name.starts_with(prefix)) return false;
    name.remove_prefix(prefix.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
    rest = name.substr(static_cast<std::size_t>(end - name.data()) + 1);
    return error == std::errc{};
}

/// How the units of tensor `name` lie, and the layer it belongs to; none for a tensor without units.
std::optional<Layout> layoutOf(std::string_view name, const ModelConfig& config, std::size_t& layer)
{
    std::string_view rest;
    if (!splitName(name, config, layer, rest)) return std::nullopt;
    return config.isGpt() ? gpt2Layout(rest, config) : llamaLayout(rest, config);
}

struct Storage {
    std::shared_ptr<const Checkpoint> source;
    std::deque<std::vector<std::byte>> buffers;
};

} // namespace

SelectedTensors selectUnits(const std::shared_ptr<const Checkpoint>& source, const ModelConfig& config,
                            const std::vector<UnitSelection>& selections)
{
    const auto storage = std::make_shared<Storage>();
    storage->source = source;
    SelectedTensors selected;
    for (const auto& [name, shape] : expectedTensors(config)) {
        const TensorView& tensor = source->tensor(name);
        selected.tensors.push_back({name, tensor});
        std::size_t l = 0;
        const auto layout = layoutOf(name, source->config(), l);
        if (!layout) continue;
        const bool neurons = layout->unit == Unit::Neuron;
        const std::vector<int>& units = neurons ? selections[l].mlp : selections[l].groups;
        const LayerSizes& sizes = source->config().layers[l];
        const auto count = static_cast<std::size_t>(neurons ? sizes.intermediate_size : sizes.num_key_value_heads);
        if (isIdentity(units, count)) continue;
        auto& buffer = storage->buffers.emplace_back(tensor.bytes.size() / count * units.size());
        gather(tensor, *layout, units, buffer.data());
        selected.tensors.back().tensor = {tensor.dtype, shape, buffer};
    }
    selected.storage = storage;
    return selected;
}

} // namespace flextron
