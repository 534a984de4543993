// The kinds of tokenizer that openTokenizer() chooses from. These throw Failure.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/text/special_tokens_p.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// tokenizer.model
std::shared_ptr<const Tokenizer> openSentencePiece(const std::filesystem::path& file, const SpecialTokens& special);
/// tokenizer.json
std::shared_ptr<const Tokenizer> openTokenizerJson(const std::filesystem::path& file, const SpecialTokens& special);
/// vocab.json and merges.txt
std::shared_ptr<const Tokenizer> openVocabAndMerges(const std::filesystem::path& vocab,
                                                    const std::filesystem::path& merges, const SpecialTokens& special);

/// Throws InvalidArgument with the byte offset.
void requireUtf8(std::string_view text);

} // namespace flextron
