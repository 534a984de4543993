// Cuts a text into the words that byte pair encoding then works on, by a sequence of rules from the tokenizer's file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace flextron {

/// What becomes of the places where a rule's pattern matches.
enum class SplitBehavior { Removed, Isolated, Contiguous, MergedWithPrevious, MergedWithNext };

struct SplitRule {
    std::string pattern; ///< a regular expression as Oniguruma reads it; empty: the rule splits nothing
    SplitBehavior behavior = SplitBehavior::Isolated;
    bool invert = false;           ///< the pattern tells what lies between the matches
    bool add_prefix_space = false; ///< each part begins with a space from here on
};

/// The words of GPT-2: contractions, letters, digits, other signs, each with the space in front; white space.
extern const char* const gpt2_pattern;

extern const char* const unsupported_pattern_hint;

/// The pattern that matches exactly `text`.
std::string literalPattern(std::string_view text);

/// The pattern as ICU reads it: the two disagree on \h, \v, \w and more. Throws Unsupported for what we do not
/// translate.
std::string translatePattern(std::string_view oniguruma);

/// Immutable; any thread.
class PreTokenizer {
public:
    /// Throws Unsupported for a pattern that does not compile.
    explicit PreTokenizer(std::vector<SplitRule> rules);
    ~PreTokenizer();

    using Word = std::function<void(std::string_view)>;

    /// The state of one walk over texts, for one thread. The pre-tokenizer must outlive it.
    class Run {
    public:
        explicit Run(const PreTokenizer& owner);
        ~Run();
        /// Calls `word` for each word of `text` (valid UTF-8), none empty. Throws Unsupported when a pattern takes too
        /// long.
        void split(std::string_view text, const Word& word);

    private:
        struct Matcher;
        void apply(std::size_t rule, std::string_view text, const Word& word);
        std::vector<Matcher> matchers_;
    };

private:
    struct Compiled;
    std::vector<Compiled> rules_;
};

} // namespace flextron
