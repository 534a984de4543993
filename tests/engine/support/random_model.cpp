#include "tests/engine/support/random_model.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "engine/base/half.h"

namespace flextron::test {
namespace {

int draw(std::mt19937_64& random, int least, int most)
{
    return std::uniform_int_distribution<int>(least, most)(random);
}

bool coin(std::mt19937_64& random)
{
    return draw(random, 0, 1) == 1;
}

RopeConfig randomRope(std::mt19937_64& random, int max_positions)
{
    RopeConfig rope;
    rope.theta = coin(random) ? 10000.0 : 500000.0;
    switch (draw(random, 0, 2)) {
    case 1:
        rope.scaling = RopeConfig::Scaling::Linear;
        rope.factor = 2.0;
        break;
    case 2:
        rope.scaling = RopeConfig::Scaling::Llama3;
        rope.factor = 8.0;
        rope.low_freq_factor = 1.0;
        rope.high_freq_factor = 4.0;
        rope.original_max_position_embeddings = max_positions / 2;
        break;
    default: break;
    }
    return rope;
}

std::vector<std::byte> randomBytes(std::int64_t elements, double mean, double deviation, DType dtype,
                                   std::mt19937_64& random)
{
    std::normal_distribution<float> normal(static_cast<float>(mean), static_cast<float>(deviation));
    std::vector<std::byte> bytes(static_cast<std::size_t>(elements) * sizeOf(dtype));
    for (std::int64_t i = 0; i < elements; ++i) {
        const float value = normal(random);
        if (dtype == DType::Float32) {
            std::memcpy(bytes.data() + i * 4, &value, 4);
        } else {
            const std::uint16_t half = dtype == DType::Float16 ? floatToFloat16(value) : floatToBfloat16(value);
            std::memcpy(bytes.data() + i * 2, &half, 2);
        }
    }
    return bytes;
}

} // namespace

ModelConfig randomConfig(Family family, std::mt19937_64& random)
{
    ModelConfig config;
    config.family = family;
    const bool gpt = config.isGpt();
    const int groups = draw(random, 1, 4);
    const int per_group = gpt ? 1 : draw(random, 1, 3);
    const int heads = (gpt ? draw(random, 2, 6) : groups * per_group);
    config.head_dim = 4 * draw(random, 1, 4);
    // GPT-2 ties head size to width; the others may have a head size of their own.
    config.hidden_size = gpt || coin(random) ? heads * config.head_dim : 8 * draw(random, 2, 8);
    config.vocab_size = draw(random, 40, 90);
    config.max_position_embeddings = 64;
    const LayerSizes sizes{heads, gpt ? heads : groups, draw(random, 9, 70)};
    config.layers.assign(static_cast<std::size_t>(draw(random, 1, 4)), sizes);
    config.norm_eps = 1e-5;
    config.tie_word_embeddings = coin(random);
    if (gpt) {
        config.hidden_act = coin(random) ? Activation::GeluTanh : Activation::GeluErf;
        config.attention_qkv_bias = config.attention_output_bias = config.mlp_bias = true;
    } else {
        config.rope = randomRope(random, config.max_position_embeddings);
        config.attention_qkv_bias = family == Family::Qwen2 || (family == Family::Llama && coin(random));
        config.attention_output_bias = family == Family::Llama && config.attention_qkv_bias;
        config.mlp_bias = family == Family::Llama && coin(random);
        config.sliding_window = family == Family::Mistral && coin(random) ? draw(random, 3, 9) : 0;
    }
    return config;
}

std::shared_ptr<const Checkpoint> randomCheckpoint(const std::filesystem::path& folder, const ModelConfig& config,
                                                   std::uint64_t seed, DType dtype)
{
    std::mt19937_64 random(seed);
    CheckpointContents contents;
    contents.config = config;
    contents.dtype = dtype;
    std::vector<std::vector<std::byte>> storage;
    for (const auto& [name, shape] : expectedTensors(config)) {
        TensorView view{dtype, shape, {}};
        const std::int64_t elements = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
        // Norm weights around 1 keep the residual stream alive; the rest small enough for a stable softmax.
        const bool norm = name.find("norm.weight") != std::string::npos || name.find("ln_") != std::string::npos;
        const bool bias = name.ends_with(".bias");
        storage.push_back(randomBytes(elements, norm && !bias ? 1.0 : 0.0, 0.15, dtype, random));
        view.bytes = storage.back();
        contents.tensors.push_back({name, view});
    }
    writeCheckpoint(folder, contents).orThrow();
    return Checkpoint::open(folder).orThrow();
}

SubNetwork randomSubNetwork(const ModelConfig& config, std::mt19937_64& random, bool with_zero)
{
    const int least = with_zero ? 0 : 1;
    SubNetwork subnet;
    for (const LayerSizes& sizes : config.layers) {
        // A layer may lack a sub-block altogether.
        subnet.mlp.push_back(draw(random, std::min(least, sizes.intermediate_size), sizes.intermediate_size));
        subnet.heads.push_back(draw(random, std::min(least, sizes.num_key_value_heads), sizes.num_key_value_heads) *
                               config.headsPerGroup());
    }
    return subnet;
}

std::vector<std::int32_t> randomIds(const ModelConfig& config, int count, std::mt19937_64& random)
{
    std::vector<std::int32_t> ids;
    for (int i = 0; i < count; ++i) ids.push_back(draw(random, 0, config.vocab_size - 1));
    return ids;
}

std::vector<RandomCase> randomCases(int per_family)
{
    std::vector<RandomCase> cases;
    std::uint64_t seed = 1;
    for (const Family family : {Family::Llama, Family::Mistral, Family::Qwen2, Family::Gpt2})
        for (int i = 0; i < per_family; ++i, ++seed)
            cases.push_back({std::string(familyName(family)) + " " + std::to_string(i), family, seed});
    return cases;
}

} // namespace flextron::test
