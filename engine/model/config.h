// What a model is: its family and sizes, under the names of Hugging Face's config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flextron {

enum class Family { Llama, Mistral, Qwen2, Gpt2 };
/// "llama", "mistral", "qwen2", "gpt2": config.json's model_type.
std::string_view familyName(Family family);

enum class Activation { Silu, GeluTanh, GeluErf };

/// Rotary position embedding. Scaling as in transformers' modeling_rope_utils: linear divides the position, llama3
/// divides low frequencies and blends in between.
struct RopeConfig {
    enum class Scaling { None, Linear, Llama3 };
    double theta = 10000.0;
    Scaling scaling = Scaling::None;
    double factor = 1.0;
    double low_freq_factor = 1.0;             ///< llama3
    double high_freq_factor = 4.0;            ///< llama3
    int original_max_position_embeddings = 0; ///< llama3
    bool operator==(const RopeConfig&) const = default;
};

/// Sizes of one layer. Equal in every layer of an ordinary model; an extracted heterogeneous sub-network has its own in
/// each. A width of 0 means that the layer does not have the sub-block at all: no weights, no norm, no bias; nothing is
/// added to the residual stream. Heads and key/value heads are 0 together.
struct LayerSizes {
    int num_attention_heads = 0;
    int num_key_value_heads = 0;
    int intermediate_size = 0;
    bool operator==(const LayerSizes&) const = default;
};

/// What the record of a run keeps of its model's sizes. A kept record may be of another model than the one at hand: its
/// widths are worth nothing in the costs of a model of other sizes, and its layers may not be there.
struct ModelSizes {
    int layers = 0;
    int full_mlp = 0;   ///< of the widest layer
    int full_heads = 0; ///< likewise
    bool operator==(const ModelSizes&) const = default;
};

struct ModelConfig {
    Family family = Family::Llama;
    int hidden_size = 0;
    int head_dim = 0;
    int vocab_size = 0;
    int max_position_embeddings = 0;
    std::vector<LayerSizes> layers; ///< num_hidden_layers entries
    Activation hidden_act = Activation::Silu;
    double norm_eps = 1e-5; ///< rms_norm_eps, layer_norm_epsilon
    RopeConfig rope;        ///< unused by GPT-2
    int sliding_window = 0; ///< Mistral, Qwen2: each token sees this many, itself included; 0 = all
    bool tie_word_embeddings = false;
    bool attention_qkv_bias = false;
    bool attention_output_bias = false;
    bool mlp_bias = false;
    /// Ids outside the vocabulary, which some files have, are left out: they can neither be read nor written.
    std::optional<std::int32_t> bos_token_id;
    std::vector<std::int32_t> eos_token_ids;

    [[nodiscard]] int numLayers() const { return static_cast<int>(layers.size()); }
    /// Every layer has the same sizes.
    [[nodiscard]] bool uniform() const;
    /// A plain Hugging Face config can say it: uniform, no sub-block left out, and for GPT-2, which derives the head
    /// size, heads * head_dim = hidden_size.
    [[nodiscard]] bool plainHuggingFace() const;
    /// Query heads that share one key/value head: the unit in which heads are elastic. The same in every layer; 1 when
    /// no layer has attention.
    [[nodiscard]] int headsPerGroup() const;
    /// Largest sizes over the layers; for a uniform model, the sizes.
    [[nodiscard]] LayerSizes maxSizes() const;
    [[nodiscard]] ModelSizes sizes() const;
    /// The GPT family: LayerNorm with biases, learned positions, no gate, fused c_attn, weights stored [in, out].
    [[nodiscard]] bool isGpt() const { return family == Family::Gpt2; }
    [[nodiscard]] bool gatedMlp() const { return !isGpt(); }
    bool operator==(const ModelConfig&) const = default;
};

/// Reads config.json's text. `file` is used in messages only. Corrupt for broken JSON, a missing key, a size out of
/// range or a config that contradicts itself (heads not divisible by groups, say); Unsupported for another family,
/// activation or rope type, with the list of those known. Understands both rope_theta/rope_scaling and the newer
/// rope_parameters.
Result<ModelConfig> parseConfig(std::string_view json, const std::filesystem::path& file);

/// config.json of `config` in Hugging Face's keys, loadable by transformers 4 and 5 (`torch_dtype` and `dtype` both
/// given, rope in both forms). Precondition: plainHuggingFace().
std::string writeConfig(const ModelConfig& config, std::string_view dtype);

} // namespace flextron
