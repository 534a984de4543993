// A tiny model of each kind and a text to train it on.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "byte_tokenizer.h"
#include "engine/model/config.h"

namespace flextron::test {

inline ModelConfig tinyConfig(bool gpt, int kv_heads = 4)
{
    ModelConfig config;
    config.family = gpt ? Family::Gpt2 : Family::Llama;
    config.hidden_size = 32;
    config.head_dim = 8;
    config.vocab_size = 260;
    config.max_position_embeddings = 32;
    config.layers.assign(2, LayerSizes{4, gpt ? 4 : kv_heads, 64});
    config.hidden_act = gpt ? Activation::GeluTanh : Activation::Silu;
    config.tie_word_embeddings = true;
    config.bos_token_id = ByteTokenizer::kBos;
    config.eos_token_ids = {ByteTokenizer::kEos};
    if (gpt) config.attention_qkv_bias = config.attention_output_bias = config.mlp_bias = true;
    return config;
}

/// Sentences that a model can learn: a name, a verb that goes with it, an end.
inline std::string tinyText(int documents)
{
    const char* const lines[] = {"Tom sees the sea. ", "Ann hears the hare. ", "Bob bakes the bread. "};
    std::string text;
    for (int i = 0; i < documents; ++i) {
        for (int j = 0; j < 3; ++j) text += lines[(i * 7 + j * j * 5 + i / 3) % 3];
        text += std::to_string(i) + "\n<|endoftext|>\n"; // no two are the same
    }
    return text;
}

inline std::filesystem::path writeText(const std::filesystem::path& path, const std::string& text)
{
    std::ofstream(path, std::ios::binary) << text;
    return path;
}

} // namespace flextron::test
