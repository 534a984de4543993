// The three written forms of a sub-network: text, JSON, CSV.
#include <algorithm>
#include <charconv>
#include <optional>

#include "engine/base/json_p.h"
#include "engine/model/subnetwork.h"

namespace flextron {

namespace {

constexpr int kMaxWidth = 1 << 22;
constexpr std::size_t kMaxLayers = 1 << 12;
constexpr std::string_view kCsvHeader = "layer,mlp,heads";
constexpr std::string_view kBlanks = " \t\r\n";

[[noreturn]] void refuse(const std::string& what)
{
    throw Failure(ErrorCode::InvalidArgument, "sub-network: " + what,
                  "write it as \"mlp 704*2,352*4; heads 8*6\" (WIDTH*LAYERS, layer 0 first), as JSON {\"mlp\": [...], "
                  "\"heads\": [...]}, or as CSV with the header " +
                      std::string(kCsvHeader));
}

std::string inQuotes(std::string_view text)
{
    return describe(Json(std::string(text)));
}

std::string_view trimmed(std::string_view text)
{
    const auto begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(trimmed(text.substr(0, end)));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

int parseNumber(std::string_view text, const std::string& where, int max)
{
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > max)
        refuse(where + " should be a whole number from 0 to " + std::to_string(max) + ", found " + inQuotes(text));
    return value;
}

/// "704*2,352*4", or one width for all layers.
std::vector<int> parseRuns(std::string_view text, const std::string& kind, int num_layers)
{
    const auto runs = split(text, ',');
    std::vector<int> widths;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const std::string where = kind + ", entry " + std::to_string(i + 1);
        const auto star = runs[i].find('*');
        const int width = parseNumber(trimmed(runs[i].substr(0, star)), where, kMaxWidth);
        int count = runs.size() == 1 ? num_layers : 1;
        if (star != std::string_view::npos)
            count = parseNumber(trimmed(runs[i].substr(star + 1)), where + ", layers", kMaxLayers);
        if (widths.size() + static_cast<std::size_t>(count) > kMaxLayers)
            refuse(kind + " has more than " + std::to_string(kMaxLayers) + " layers");
        widths.insert(widths.end(), static_cast<std::size_t>(count), width);
    }
    return widths;
}

SubNetwork parseText(std::string_view text, int num_layers)
{
    std::optional<std::vector<int>> mlp;
    std::optional<std::vector<int>> heads;
    for (const std::string_view part : split(text, ';')) {
        if (part.empty()) continue; // a semicolon at the end
        const auto space = part.find_first_of(kBlanks);
        const std::string kind(part.substr(0, space));
        if (kind != "mlp" && kind != "heads") refuse("expected \"mlp\" or \"heads\", found " + inQuotes(kind));
        auto& widths = kind == "mlp" ? mlp : heads;
        if (widths) refuse("\"" + kind + "\" is given twice");
        widths = parseRuns(space == std::string_view::npos ? std::string_view{} : trimmed(part.substr(space)), kind,
                           num_layers);
    }
    if (!mlp || !heads) refuse(std::string("\"") + (mlp ? "heads" : "mlp") + "\" is not given");
    return {*mlp, *heads};
}

SubNetwork parseJsonForm(std::string_view text)
{
    const Json document = parseJson(text, "sub-network");
    const JsonObject json(document, "sub-network");
    const auto widths = [&](const char* key) {
        const auto list = json.integers(key, 0, kMaxWidth, kMaxLayers);
        return std::vector<int>(list.begin(), list.end());
    };
    return {widths("mlp"), widths("heads")};
}

SubNetwork parseCsv(std::string_view text)
{
    SubNetwork subnet;
    const auto lines = split(text, '\n');
    if (lines.front() != kCsvHeader)
        refuse("line 1 should be " + inQuotes(kCsvHeader) + ", found " + inQuotes(lines.front()));
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::string where = "line " + std::to_string(i + 1);
        const auto cells = split(lines[i], ',');
        if (cells.size() != 3) refuse(where + " should have 3 columns, found " + std::to_string(cells.size()));
        if (parseNumber(cells[0], where + ", layer", kMaxLayers) != static_cast<int>(i) - 1)
            refuse(where + " should be of layer " + std::to_string(i - 1) + ", found " + inQuotes(cells[0]));
        subnet.mlp.push_back(parseNumber(cells[1], where + ", mlp", kMaxWidth));
        subnet.heads.push_back(parseNumber(cells[2], where + ", heads", kMaxWidth));
    }
    return subnet;
}

std::string runsOf(const std::vector<int>& widths)
{
    std::string text;
    for (std::size_t begin = 0; begin < widths.size();) {
        std::size_t end = begin;
        while (end < widths.size() && widths[end] == widths[begin]) ++end;
        text += (begin == 0 ? "" : ",") + std::to_string(widths[begin]) + "*" + std::to_string(end - begin);
        begin = end;
    }
    return text;
}

} // namespace

std::string toString(const SubNetwork& subnet)
{
    return "mlp " + runsOf(subnet.mlp) + "; heads " + runsOf(subnet.heads);
}

std::string toJson(const SubNetwork& subnet)
{
    return "{\"mlp\": " + Json(subnet.mlp).dump() + ", \"heads\": " + Json(subnet.heads).dump() + "}";
}

std::string toCsv(const SubNetwork& subnet)
{
    std::string text = std::string(kCsvHeader) + "\n";
    for (std::size_t l = 0; l < subnet.mlp.size(); ++l)
        text += std::to_string(l) + "," + std::to_string(subnet.mlp[l]) + "," + std::to_string(subnet.heads[l]) + "\n";
    return text;
}

Result<SubNetwork> parseSubNetwork(std::string_view text, const ModelConfig& config)
{
    return guarded([&] {
        text = trimmed(text);
        if (text.empty()) refuse("the text is empty");
        SubNetwork subnet;
        try {
            if (text.starts_with('{')) subnet = parseJsonForm(text);
            else if (text.starts_with("layer")) subnet = parseCsv(text);
            else subnet = parseText(text, config.numLayers());
        } catch (const Failure& failure) {
            // What the JSON reader calls a corrupt file is a wrong argument here.
            Error error = failure.error();
            error.code = ErrorCode::InvalidArgument;
            throw Failure(std::move(error));
        }
        validateSubNetwork(subnet, config).orThrow();
        return subnet;
    });
}

} // namespace flextron
