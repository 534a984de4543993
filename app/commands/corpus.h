// Reading texts that may hold many documents: plain text, documents apart by a line "<|endoftext|>".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/commands/console.h"
#include "engine/text/tokenizer.h"

namespace flextron::cli {

/// Ids of all documents one after another: each with the beginning-of-text token in front where the model has one, and
/// the end-of-text token where its separator stands; so a text without separators is encoded as it is. Failure for
/// compressed text or no UTF-8; it names `name` and the document.
std::vector<TokenId> encodeDocuments(std::string_view text, const std::string& name, const Tokenizer& tokenizer,
                                     Console& console);

} // namespace flextron::cli
