#include "engine/report/report_data_p.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/base/color_stops.h"
#include "engine/base/version.h"
#include "engine/model/layer_shares.h"
#include "engine/text/utf8_p.h"

namespace flextron {

namespace {

using OrderedJson = nlohmann::ordered_json;
using Widths = std::vector<std::int32_t> TokenRecord::*;
using Floats = std::vector<float> TokenRecord::*;

/// One character a cell. What is behind the last one does not happen: choice sets are small, and a page of more
/// different widths than these is refused.
constexpr std::string_view kWidthLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr char kNotRead = '.';
constexpr double kUsPerNs = 1e-3;
constexpr double kMsPerNs = 1e-6;

/// Rounded to what the page shows; null for NaN.
OrderedJson rounded(double value, double steps)
{
    return std::isfinite(value) ? OrderedJson(std::round(value * steps) / steps) : OrderedJson();
}

OrderedJson nats(double value)
{
    return rounded(value, 1e4);
}

OrderedJson hexColors(const std::array<std::uint32_t, 5>& stops)
{
    OrderedJson colors = OrderedJson::array();
    for (const std::uint32_t stop : stops) {
        std::string text = "#";
        for (int shift = 20; shift >= 0; shift -= 4) text += "0123456789abcdef"[(stop >> shift) & 0xfU];
        colors.push_back(text);
    }
    return colors;
}

/// The widths in use, ascending, and for each layer a text with one letter a token.
OrderedJson widthsData(const Trace& trace, Widths widths)
{
    std::set<std::int32_t> used;
    for (const TokenRecord& record : trace.records) used.insert((record.*widths).begin(), (record.*widths).end());
    if (used.size() > kWidthLetters.size())
        throw Failure(ErrorCode::InvalidArgument,
                      "a report shows up to " + std::to_string(kWidthLetters.size()) +
                          " different widths in a text, found " + std::to_string(used.size()),
                      "force fewer different widths");
    const std::vector<std::int32_t> values(used.begin(), used.end());
    OrderedJson rows = OrderedJson::array();
    for (int layer = 0; layer < trace.layers; ++layer) {
        std::string row;
        for (const TokenRecord& record : trace.records) {
            const auto& own = record.*widths;
            const auto at = static_cast<std::size_t>(layer);
            if (!record.read || at >= own.size()) {
                row += kNotRead;
                continue;
            }
            const auto value = std::lower_bound(values.begin(), values.end(), own[at]);
            row += kWidthLetters[static_cast<std::size_t>(value - values.begin())];
        }
        rows.push_back(std::move(row));
    }
    return {{"values", values}, {"rows", std::move(rows)}};
}

/// Shares of the full layer's FLOPs: [L][width]. The other sub-block adds its own.
OrderedJson sharesData(const LayerShares& shares, const Trace& trace, const OrderedJson& widths, bool mlp)
{
    OrderedJson layers = OrderedJson::array();
    for (int layer = 0; layer < trace.layers; ++layer) {
        OrderedJson row = OrderedJson::array();
        for (const int width : widths["values"].get<std::vector<int>>())
            row.push_back(rounded(mlp ? shares.share(layer, width, 0) : shares.share(layer, 0, width), 1e5));
        layers.push_back(std::move(row));
    }
    return layers;
}

/// Whole numbers, [L][tokens]; null where there is nothing.
OrderedJson cellsData(const Trace& trace, Floats values, double steps)
{
    OrderedJson layers = OrderedJson::array();
    for (int layer = 0; layer < trace.layers; ++layer) {
        OrderedJson row = OrderedJson::array();
        for (const TokenRecord& record : trace.records) {
            const auto& own = record.*values;
            const auto at = static_cast<std::size_t>(layer);
            const bool there = record.read && at < own.size() && std::isfinite(own[at]);
            row.push_back(there ? OrderedJson(std::llround(own[at] * steps)) : OrderedJson());
        }
        layers.push_back(std::move(row));
    }
    return layers;
}

bool hasMargins(const Trace& trace)
{
    return std::any_of(trace.records.begin(), trace.records.end(),
                       [](const TokenRecord& record) { return !record.mlp_margin.empty(); });
}

/// The most probable tokens of each record up to `count`, [id, nats].
OrderedJson alternativesData(const std::vector<TokenRecord>& records, std::size_t count, int most,
                             std::set<TokenId>& named)
{
    OrderedJson all = OrderedJson::array();
    for (std::size_t i = 0; i < count; ++i) {
        OrderedJson own = OrderedJson::array();
        for (const TokenProbability& entry : records[i].top) {
            if (static_cast<int>(own.size()) == most) break;
            named.insert(entry.id);
            own.push_back({entry.id, nats(entry.logprob)});
        }
        all.push_back(std::move(own));
    }
    return all;
}

OrderedJson timingData(const ReportPane& pane)
{
    if (!pane.timing || pane.timing->new_tokens < 1) return nullptr;
    const PaneTiming& timing = *pane.timing;
    return {{"first_ms", rounded(timing.ttft_ms, 1e3)},
            {"p50_ms", rounded(timing.p50_ms, 1e4)},
            {"p95_ms", rounded(timing.p95_ms, 1e4)},
            {"tokens", timing.new_tokens}};
}

OrderedJson agreementData(const ReportPane& pane)
{
    if (!pane.agreement || pane.agreement->tokens < 1) return nullptr;
    const Agreement& agreement = *pane.agreement;
    return {{"n", agreement.tokens},
            {"agreement", rounded(agreement.agreement, 1e5)},
            {"agreement_stderr", rounded(agreement.agreement_stderr, 1e5)},
            {"kl", rounded(agreement.kl_to_full, 1e5)},
            {"kl_stderr", rounded(agreement.kl_stderr, 1e5)}};
}

/// What is known of each token.
void addTokens(OrderedJson& data, const Trace& trace)
{
    for (const char* key : {"ids", "logprob", "rank", "ms"}) data[key] = OrderedJson::array();
    for (const TokenRecord& record : trace.records) {
        data["ids"].push_back(record.id);
        data["logprob"].push_back(nats(record.logprob));
        data["rank"].push_back(record.rank);
        data["ms"].push_back(record.read ? rounded(record.ns * kMsPerNs, 1e4) : OrderedJson());
    }
    data["texts"] = tokenTexts(trace);
}

void addReference(OrderedJson& data, const ReportPane& pane, int alternatives, std::set<TokenId>& named)
{
    if (!pane.reference) return;
    const auto common = static_cast<std::size_t>(commonTokens(pane.trace, *pane.reference));
    OrderedJson logprobs = OrderedJson::array();
    for (std::size_t i = 0; i < common; ++i) logprobs.push_back(nats(pane.reference->records[i].logprob));
    data["full_logprob"] = std::move(logprobs);
    if (alternatives > 0) data["full_top"] = alternativesData(pane.reference->records, common, alternatives, named);
}

OrderedJson paneData(const Report& report, const ReportPane& pane, const ReportDetail& detail, std::set<TokenId>& named)
{
    const Trace& trace = pane.trace;
    OrderedJson data = {{"name", pane.name},
                        {"routing", trace.routing},
                        {"budget", trace.budget},
                        {"subnet", trace.subnet},
                        {"forced", !trace.overrides.empty()},
                        {"stop_reason", trace.stop_reason},
                        {"command", pane.command},
                        {"given", givenTokens(trace)},
                        {"timing", timingData(pane)},
                        {"alone_ms", pane.alone_ms ? rounded(*pane.alone_ms, 1e4) : OrderedJson()},
                        {"alone_measured", pane.alone_measured},
                        {"agreement", agreementData(pane)}};
    const int common = commonTokens(trace, report.panes[report.baseline].trace);
    const bool parts = common < static_cast<int>(trace.records.size()) &&
                       common < static_cast<int>(report.panes[report.baseline].trace.records.size());
    data["split"] = parts ? OrderedJson(common) : OrderedJson();
    addTokens(data, trace);
    data["mlp"] = widthsData(trace, &TokenRecord::mlp);
    data["heads"] = widthsData(trace, &TokenRecord::heads);
    if (report.config && report.config->sizes() == trace.sizes()) {
        const LayerShares shares(*report.config);
        data["mlp_share"] = sharesData(shares, trace, data["mlp"], true);
        data["heads_share"] = sharesData(shares, trace, data["heads"], false);
    }
    if (detail.layer_times) data["layer_us"] = cellsData(trace, &TokenRecord::layer_ns, kUsPerNs);
    if (detail.margins && hasMargins(trace)) {
        data["mlp_margin"] = cellsData(trace, &TokenRecord::mlp_margin, 1e3);
        data["heads_margin"] = cellsData(trace, &TokenRecord::head_margin, 1e3);
    }
    if (detail.alternatives > 0)
        data["top"] = alternativesData(trace.records, trace.records.size(), detail.alternatives, named);
    addReference(data, pane, detail.alternatives, named);
    return data;
}

/// What the alternatives say, by id.
OrderedJson piecesData(const Report& report, const std::set<TokenId>& named)
{
    OrderedJson pieces = OrderedJson::object();
    if (!report.vocabulary) return pieces;
    for (const TokenId id : named) {
        if (id < 0 || id >= report.vocabulary->vocabSize()) continue;
        const std::string bytes = report.vocabulary->tokenBytes(id);
        pieces[std::to_string(id)] = replaceInvalidUtf8(bytes.empty() ? report.vocabulary->piece(id) : bytes);
    }
    return pieces;
}

std::string promptOf(const Trace& trace)
{
    std::string prompt;
    const auto texts = tokenTexts(trace);
    const auto given = static_cast<std::size_t>(givenTokens(trace));
    if (given == trace.records.size()) return prompt; // a text that was read stands on the page as it is
    for (std::size_t i = 0; i < given; ++i) prompt += texts[i];
    return prompt;
}

/// The seed as text: JavaScript's numbers do not hold all of it.
OrderedJson samplerData(const SamplerSettings& sampler)
{
    return {{"temperature", sampler.temperature},
            {"top_k", sampler.top_k},
            {"top_p", sampler.top_p},
            {"min_p", sampler.min_p},
            {"repeat_penalty", sampler.repeat_penalty},
            {"seed", std::to_string(sampler.seed)}};
}

OrderedJson leftOut(const ReportDetail& detail)
{
    OrderedJson parts = OrderedJson::array();
    const ReportDetail all;
    if (!detail.margins) parts.push_back("router margins");
    if (!detail.layer_times) parts.push_back("times by layer");
    if (detail.alternatives == 0) parts.push_back("alternatives to each token");
    else if (detail.alternatives < all.alternatives)
        parts.push_back("all but " + std::to_string(detail.alternatives) + " alternatives to each token");
    return parts;
}

} // namespace

nlohmann::ordered_json reportData(const Report& report, const ReportDetail& detail)
{
    const Trace& first = report.panes[report.baseline].trace;
    std::set<TokenId> named;
    OrderedJson panes = OrderedJson::array();
    for (const ReportPane& pane : report.panes) panes.push_back(paneData(report, pane, detail, named));
    return {{"format", 1},
            {"version", version},
            {"made_at", report.made_at},
            {"command", report.command},
            {"model",
             {{"name", first.model},
              {"hash", first.model_hash},
              {"layers", first.layers},
              {"full_mlp", first.full_mlp},
              {"full_heads", first.full_heads}}},
            {"backend", first.backend},
            {"latency_table", first.latency_table},
            {"sampler", samplerData(first.sampler)},
            {"prompt", promptOf(first)},
            {"left_out", leftOut(detail)},
            {"maps", {{"sequential", hexColors(kSequentialStops)}, {"diverging", hexColors(kDivergingStops)}}},
            {"baseline", report.baseline},
            {"pieces", piecesData(report, named)},
            {"panes", std::move(panes)}};
}

} // namespace flextron
