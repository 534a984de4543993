// config.json as transformers reads it.
#include <stdexcept>

#include "engine/base/json_p.h"
#include "engine/model/config.h"

namespace flextron {

namespace {

const char* architectureName(Family family)
{
    switch (family) {
    case Family::Llama: return "LlamaForCausalLM";
    case Family::Mistral: return "MistralForCausalLM";
    case Family::Qwen2: return "Qwen2ForCausalLM";
    case Family::Gpt2: return "GPT2LMHeadModel";
    }
    return "";
}

/// rope_parameters (transformers 5) and rope_theta with rope_scaling (transformers 4): each version reads its own and
/// they agree.
void writeRope(const RopeConfig& rope, Json& json)
{
    Json scaling = nullptr;
    if (rope.scaling == RopeConfig::Scaling::Linear) scaling = {{"rope_type", "linear"}, {"factor", rope.factor}};
    if (rope.scaling == RopeConfig::Scaling::Llama3)
        scaling = {{"rope_type", "llama3"},
                   {"factor", rope.factor},
                   {"low_freq_factor", rope.low_freq_factor},
                   {"high_freq_factor", rope.high_freq_factor},
                   {"original_max_position_embeddings", rope.original_max_position_embeddings}};
    Json parameters = scaling.is_null() ? Json{{"rope_type", "default"}} : scaling;
    parameters["rope_theta"] = rope.theta;
    json["rope_theta"] = rope.theta;
    json["rope_scaling"] = scaling;
    json["rope_parameters"] = parameters;
}

void writeLlamaLike(const ModelConfig& config, Json& json)
{
    const LayerSizes& sizes = config.layers.front();
    json["hidden_size"] = config.hidden_size;
    json["intermediate_size"] = sizes.intermediate_size;
    json["num_hidden_layers"] = config.numLayers();
    json["num_attention_heads"] = sizes.num_attention_heads;
    json["num_key_value_heads"] = sizes.num_key_value_heads;
    json["head_dim"] = config.head_dim;
    json["max_position_embeddings"] = config.max_position_embeddings;
    json["hidden_act"] = "silu";
    json["rms_norm_eps"] = config.norm_eps;
    writeRope(config.rope, json);
    const Json window = config.sliding_window == 0 ? Json(nullptr) : Json(config.sliding_window);
    if (config.family == Family::Llama) {
        json["attention_bias"] = config.attention_qkv_bias;
        json["mlp_bias"] = config.mlp_bias;
    } else if (config.family == Family::Mistral) {
        json["sliding_window"] = window;
    } else {
        json["use_sliding_window"] = config.sliding_window != 0;
        json["sliding_window"] = window;
        json["max_window_layers"] = config.sliding_window == 0 ? config.numLayers() : 0;
    }
}

void writeGpt2(const ModelConfig& config, Json& json)
{
    const LayerSizes& sizes = config.layers.front();
    json["n_embd"] = config.hidden_size;
    json["n_inner"] = sizes.intermediate_size;
    json["n_layer"] = config.numLayers();
    json["n_head"] = sizes.num_attention_heads;
    json["n_positions"] = config.max_position_embeddings;
    json["activation_function"] = config.hidden_act == Activation::GeluErf ? "gelu" : "gelu_new";
    json["layer_norm_epsilon"] = config.norm_eps;
}

} // namespace

std::string writeConfig(const ModelConfig& config, std::string_view dtype)
{
    if (!config.plainHuggingFace()) throw std::logic_error("writeConfig: a plain config cannot say this model");
    Json json;
    json["architectures"] = Json::array({architectureName(config.family)});
    json["model_type"] = familyName(config.family);
    json["vocab_size"] = config.vocab_size;
    json["tie_word_embeddings"] = config.tie_word_embeddings;
    json["torch_dtype"] = dtype;
    json["dtype"] = dtype;
    json["bos_token_id"] = config.bos_token_id ? Json(*config.bos_token_id) : Json(nullptr);
    if (config.eos_token_ids.size() == 1) json["eos_token_id"] = config.eos_token_ids.front();
    else json["eos_token_id"] = config.eos_token_ids.empty() ? Json(nullptr) : Json(config.eos_token_ids);
    if (config.isGpt()) writeGpt2(config, json);
    else writeLlamaLike(config, json);
    return json.dump(2) + "\n";
}

} // namespace flextron
