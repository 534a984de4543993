// Regular expressions of tokenizer.json are written for Oniguruma (Ruby's syntax); we match with ICU. Where the two
// read a sign differently it is rewritten here; what has no counterpart, or is not used by any tokenizer we know of, is
// refused.
#include <cctype>

#include "engine/base/error.h"
#include "engine/text/pre_tokenizer_p.h"

namespace flextron {

const char* const unsupported_pattern_hint =
    "use a checkpoint whose tokenizer cuts text as GPT-2, Llama 3 or Qwen 2 do, or has a tokenizer.model";

const char* const gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::string literalPattern(std::string_view text)
{
    std::string pattern;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x80 && std::isalnum(static_cast<unsigned char>(c)) == 0) pattern += '\\';
        pattern += c;
    }
    return pattern;
}

namespace {

class PatternTranslator {
public:
    explicit PatternTranslator(std::string_view pattern) : pattern_(pattern) {}

    std::string translate()
    {
        while (at_ < pattern_.size()) {
            const char c = pattern_[at_];
            if (c == '\\') escape();
            else if (c == '(' && peek(1) == '?') group();
            else if (class_depth_ > 0) insideClass(c);
            else outsideClass(c);
        }
        return std::move(result_);
    }

private:
    [[nodiscard]] char peek(std::size_t ahead) const
    {
        return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
    }

    [[noreturn]] void unsupported(const std::string& what) const
    {
        throw Failure(ErrorCode::Unsupported,
                      "the regular expression " + std::string(pattern_) + " uses " + what + ", which is not supported",
                      unsupported_pattern_hint);
    }

    void copy(std::size_t count)
    {
        result_ += pattern_.substr(at_, count);
        at_ += count;
    }

    void replace(std::string_view by)
    {
        result_ += by;
        at_ += 2;
    }

    void escape()
    {
        const char c = peek(1);
        switch (c) {
        // ICU's own \w takes in the joiners.
        case 'w': return replace(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])");
        case 'W': return replace(R"([^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])");
        case 'v': return replace(R"(\x0B)"); // ICU: any vertical white space
        case 'p':
        case 'P': return property();
        default: break;
        }
        const bool is_letter_or_digit = std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (c == '\0' || (is_letter_or_digit && std::string_view("sSdDnrtfaexuAz").find(c) == std::string_view::npos))
            unsupported(std::string("\\") + (c == '\0' ? "" : std::string(1, c)));
        copy(2);
    }

    void property()
    {
        const auto end = pattern_.find('}', at_);
        if (peek(2) != '{' || peek(3) == '^' || end == std::string_view::npos)
            unsupported("a property other than \\p{Name}");
        copy(end + 1 - at_);
    }

    void group()
    {
        // (?: (?= (?! (?> (?<= (?<! and (?i: mean the same to both; Ruby's (?m is ICU's (?s.
        const std::string_view rest = pattern_.substr(at_);
        for (const std::string_view known : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:", "(?i)", "(?-i:"})
            if (rest.starts_with(known)) return copy(known.size());
        unsupported("the group " + std::string(rest.substr(0, 4)));
    }

    void insideClass(char c)
    {
        if (c == '[') ++class_depth_;
        if (c == ']') --class_depth_;
        // Plain characters to Oniguruma; ICU has set operations and strings there.
        if (c == '-' && peek(1) == '-') unsupported("-- in a bracket expression");
        const bool is_plain = c == '{' || c == '}' || c == '$' || (c == '&' && peek(1) != '&' && result_.back() != '&');
        if (is_plain) result_ += '\\';
        copy(1);
    }

    void outsideClass(char c)
    {
        if (c == '[') {
            ++class_depth_;
            copy(peek(1) == '^' ? 2 : 1);
            if (peek(0) == ']') unsupported("a bracket expression that begins with ]");
            return;
        }
        // Ruby reads x{1,3}+ as (x{1,3})+; ICU as possessive.
        if (c == '}' && peek(1) == '+') unsupported("a + behind {...}");
        copy(1);
    }

    std::string_view pattern_;
    std::size_t at_ = 0;
    int class_depth_ = 0;
    std::string result_;
};

} // namespace

std::string translatePattern(std::string_view oniguruma)
{
    return PatternTranslator(oniguruma).translate();
}

} // namespace flextron
