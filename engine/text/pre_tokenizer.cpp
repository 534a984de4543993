#include "engine/text/pre_tokenizer_p.h"

#include <algorithm>

#include <unicode/regex.h>

#include "engine/base/error.h"

namespace flextron {
namespace {

/// A part of a text, in bytes.
struct Span {
    std::size_t begin, end;
    bool is_match;
};

std::size_t utf8Length(char16_t unit)
{
    if (unit < 0x80) return 1;
    if (unit < 0x800) return 2;
    return U16_IS_SURROGATE(unit) ? 2 : 3; // a pair is 4
}

/// Joins spans as `behavior` wants them; the result covers the text, but for what is removed.
std::vector<Span> arrange(std::vector<Span> spans, SplitBehavior behavior)
{
    const bool backwards = behavior == SplitBehavior::MergedWithNext;
    if (behavior == SplitBehavior::Isolated) return spans;
    if (behavior == SplitBehavior::Removed) {
        std::erase_if(spans, [](const Span& span) { return span.is_match; });
        return spans;
    }
    if (backwards) std::reverse(spans.begin(), spans.end());
    std::vector<Span> result;
    bool previous_is_match = false;
    for (const Span& span : spans) {
        const bool joins = behavior == SplitBehavior::Contiguous ? span.is_match == previous_is_match
                                                                 : span.is_match && !previous_is_match;
        if (joins && !result.empty()) {
            result.back().begin = std::min(result.back().begin, span.begin);
            result.back().end = std::max(result.back().end, span.end);
        } else {
            result.push_back(span);
        }
        previous_is_match = span.is_match;
    }
    if (backwards) std::reverse(result.begin(), result.end());
    return result;
}

} // namespace

struct PreTokenizer::Compiled {
    SplitRule rule;
    std::unique_ptr<icu::RegexPattern> pattern; // none: the rule splits nothing
};

struct PreTokenizer::Run::Matcher {
    const SplitRule& rule;
    std::unique_ptr<icu::RegexMatcher> matcher;
    icu::UnicodeString text;
    std::vector<Span> find(std::string_view utf8);
};

PreTokenizer::PreTokenizer(std::vector<SplitRule> rules)
{
    for (SplitRule& rule : rules) {
        Compiled compiled{std::move(rule), nullptr};
        if (const std::string& source = compiled.rule.pattern; !source.empty()) {
            UErrorCode status = U_ZERO_ERROR;
            UParseError place{};
            // In Ruby's syntax ^ and $ match at lines, and only \n ends a line.
            compiled.pattern.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(translatePattern(source)),
                                                              UREGEX_MULTILINE | UREGEX_UNIX_LINES, place, status));
            if (U_FAILURE(status))
                throw Failure(ErrorCode::Unsupported,
                              "the regular expression " + source + " cannot be read (" + u_errorName(status) + ")",
                              unsupported_pattern_hint);
        }
        rules_.push_back(std::move(compiled));
    }
}

PreTokenizer::~PreTokenizer() = default;

PreTokenizer::Run::Run(const PreTokenizer& owner)
{
    matchers_.reserve(owner.rules_.size());
    for (const Compiled& compiled : owner.rules_) {
        UErrorCode status = U_ZERO_ERROR;
        matchers_.push_back({compiled.rule, nullptr, {}});
        if (compiled.pattern) matchers_.back().matcher.reset(compiled.pattern->matcher(status));
        if (U_FAILURE(status)) throw Failure(ErrorCode::Internal, std::string("ICU: ") + u_errorName(status));
    }
}

PreTokenizer::Run::~Run() = default;

void PreTokenizer::Run::split(std::string_view text, const Word& word)
{
    apply(0, text, word);
}

void PreTokenizer::Run::apply(std::size_t rule, std::string_view text, const Word& word)
{
    if (rule == matchers_.size()) {
        if (!text.empty()) word(text);
        return;
    }
    Matcher& matcher = matchers_[rule];
    std::string prefixed;
    if (matcher.rule.add_prefix_space && !text.starts_with(' ')) {
        prefixed = " " + std::string(text);
        text = prefixed;
    }
    if (!matcher.matcher) return apply(rule + 1, text, word);
    for (const Span& span : arrange(matcher.find(text), matcher.rule.behavior))
        if (span.end > span.begin) apply(rule + 1, text.substr(span.begin, span.end - span.begin), word);
}

/// Matches, and what lies between them, in order: together the whole text.
std::vector<Span> PreTokenizer::Run::Matcher::find(std::string_view utf8)
{
    text = icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())});
    matcher->reset(text);
    // ICU counts in units of 10,000 steps: far more than any known pattern needs, and about a second for one that
    // backtracks without end.
    UErrorCode status = U_ZERO_ERROR;
    matcher->setTimeLimit(10'000 + text.length() / 20, status);

    std::vector<Span> spans;
    std::int32_t unit = 0; // in `text`, at the same place as `byte` in `utf8`
    std::size_t byte = 0;
    const auto spanUntil = [&](std::int32_t end, bool is_match) {
        const std::size_t begin = byte;
        for (; unit < end; ++unit) byte += utf8Length(text[unit]);
        if (byte > begin) spans.push_back({begin, byte, is_match != rule.invert});
    };
    while (matcher->find(status)) {
        spanUntil(matcher->start(status), false);
        spanUntil(matcher->end(status), true);
    }
    if (U_FAILURE(status))
        throw Failure(ErrorCode::Unsupported,
                      "the regular expression " + rule.pattern + " takes too long for this text (" +
                          u_errorName(status) + ")",
                      "the tokenizer's file may be damaged: download it again");
    spanUntil(text.length(), false);
    return spans;
}

} // namespace flextron
