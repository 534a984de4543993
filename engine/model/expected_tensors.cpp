// The tensors of each family under Hugging Face's names.
#include "engine/model/checkpoint.h"

namespace flextron {

namespace {

using Tensors = std::map<std::string, std::vector<std::int64_t>>;

void addLlamaLayer(const ModelConfig& config, const LayerSizes& sizes, const std::string& layer, Tensors& tensors)
{
    const std::int64_t d = config.hidden_size;
    const std::int64_t q = std::int64_t{sizes.num_attention_heads} * config.head_dim;
    const std::int64_t kv = std::int64_t{sizes.num_key_value_heads} * config.head_dim;
    const std::int64_t m = sizes.intermediate_size;
    const auto addLinear = [&](const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
        tensors[layer + name + ".weight"] = {out, in};
        if (bias) tensors[layer + name + ".bias"] = {out};
    };
    if (sizes.num_attention_heads > 0) {
        tensors[layer + "input_layernorm.weight"] = {d};
        addLinear("self_attn.q_proj", q, d, config.attention_qkv_bias);
        addLinear("self_attn.k_proj", kv, d, config.attention_qkv_bias);
        addLinear("self_attn.v_proj", kv, d, config.attention_qkv_bias);
        addLinear("self_attn.o_proj", d, q, config.attention_output_bias);
    }
    if (m > 0) {
        tensors[layer + "post_attention_layernorm.weight"] = {d};
        addLinear("mlp.gate_proj", m, d, config.mlp_bias);
        addLinear("mlp.up_proj", m, d, config.mlp_bias);
        addLinear("mlp.down_proj", d, m, config.mlp_bias);
    }
}

void addGpt2Layer(const ModelConfig& config, const LayerSizes& sizes, const std::string& layer, Tensors& tensors)
{
    const std::int64_t d = config.hidden_size;
    const std::int64_t q = std::int64_t{sizes.num_attention_heads} * config.head_dim;
    const std::int64_t m = sizes.intermediate_size;
    const auto addNorm = [&](const std::string& name) {
        tensors[layer + name + ".weight"] = tensors[layer + name + ".bias"] = {d};
    };
    // Conv1D: the weight is [in, out].
    const auto addConv1D = [&](const std::string& name, std::int64_t in, std::int64_t out) {
        tensors[layer + name + ".weight"] = {in, out};
        tensors[layer + name + ".bias"] = {out};
    };
    if (sizes.num_attention_heads > 0) {
        addNorm("ln_1");
        addConv1D("attn.c_attn", d, 3 * q);
        addConv1D("attn.c_proj", q, d);
    }
    if (m > 0) {
        addNorm("ln_2");
        addConv1D("mlp.c_fc", d, m);
        addConv1D("mlp.c_proj", m, d);
    }
}

} // namespace

std::map<std::string, std::vector<std::int64_t>> expectedTensors(const ModelConfig& config)
{
    const std::int64_t d = config.hidden_size;
    const std::int64_t vocabulary = config.vocab_size;
    Tensors tensors;
    for (int l = 0; l < config.numLayers(); ++l) {
        const LayerSizes& sizes = config.layers[static_cast<std::size_t>(l)];
        if (config.isGpt()) addGpt2Layer(config, sizes, "transformer.h." + std::to_string(l) + ".", tensors);
        else addLlamaLayer(config, sizes, "model.layers." + std::to_string(l) + ".", tensors);
    }
    if (config.isGpt()) {
        tensors["transformer.wte.weight"] = {vocabulary, d};
        tensors["transformer.wpe.weight"] = {config.max_position_embeddings, d};
        tensors["transformer.ln_f.weight"] = tensors["transformer.ln_f.bias"] = {d};
    } else {
        tensors["model.embed_tokens.weight"] = {vocabulary, d};
        tensors["model.norm.weight"] = {d};
    }
    if (!config.tie_word_embeddings) tensors["lm_head.weight"] = {vocabulary, d};
    return tensors;
}

} // namespace flextron
