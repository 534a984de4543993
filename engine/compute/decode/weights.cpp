#include "engine/compute/decode/weights_p.h"

#include "engine/base/half.h"

namespace flextron::decode {
namespace {

std::size_t tableElementBytes(PanelType type)
{
    return type == PanelType::Float32 ? 4 : 2;
}

float tableElement(const RowTable& table, std::size_t index)
{
    if (table.type == PanelType::Float32) return reinterpret_cast<const float*>(table.rows)[index];
    const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(table.rows)[index];
    return table.type == PanelType::Float16 ? float16ToFloat(bits) : bfloat16ToFloat(bits);
}

/// Element (column, input) of a panel.
float panelElement(PanelType type, const std::byte* panel, int column, int input)
{
    const auto index = static_cast<std::size_t>(input) * kPanel + static_cast<std::size_t>(column);
    switch (type) {
    case PanelType::Float32: return reinterpret_cast<const float*>(panel)[index];
    case PanelType::Float16: return float16ToFloat(reinterpret_cast<const std::uint16_t*>(panel)[index]);
    case PanelType::BFloat16: return bfloat16ToFloat(reinterpret_cast<const std::uint16_t*>(panel)[index]);
    case PanelType::Int8: {
        const std::byte* group = panel + panelBytes(type, input / kPanel * kPanel);
        const float scale = bfloat16ToFloat(reinterpret_cast<const std::uint16_t*>(group)[column]);
        const std::byte* line = group + kPanel * sizeof(std::uint16_t) + (input % kPanel) * kPanel;
        return scale * static_cast<float>(reinterpret_cast<const std::int8_t*>(line)[column]);
    }
    }
    return 0;
}

} // namespace

Shape::Shape(const ModelConfig& config, PanelType type)
    : hidden(config.hidden_size)
    , hidden_panels(roundUp(config.hidden_size, kPanel) / kPanel)
    , head_dim(config.head_dim)
    , head_panels(roundUp(config.head_dim, kPanel) / kPanel)
    , heads_per_group(config.headsPerGroup())
    , vocab(config.vocab_size)
    , vocab_panels(roundUp(config.vocab_size, kPanel) / kPanel)
    , gated(config.gatedMlp())
    , input_panel(panelBytes(type, hidden))
    , output_piece(panelBytes(type, heads_per_group * head_dim))
    , down_piece(panelBytes(type, kPanel))
    , head_bytes(static_cast<std::size_t>(head_panels) * input_panel)
    , kv_bytes(2 * head_bytes)
    , block_bytes((gated ? 2 : 1) * input_panel)
{
}

void DecodeWeights::embed(std::int32_t id, int position, float* x) const
{
    const auto d = static_cast<std::size_t>(shape.hidden);
    const auto row = static_cast<std::size_t>(id);
    if (embedding.rows) {
        for (std::size_t i = 0; i < d; ++i) x[i] = tableElement(embedding, row * d + i);
    } else {
        const std::byte* panel = head + row / kPanel * shape.input_panel;
        for (int i = 0; i < shape.hidden; ++i) x[i] = panelElement(type, panel, id % kPanel, i);
    }
    if (!positions.rows) return;
    for (std::size_t i = 0; i < d; ++i) x[i] += tableElement(positions, static_cast<std::size_t>(position) * d + i);
}

std::int64_t DecodeWeights::bytes() const
{
    std::size_t floats = final_norm.size() + final_norm_bias.size();
    for (const LayerWeights& layer : layers)
        for (const std::vector<float>* values :
             {&layer.attention_norm, &layer.attention_norm_bias, &layer.mlp_norm, &layer.mlp_norm_bias, &layer.q_bias,
              &layer.k_bias, &layer.v_bias, &layer.o_bias, &layer.down_bias, &layer.gate_bias, &layer.up_bias})
            floats += values->size();
    return static_cast<std::int64_t>(memory.bytes() + floats * sizeof(float));
}

std::int64_t decodeWeightBytes(const ModelConfig& config, PanelType type)
{
    const Shape shape(config, type);
    std::size_t sum = static_cast<std::size_t>(shape.vocab_panels) * shape.input_panel;
    const auto panels = static_cast<std::size_t>(shape.hidden_panels);
    for (const LayerSizes& layer : config.layers)
        sum += static_cast<std::size_t>(layer.num_attention_heads) * shape.head_bytes +
               static_cast<std::size_t>(layer.num_key_value_heads) * (shape.kv_bytes + panels * shape.output_piece) +
               static_cast<std::size_t>(roundUp(layer.intermediate_size, kPanel) / kPanel) *
                   (shape.block_bytes + panels * shape.down_piece);
    const std::size_t row = static_cast<std::size_t>(shape.hidden) * tableElementBytes(type);
    if (!config.tie_word_embeddings) sum += roundUp(static_cast<std::size_t>(shape.vocab) * row, 64);
    if (config.isGpt()) sum += roundUp(static_cast<std::size_t>(config.max_position_embeddings) * row, 64);
    return static_cast<std::int64_t>(sum);
}

} // namespace flextron::decode
