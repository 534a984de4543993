// GPT-2's own two files: vocab.json, an object {"token": id}, and merges.txt, a pair a line in the order of ranks.
#include <algorithm>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/text/bpe_definition_p.h"

namespace flextron {
namespace {

void readMerges(const std::filesystem::path& path, BpeDefinition& definition)
{
    const std::string text = readFile(path).orThrow();
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string line = text.substr(begin, end - begin);
        begin = end + 1;
        ++number;
        if (line.ends_with('\r')) line.pop_back();
        if (line.empty() || line.starts_with("#version")) continue;
        const std::string where = path.string() + ", line " + std::to_string(number);
        const auto space = line.find(' ');
        if (findInvalidUtf8(line) != std::string::npos || space == std::string::npos ||
            line.find(' ', space + 1) != std::string::npos)
            throw Failure(ErrorCode::Corrupt, where + ": two tokens with a space between are expected",
                          "download the file again");
        addMerge(line.substr(0, space), line.substr(space + 1), where, definition);
    }
}

/// These two files do not say how text is cut into words; only GPT-2's way is known without a tokenizer.json.
void requireGpt2(const SpecialTokens& special, const std::filesystem::path& vocab)
{
    const std::string& name = special.tokenizer_class;
    if (name.empty() || name == "GPT2Tokenizer" || name == "GPT2TokenizerFast") return;
    throw Failure(ErrorCode::Unsupported,
                  vocab.string() + ": tokenizer_config.json says " + name +
                      ", but with merges.txt only GPT-2's way to cut text into words is known",
                  "copy the tokenizer.json of the model into this folder");
}

/// The tokens named in tokenizer_config.json, and "<|endoftext|>", when they are in the vocabulary.
void addSpecialTokens(const SpecialTokens& special, BpeDefinition& definition)
{
    definition.added_tokens = special.added_tokens;
    std::vector<std::string> names = special.special_tokens;
    names.emplace_back("<|endoftext|>");
    for (const std::string& name : names) {
        const auto has_name = [&](const AddedToken& token) { return token.content == name; };
        const auto found = definition.vocab.find(name);
        if (found == definition.vocab.end() ||
            std::any_of(definition.added_tokens.begin(), definition.added_tokens.end(), has_name))
            continue;
        AddedToken token;
        token.id = found->second;
        token.content = name;
        token.special = true;
        definition.added_tokens.push_back(token);
    }
}

} // namespace

BpeDefinition readVocabAndMerges(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                                 const SpecialTokens& special)
{
    requireGpt2(special, vocab);
    BpeDefinition definition;
    readVocabulary(readJson(vocab), vocab, "", definition);
    readMerges(merges, definition);
    addSpecialTokens(special, definition);
    SplitRule words;
    words.pattern = gpt2_pattern;
    words.add_prefix_space = special.add_prefix_space;
    definition.split_rules.push_back(words);
    settleSpecialTokens(special, vocab, definition);
    return definition;
}

} // namespace flextron
