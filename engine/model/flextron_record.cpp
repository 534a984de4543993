// flextron.json, read and written.
#include <algorithm>
#include <cfloat>
#include <charconv>
#include <functional>

#include "engine/base/json_p.h"
#include "engine/model/checkpoint.h"

namespace flextron {

namespace {

constexpr std::size_t kMaxLayers = 1 << 12;
constexpr std::size_t kMaxWidth = 1 << 22;
constexpr std::size_t kMaxChoices = 1 << 12;
constexpr std::size_t kMaxStages = 1 << 12;
constexpr std::size_t kMaxLosses = 1 << 16;

/// The shortest decimal that reads back as the same float, as a double: 0.1 rather than 0.10000000149011612.
double shortest(float value)
{
    char buffer[64];
    const auto written = std::to_chars(buffer, buffer + sizeof buffer, value);
    double decimal = 0;
    std::from_chars(buffer, written.ptr, decimal);
    return decimal;
}

Json floatsToJson(const std::vector<float>& values)
{
    Json list = Json::array();
    for (const float value : values) list.push_back(shortest(value));
    return list;
}

std::vector<float> parseFloats(const JsonObject& json, const std::string& key, bool descending)
{
    const auto numbers = json.numbers(key, 0, FLT_MAX, kMaxWidth);
    std::vector<float> values(numbers.size());
    std::transform(numbers.begin(), numbers.end(), values.begin(),
                   [](double number) { return static_cast<float>(number); });
    if (descending && !std::is_sorted(values.begin(), values.end(), std::greater<>()))
        json.mustBe(key, "a descending list, as \"sorted\" says");
    return values;
}

std::vector<int> parseWidths(const JsonObject& json, const std::string& key)
{
    const auto widths = json.integers(key, 1, kMaxWidth, kMaxChoices);
    return {widths.begin(), widths.end()};
}

ImportanceReport parseImportance(const JsonObject& json)
{
    json.allowOnly({"text", "sequences", "tokens", "sorted", "layers"});
    ImportanceReport report;
    report.text = json.text("text");
    report.sequences = json.integer("sequences", 0, INT64_MAX);
    report.tokens = json.integer("tokens", 0, INT64_MAX);
    report.sorted = json.boolean("sorted");
    for (std::size_t l = 0; l < json.array("layers", kMaxLayers).size(); ++l) {
        const JsonObject layer = json.element("layers", l);
        layer.allowOnly({"mlp", "groups"});
        report.mlp.push_back(parseFloats(layer, "mlp", report.sorted));
        report.groups.push_back(parseFloats(layer, "groups", report.sorted));
    }
    return report;
}

Json importanceToJson(const ImportanceReport& report)
{
    Json layers = Json::array();
    for (std::size_t l = 0; l < report.mlp.size(); ++l)
        layers.push_back({{"mlp", floatsToJson(report.mlp[l])}, {"groups", floatsToJson(report.groups.at(l))}});
    return {{"text", report.text},
            {"sequences", report.sequences},
            {"tokens", report.tokens},
            {"sorted", report.sorted},
            {"layers", layers}};
}

std::vector<double> parseBudgets(const JsonObject& json)
{
    auto budgets = json.numbers("budget_list", 1e-6, 1.0, kMaxChoices);
    const bool strictly_descending = std::adjacent_find(budgets.begin(), budgets.end(), std::less_equal<>()) ==
                                     budgets.end();
    if (!budgets.empty() && (budgets.front() != 1.0 || !strictly_descending))
        json.mustBe("budget_list", "a list that begins with 1 and descends");
    return budgets;
}

RecordedLoss parseLoss(const JsonObject& json)
{
    json.allowOnly({"text", "routing", "budget", "cost", "loss", "standard_error", "tokens", "choice_means"});
    return {json.text("text"),
            json.text("routing"),
            json.number("budget", 0, 1),
            json.number("cost", 0, 1e3),
            json.number("loss", 0, 1e6),
            json.number("standard_error", 0, 1e6),
            json.integer("tokens", 0, INT64_MAX),
            json.has("choice_means") ? json.numbers("choice_means", 0, 1, kMaxWidth) : std::vector<double>()};
}

Json lossToJson(const RecordedLoss& loss)
{
    Json json = {{"text", loss.text},    {"routing", loss.routing}, {"budget", loss.budget},
                 {"cost", loss.cost},    {"loss", loss.loss},       {"standard_error", loss.standard_error},
                 {"tokens", loss.tokens}};
    if (!loss.choice_means.empty()) json["choice_means"] = loss.choice_means;
    return json;
}

LayerSizes parseLayerSizes(const JsonObject& json)
{
    json.allowOnly({"num_attention_heads", "num_key_value_heads", "intermediate_size"});
    const auto size = [&](const char* key) { return static_cast<int>(json.integer(key, 0, kMaxWidth)); };
    return {size("num_attention_heads"), size("num_key_value_heads"), size("intermediate_size")};
}

} // namespace

Result<FlextronRecord> parseFlextronRecord(std::string_view text, const std::filesystem::path& file)
{
    return guarded([&] {
        const Json document = parseJson(text, file);
        const JsonObject json(document, file.string());
        if (const auto version = json.integer("format_version", 1, INT32_MAX);
            version != FlextronRecord::kFormatVersion)
            throw Failure(ErrorCode::Unsupported,
                          file.string() + ": format version " + std::to_string(version) + ", this program knows " +
                              std::to_string(FlextronRecord::kFormatVersion),
                          "update Flextron Explorer");
        json.allowOnly({"format_version", "choices", "budget_list", "importance", "base_training_tokens", "stages",
                        "losses", "layer_sizes"});
        FlextronRecord record;
        const JsonObject choices = json.object("choices");
        choices.allowOnly({"mlp_int_list", "head_int_list"});
        record.choices = {parseWidths(choices, "mlp_int_list"), parseWidths(choices, "head_int_list")};
        record.budget_list = parseBudgets(json);
        if (json.has("importance")) record.importance = parseImportance(json.object("importance"));
        record.base_training_tokens = json.integer("base_training_tokens", 0, INT64_MAX);
        for (std::size_t i = 0; i < json.array("stages", kMaxStages).size(); ++i) {
            const JsonObject stage = json.element("stages", i);
            stage.allowOnly({"name", "tokens", "seconds"});
            record.stages.push_back(
                {stage.text("name"), stage.integer("tokens", 0, INT64_MAX), stage.number("seconds", 0, 1e15)});
        }
        for (std::size_t i = 0; json.has("losses") && i < json.array("losses", kMaxLosses).size(); ++i)
            record.losses.push_back(parseLoss(json.element("losses", i)));
        for (std::size_t l = 0; l < json.array("layer_sizes", kMaxLayers).size(); ++l)
            record.layer_sizes.push_back(parseLayerSizes(json.element("layer_sizes", l)));
        return record;
    });
}

std::string writeFlextronRecord(const FlextronRecord& record)
{
    Json stages = Json::array();
    for (const TrainingStage& stage : record.stages)
        stages.push_back({{"name", stage.name}, {"tokens", stage.tokens}, {"seconds", stage.seconds}});
    Json losses = Json::array();
    for (const RecordedLoss& loss : record.losses) losses.push_back(lossToJson(loss));
    Json layer_sizes = Json::array();
    for (const LayerSizes& sizes : record.layer_sizes)
        layer_sizes.push_back({{"num_attention_heads", sizes.num_attention_heads},
                               {"num_key_value_heads", sizes.num_key_value_heads},
                               {"intermediate_size", sizes.intermediate_size}});
    const Json json = {
        {"format_version", FlextronRecord::kFormatVersion},
        {"choices", {{"mlp_int_list", record.choices.mlp_int_list}, {"head_int_list", record.choices.head_int_list}}},
        {"budget_list", record.budget_list},
        {"importance", record.importance ? importanceToJson(*record.importance) : Json(nullptr)},
        {"base_training_tokens", record.base_training_tokens},
        {"stages", stages},
        {"losses", losses},
        {"layer_sizes", layer_sizes}};
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace flextron
