// The documents of text files, each by itself: for losses that have a spread between documents.
#pragma once

#include <string>
#include <vector>

#include "app/commands/console.h"
#include "engine/text/tokenizer.h"

namespace flextron::cli {

/// What lines "<|endoftext|>" part, the first `limit` of each file (0 = all). In front stands the beginning-of-text
/// token, or where the model has none that of the end of text, so that the first word is predicted too; behind, where a
/// separator ends the document, the end-of-text token. Failure for compressed text, no UTF-8, or a file without text.
std::vector<std::vector<TokenId>> readDocumentList(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                                                   int limit, Console& console);

} // namespace flextron::cli
