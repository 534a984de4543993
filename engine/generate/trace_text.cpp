#include "engine/generate/trace.h"

#include "engine/text/utf8_p.h"

namespace flextron {

namespace {

/// Takes what is whole from the front of `held`; the beginning of a character stays.
std::string takeWhole(std::string& held)
{
    std::string text;
    std::size_t offset = 0;
    while (offset < held.size()) {
        const Utf8Step step = utf8Step(std::string_view(held).substr(offset));
        if (step.kind == Utf8Step::Kind::Incomplete) break;
        if (step.kind == Utf8Step::Kind::Character) text.append(held, offset, step.length);
        else text += "\xEF\xBF\xBD"; // U+FFFD
        offset += step.length;
    }
    held.erase(0, offset);
    return text;
}

} // namespace

std::vector<std::string> tokenTexts(const Trace& trace)
{
    std::vector<std::string> texts;
    texts.reserve(trace.records.size());
    std::string held;
    bool started = false;
    for (const TokenRecord& record : trace.records) {
        held += record.bytes;
        std::string text = takeWhole(held);
        // The mark before a text's first word is no part of the text.
        if (!started && !text.empty()) {
            started = true;
            if (text.starts_with(' ') && trace.records.front().bytes.empty()) text.erase(0, 1);
        }
        texts.push_back(std::move(text));
    }
    return texts;
}

int givenTokens(const Trace& trace)
{
    int given = 0;
    for (const TokenRecord& record : trace.records) {
        if (!record.given) break;
        ++given;
    }
    return given;
}

int commonTokens(const Trace& a, const Trace& b)
{
    std::size_t common = 0;
    while (common < a.records.size() && common < b.records.size() && a.records[common].id == b.records[common].id)
        ++common;
    return static_cast<int>(common);
}

} // namespace flextron
