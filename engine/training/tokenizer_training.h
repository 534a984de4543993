// Making a tokenizer from text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/error.h"

namespace flextron {

struct TokenizerTrainingOptions {
    std::vector<std::filesystem::path> files; ///< as TextData reads them
    std::string text_field = "text";          ///< of JSON Lines
    int vocab_size = 4096;                    ///< with 3 control tokens and 256 bytes
    std::int64_t max_bytes = 64 << 20;        ///< of text to learn from, in the files' order: bounds memory and time
    int threads = 0;                          ///< 0: the machine's
};

struct TokenizerTrainingReport {
    int vocab_size = 0;
    std::int64_t text_bytes = 0; ///< learned from
    double bytes_per_token = 0;  ///< over the first MiB of them
};

/// Trains a SentencePiece BPE with byte fallback, as Llama's (control tokens <unk>, <s>, </s> = 0, 1, 2; digits apart;
/// no Unicode normalisation), and writes the model file `out` (name it tokenizer.model). Blocks, and cannot be
/// cancelled: SentencePiece offers no way. InvalidArgument where the text is too short for the vocabulary.
Result<TokenizerTrainingReport> trainTokenizer(const TokenizerTrainingOptions& options,
                                               const std::filesystem::path& out);

} // namespace flextron
