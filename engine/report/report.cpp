#include "engine/report/report.h"

#include <array>

#include "engine/base/files.h"
#include "engine/report/page_parts_p.h"
#include "engine/report/report_data_p.h"

namespace flextron {

namespace {

/// From all to least; each step leaves out what takes the most room for what it tells.
constexpr std::array kDetails{ReportDetail{true, true, 8}, ReportDetail{false, true, 8}, ReportDetail{false, false, 8},
                              ReportDetail{false, false, 3}, ReportDetail{false, false, 0}};

std::string htmlEscaped(std::string_view text)
{
    std::string safe;
    for (const char c : text) {
        switch (c) {
        case '&': safe += "&amp;"; break;
        case '<': safe += "&lt;"; break;
        case '>': safe += "&gt;"; break;
        case '"': safe += "&quot;"; break;
        case '\'': safe += "&#39;"; break;
        default: safe += c;
        }
    }
    return safe;
}

/// JSON that can stand inside a script element: nothing in it looks like a tag or the end of a line to a browser.
/// Invalid UTF-8 (a file name, say) becomes U+FFFD.
std::string scriptSafe(const nlohmann::ordered_json& data)
{
    const std::string json = data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    std::string safe;
    safe.reserve(json.size());
    for (std::size_t i = 0; i < json.size(); ++i) {
        const std::string_view rest = std::string_view(json).substr(i);
        if (json[i] == '<') safe += "\\u003c";
        else if (json[i] == '>') safe += "\\u003e";
        else if (json[i] == '&') safe += "\\u0026";
        else if (rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9")) {
            safe += json[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else safe += json[i];
    }
    return safe;
}

std::string pageOf(const Report& report, const ReportDetail& detail)
{
    const auto data = reportData(report, detail);
    // The policy keeps the page from loading or sending anything, whatever stands in it.
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"Flextron Explorer " +
        htmlEscaped(data["version"].get<std::string>()) + "\">\n<title>" +
        htmlEscaped(report.panes[report.baseline].trace.model) + ": one prompt, " +
        (report.panes.size() == 1 ? "one size" : std::to_string(report.panes.size()) + " sizes") +
        "</title>\n<style>\n";
    page += page::kStyle;
    page += "</style>\n</head>\n<body>\n";
    page += page::kBody;
    page += "<script type=\"application/json\" id=\"data\">";
    page += scriptSafe(data);
    page += "</script>\n<script>\n\"use strict\";\n";
    page += page::kScript;
    page += "</script>\n</body>\n</html>\n";
    return page;
}

} // namespace

Result<std::string> reportPage(const Report& report)
{
    return guarded([&] {
        if (report.panes.empty() || report.baseline >= report.panes.size())
            throw Failure(ErrorCode::InvalidArgument, "a report needs at least one text", "write or read a text first");
        for (const ReportDetail& detail : kDetails) {
            std::string page = pageOf(report, detail);
            if (page.size() <= kLargestReport) return page;
        }
        throw Failure(ErrorCode::InvalidArgument,
                      "the report is larger than " + std::to_string(kLargestReport) +
                          " bytes, even without times by layer and alternatives",
                      "take fewer tokens or fewer stops; a trace (--trace) has no such limit");
    });
}

Result<void> writeReport(const std::filesystem::path& file, const Report& report)
{
    const auto page = reportPage(report);
    if (!page.ok()) return page.error();
    return writeFile(file, *page);
}

} // namespace flextron
