// Reading training and calibration texts: plain text, documents apart by a line "<|endoftext|>".
#pragma once

#include <string>
#include <vector>

#include "app/commands/console.h"
#include "engine/text/tokenizer.h"

namespace flextron::cli {

/// Ids of all documents one after another: each with the beginning-of-text token in front where the model has one, and
/// the end-of-text token behind. Failure for a file that is compressed, empty or no UTF-8; it names the file.
std::vector<TokenId> readDocuments(const std::vector<std::string>& files, const Tokenizer& tokenizer, Console& console);

} // namespace flextron::cli
