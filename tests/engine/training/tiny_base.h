// A tiny trained base model in a folder, for the stages that go on from one. The stages open a tokenizer from the
// folder: it is a byte-level BPE without merges, written here.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/model/checkpoint.h"
#include "engine/training/trainer.h"
#include "tiny.h"

namespace flextron::test {

inline void appendUtf8(std::string& text, int code)
{
    if (code < 0x80) {
        text += static_cast<char>(code);
    } else {
        text += static_cast<char>(0xc0 | (code >> 6));
        text += static_cast<char>(0x80 | (code & 0x3f));
    }
}

/// vocab.json of GPT-2's 256 byte symbols in order, and an end token; merges.txt without merges.
inline void writeByteTokenizer(const std::filesystem::path& folder)
{
    nlohmann::json vocabulary;
    int shifted = 256;
    for (int byte = 0; byte < 256; ++byte) {
        const bool visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
        std::string symbol;
        appendUtf8(symbol, visible ? byte : shifted++);
        vocabulary[symbol] = byte;
    }
    vocabulary["<|endoftext|>"] = 256;
    writeText(folder / "vocab.json", vocabulary.dump());
    writeText(folder / "merges.txt", "#version: 0.2\n");
}

inline TrainOptions tinyOptions(const std::filesystem::path& folder, int steps)
{
    TrainOptions options;
    options.data.files = {{writeText(folder / "text.txt", tinyText(300))}};
    options.data.shuffle_window = 16;
    options.data.held_out_share = 0.1;
    options.validation_sequences = 8;
    options.batch = 8;
    options.tokens = std::int64_t{steps} * 8 * 32;
    options.learning_rate = 1e-2;
    options.threads = 1;
    return options;
}

/// folder/base
inline void trainTinyBase(const std::filesystem::path& folder)
{
    std::filesystem::create_directories(folder / "tokenizer");
    writeByteTokenizer(folder / "tokenizer");
    const std::shared_ptr<const Tokenizer> tokenizer = openTokenizer(folder / "tokenizer").orThrow();
    trainBase(tinyConfig(false), folder / "tokenizer", tokenizer, folder / "base", tinyOptions(folder, 80)).orThrow();
}

} // namespace flextron::test
