#include "engine/model/config.h"

#include <algorithm>
#include <array>

#include "engine/base/json_p.h"

namespace flextron {

namespace {

// Beyond any model there is, and small enough that no product of two of them leaves an int64.
constexpr std::int64_t kMaxHidden = 1 << 20;
constexpr std::int64_t kMaxIntermediate = 1 << 22;
constexpr std::int64_t kMaxVocabulary = 1 << 24;
constexpr std::int64_t kMaxLayers = 1 << 12;
constexpr std::int64_t kMaxHeads = 1 << 16;
constexpr std::int64_t kMaxHeadDim = 1 << 14;
constexpr std::int64_t kMaxAttentionWidth = 1 << 22; // heads * head_dim
constexpr std::int64_t kMaxPositions = 1 << 28;
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 44; // 17.6e12
constexpr std::size_t kMaxEosIds = 1024;

constexpr std::array<Family, 4> kFamilies{Family::Llama, Family::Mistral, Family::Qwen2, Family::Gpt2};

/// What transformers assumes when a key is missing.
struct FamilyDefaults {
    int num_key_value_heads; ///< 0: as many as query heads
    int max_position_embeddings;
    int sliding_window;
};

FamilyDefaults defaultsOf(Family family)
{
    switch (family) {
    case Family::Mistral: return {8, 4096 * 32, 4096};
    case Family::Qwen2: return {32, 32768, 4096};
    default: return {0, 2048, 0};
    }
}

[[noreturn]] void contradiction(const JsonObject& json, const std::string& what)
{
    throw Failure(ErrorCode::Corrupt, json.where() + ": contradicts itself: " + what,
                  "restore the config.json that belongs to these weights");
}

[[noreturn]] void unsupported(const JsonObject& json, const std::string& key, const std::string& known)
{
    throw Failure(ErrorCode::Unsupported,
                  json.where() + ": " + json.quoted(key) + " is " + describe(json.at(key)) +
                      ", which is not supported (known: " + known + ")",
                  "choose a model that does without it");
}

Family parseFamily(const JsonObject& json)
{
    const std::string name = json.text("model_type");
    std::string known;
    for (const Family family : kFamilies) {
        if (name == familyName(family)) return family;
        known += (known.empty() ? "" : ", ") + std::string(familyName(family));
    }
    throw Failure(ErrorCode::Unsupported,
                  json.where() + ": model_type " + describe(name) + " is not supported (known: " + known + ")",
                  "choose a model of one of these families");
}

/// What changes the function of the model and is not computed here: refused rather than ignored.
void refuseWhatIsNotComputed(const JsonObject& json, Family family)
{
    if (json.has("quantization_config"))
        throw Failure(ErrorCode::Unsupported,
                      json.where() + ": \"quantization_config\": quantized weights are not supported",
                      "choose the checkpoint in float16, bfloat16 or float32");
    if (json.number("partial_rotary_factor", 0, 1, 1.0) != 1.0) unsupported(json, "partial_rotary_factor", "1");
    if (family != Family::Gpt2) return;
    if (json.boolean("scale_attn_by_inverse_layer_idx", false))
        unsupported(json, "scale_attn_by_inverse_layer_idx", "false");
    if (!json.boolean("scale_attn_weights", true)) unsupported(json, "scale_attn_weights", "true");
    if (json.boolean("add_cross_attention", false)) unsupported(json, "add_cross_attention", "false");
}

/// The object that holds the scaling: rope_parameters (newer) or rope_scaling (older; `type` was its first name for
/// `rope_type`).
RopeConfig parseRopeObject(const JsonObject& rope, double theta)
{
    RopeConfig config;
    config.theta = rope.number("rope_theta", 1.0, 1e15, theta);
    if (rope.number("partial_rotary_factor", 0, 1, 1.0) != 1.0) unsupported(rope, "partial_rotary_factor", "1");
    const std::string key = rope.has("rope_type") ? "rope_type" : "type";
    const std::string type = rope.text(key, "default");
    if (type == "default") return config;
    if (type != "linear" && type != "llama3") unsupported(rope, key, "default, linear, llama3");
    config.factor = rope.number("factor", 1.0, 1e6);
    config.scaling = type == "linear" ? RopeConfig::Scaling::Linear : RopeConfig::Scaling::Llama3;
    if (config.scaling == RopeConfig::Scaling::Linear) return config;
    config.low_freq_factor = rope.number("low_freq_factor", 1e-6, 1e6);
    config.high_freq_factor = rope.number("high_freq_factor", 1e-6, 1e6);
    config.original_max_position_embeddings = static_cast<int>(
        rope.integer("original_max_position_embeddings", 1, kMaxPositions));
    if (config.high_freq_factor <= config.low_freq_factor)
        contradiction(rope, rope.quoted("high_freq_factor") + " must be larger than \"low_freq_factor\"");
    return config;
}

RopeConfig parseRope(const JsonObject& json)
{
    const double theta = json.number("rope_theta", 1.0, 1e15, 10000.0);
    RopeConfig newer;
    RopeConfig older;
    newer.theta = older.theta = theta;
    const bool has_newer = json.has("rope_parameters");
    const bool has_older = json.has("rope_scaling");
    if (has_newer) newer = parseRopeObject(json.object("rope_parameters"), theta);
    if (has_older) older = parseRopeObject(json.object("rope_scaling"), theta);
    if (has_newer && has_older && newer != older)
        contradiction(json, "\"rope_scaling\" and \"rope_parameters\" differ");
    if (has_newer && json.has("rope_theta") && newer.theta != theta)
        contradiction(json, "\"rope_theta\" and \"rope_parameters.rope_theta\" differ");
    return has_newer ? newer : older;
}

/// Tokens that each token sees; 0 = all. One rule for all layers, or the model is refused.
int parseSlidingWindow(const JsonObject& json, Family family, int num_layers)
{
    if (family == Family::Llama) return 0;
    const bool used = family == Family::Mistral || json.boolean("use_sliding_window", false);
    // Missing is not the same as null: transformers takes its default for the former.
    int window = static_cast<int>(json.integer(
        "sliding_window", 1, kMaxPositions, json.contains("sliding_window") ? 0 : defaultsOf(family).sliding_window));
    if (!used) window = 0;
    if (family == Family::Qwen2 && window != 0 && !json.has("layer_types")) {
        // The first max_window_layers layers see everything, the others slide.
        const auto full_layers = json.integer("max_window_layers", 0, INT32_MAX, 28);
        if (full_layers >= num_layers) return 0;
        if (full_layers > 0)
            unsupported(json, "max_window_layers", "0, or all layers: the same attention in every layer");
    }
    if (!json.has("layer_types")) return window;
    const auto& types = json.array("layer_types", kMaxLayers);
    const bool all_full = std::all_of(types.begin(), types.end(),
                                      [](const Json& type) { return type == "full_attention"; });
    const bool all_sliding = std::all_of(types.begin(), types.end(),
                                         [](const Json& type) { return type == "sliding_attention"; });
    if (!all_full && !all_sliding) unsupported(json, "layer_types", "the same attention in every layer");
    if (all_full) return 0;
    if (window == 0) contradiction(json, "\"layer_types\" says sliding_attention, but there is no \"sliding_window\"");
    return window;
}

void parseTokenIds(const JsonObject& json, ModelConfig& config)
{
    const auto inVocabulary = [&](std::int64_t id) { return id >= 0 && id < config.vocab_size; };
    if (const auto id = json.integer("bos_token_id", INT32_MIN, INT32_MAX, -1); inVocabulary(id))
        config.bos_token_id = static_cast<std::int32_t>(id);
    if (!json.has("eos_token_id")) return;
    const std::vector<std::int64_t> ids = json.at("eos_token_id").is_array()
                                              ? json.integers("eos_token_id", INT32_MIN, INT32_MAX, kMaxEosIds)
                                              : std::vector<std::int64_t>{
                                                    json.integer("eos_token_id", INT32_MIN, INT32_MAX)};
    for (const auto id : ids)
        if (inVocabulary(id)) config.eos_token_ids.push_back(static_cast<std::int32_t>(id));
}

int parseSize(const JsonObject& json, const char* key, std::int64_t max)
{
    return static_cast<int>(json.integer(key, 1, max));
}

/// Head size where the config does not give it.
int derivedHeadDim(const JsonObject& json, int hidden_size, int heads, const char* hidden_key, const char* heads_key)
{
    if (hidden_size % heads != 0)
        contradiction(json, std::string("\"") + hidden_key + "\" " + std::to_string(hidden_size) +
                                " is not a multiple of \"" + heads_key + "\" " + std::to_string(heads));
    return hidden_size / heads;
}

ModelConfig parseLlamaLike(const JsonObject& json, Family family)
{
    const FamilyDefaults defaults = defaultsOf(family);
    ModelConfig config;
    config.family = family;
    config.hidden_size = parseSize(json, "hidden_size", kMaxHidden);
    config.vocab_size = parseSize(json, "vocab_size", kMaxVocabulary);
    config.max_position_embeddings = static_cast<int>(
        json.integer("max_position_embeddings", 1, kMaxPositions, defaults.max_position_embeddings));

    LayerSizes sizes;
    sizes.num_attention_heads = parseSize(json, "num_attention_heads", kMaxHeads);
    const bool key_value_given = json.contains("num_key_value_heads") || defaults.num_key_value_heads == 0;
    sizes.num_key_value_heads = static_cast<int>(
        json.integer("num_key_value_heads", 1, kMaxHeads,
                     key_value_given ? sizes.num_attention_heads : defaults.num_key_value_heads));
    sizes.intermediate_size = parseSize(json, "intermediate_size", kMaxIntermediate);
    if (sizes.num_attention_heads % sizes.num_key_value_heads != 0)
        contradiction(json, "\"num_attention_heads\" " + std::to_string(sizes.num_attention_heads) +
                                " is not a multiple of \"num_key_value_heads\" " +
                                std::to_string(sizes.num_key_value_heads));
    config.head_dim = json.has("head_dim") ? parseSize(json, "head_dim", kMaxHeadDim)
                                           : derivedHeadDim(json, config.hidden_size, sizes.num_attention_heads,
                                                            "hidden_size", "num_attention_heads");
    if (config.head_dim % 2 != 0)
        contradiction(json, "rotary position embedding turns pairs, but the head size is odd (" +
                                std::to_string(config.head_dim) + ")");
    config.layers.assign(static_cast<std::size_t>(parseSize(json, "num_hidden_layers", kMaxLayers)), sizes);

    if (const auto act = json.text("hidden_act", "silu"); act != "silu" && act != "swish")
        unsupported(json, "hidden_act", "silu");
    config.norm_eps = json.number("rms_norm_eps", 1e-15, 1.0, 1e-6);
    config.rope = parseRope(json);
    config.sliding_window = parseSlidingWindow(json, family, config.numLayers());
    config.tie_word_embeddings = json.boolean("tie_word_embeddings", false);
    config.attention_qkv_bias = family == Family::Qwen2 ||
                                (family == Family::Llama && json.boolean("attention_bias", false));
    config.attention_output_bias = family == Family::Llama && config.attention_qkv_bias;
    config.mlp_bias = family == Family::Llama && json.boolean("mlp_bias", false);
    return config;
}

ModelConfig parseGpt2(const JsonObject& json)
{
    ModelConfig config;
    config.family = Family::Gpt2;
    config.hidden_size = parseSize(json, "n_embd", kMaxHidden);
    config.vocab_size = parseSize(json, "vocab_size", kMaxVocabulary);
    config.max_position_embeddings = static_cast<int>(json.integer("n_positions", 1, kMaxVocabulary, 1024));

    LayerSizes sizes;
    sizes.num_attention_heads = sizes.num_key_value_heads = parseSize(json, "n_head", kMaxHeads);
    sizes.intermediate_size = static_cast<int>(
        json.integer("n_inner", 1, kMaxIntermediate, std::int64_t{4} * config.hidden_size));
    config.head_dim = derivedHeadDim(json, config.hidden_size, sizes.num_attention_heads, "n_embd", "n_head");
    config.layers.assign(static_cast<std::size_t>(parseSize(json, "n_layer", kMaxLayers)), sizes);

    const auto act = json.text("activation_function", "gelu_new");
    if (act != "gelu_new" && act != "gelu_pytorch_tanh" && act != "gelu")
        unsupported(json, "activation_function", "gelu_new, gelu_pytorch_tanh, gelu");
    config.hidden_act = act == "gelu" ? Activation::GeluErf : Activation::GeluTanh;
    config.norm_eps = json.number("layer_norm_epsilon", 1e-15, 1.0, 1e-5);
    config.tie_word_embeddings = json.boolean("tie_word_embeddings", true);
    config.attention_qkv_bias = config.attention_output_bias = config.mlp_bias = true;
    return config;
}

/// Each size is in its range by now; so must the whole be.
void checkTotal(const JsonObject& json, const ModelConfig& config)
{
    const LayerSizes sizes = config.maxSizes();
    const std::int64_t attention_width = std::int64_t{sizes.num_attention_heads} * config.head_dim;
    if (attention_width > kMaxAttentionWidth)
        throw Failure(ErrorCode::Corrupt,
                      json.where() + ": heads times head size is " + std::to_string(attention_width) + ", more than " +
                          std::to_string(kMaxAttentionWidth),
                      "restore the config.json that belongs to these weights");
    const std::int64_t hidden = config.hidden_size;
    // At most 2^12 * 2^20 * 2^25 + 2^45: far from overflow.
    const std::int64_t weights = config.numLayers() * hidden *
                                     (4 * attention_width + 3 * std::int64_t{sizes.intermediate_size}) +
                                 2 * hidden * config.vocab_size;
    if (weights > kMaxWeights)
        throw Failure(ErrorCode::Corrupt,
                      json.where() + ": describes about " + std::to_string(weights) +
                          " weights, more than any model has",
                      "restore the config.json that belongs to these weights");
}

} // namespace

std::string_view familyName(Family family)
{
    switch (family) {
    case Family::Llama: return "llama";
    case Family::Mistral: return "mistral";
    case Family::Qwen2: return "qwen2";
    case Family::Gpt2: return "gpt2";
    }
    return "";
}

bool ModelConfig::uniform() const
{
    return std::all_of(layers.begin(), layers.end(), [&](const LayerSizes& sizes) { return sizes == layers.front(); });
}

bool ModelConfig::plainHuggingFace() const
{
    const LayerSizes sizes = maxSizes();
    return uniform() && sizes.num_attention_heads > 0 && sizes.intermediate_size > 0 &&
           (!isGpt() || sizes.num_attention_heads * head_dim == hidden_size);
}

int ModelConfig::headsPerGroup() const
{
    const LayerSizes sizes = maxSizes();
    return sizes.num_key_value_heads == 0 ? 1 : sizes.num_attention_heads / sizes.num_key_value_heads;
}

LayerSizes ModelConfig::maxSizes() const
{
    LayerSizes largest;
    for (const LayerSizes& sizes : layers) {
        largest.num_attention_heads = std::max(largest.num_attention_heads, sizes.num_attention_heads);
        largest.num_key_value_heads = std::max(largest.num_key_value_heads, sizes.num_key_value_heads);
        largest.intermediate_size = std::max(largest.intermediate_size, sizes.intermediate_size);
    }
    return largest;
}

ModelSizes ModelConfig::sizes() const
{
    const LayerSizes full = maxSizes();
    return {numLayers(), full.intermediate_size, full.num_attention_heads};
}

Result<ModelConfig> parseConfig(std::string_view text, const std::filesystem::path& file)
{
    return guarded([&] {
        const Json document = parseJson(text, file);
        const JsonObject json(document, file.string());
        const Family family = parseFamily(json);
        refuseWhatIsNotComputed(json, family);
        ModelConfig config = family == Family::Gpt2 ? parseGpt2(json) : parseLlamaLike(json, family);
        parseTokenIds(json, config);
        checkTotal(json, config);
        return config;
    });
}

} // namespace flextron
