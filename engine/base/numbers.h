// Numbers to text and back, in the C locale whatever the user's is.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace flextron {

/// The whole of `text` as a number; nothing when it is not one.
[[nodiscard]] inline std::optional<double> parseNumber(std::string_view text)
{
    double value = 0.0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// At most `decimals` digits behind the point, no zeros at the end: 0.6, 12, 1.0625.
[[nodiscard]] inline std::string formatNumber(double value, int decimals)
{
    char buffer[400];
    const auto [end, problem] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed,
                                              decimals);
    if (problem != std::errc()) return "?";
    std::string text(buffer, end);
    if (text.find('.') != std::string::npos) {
        text.erase(text.find_last_not_of('0') + 1);
        if (text.back() == '.') text.pop_back();
    }
    return text;
}

} // namespace flextron
