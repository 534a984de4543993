// The table's JSON file in the user's cache (docs/file-formats.md), and the fingerprint it goes by.
#include <algorithm>

#include "engine/base/files.h"
#include "engine/base/fingerprint.h"
#include "engine/base/json_p.h"
#include "engine/base/version.h"
#include "engine/compute/backend.h"
#include "engine/latency/latency_table.h"
#include "engine/latency/measure_p.h"

namespace flextron {

namespace {

constexpr double kMaxMs = 1e9;
constexpr std::size_t kMaxEntries = 4096;
constexpr int kOldestFormat = 2; // the only one without a revision

std::vector<int> readAscending(const JsonObject& json, const std::string& key, int first)
{
    const auto numbers = json.integers(key, first, 1 << 30, kMaxEntries);
    if (numbers.empty() || std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) != numbers.end())
        json.mustBe(key, "a list of ascending whole numbers");
    if (first == 0 && numbers.front() != 0) json.mustBe(key, "a list that begins with 0");
    return {numbers.begin(), numbers.end()};
}

std::vector<double> readTimes(const JsonObject& json, const std::string& key, const Json& list, std::size_t expected)
{
    const auto valid = [](const Json& value) {
        return value.is_number() && value.get<double>() >= 0.0 && value.get<double>() <= kMaxMs;
    };
    if (!list.is_array() || list.size() != expected || !std::all_of(list.begin(), list.end(), valid))
        json.mustBe(key, "a list of " + std::to_string(expected) + " times in ms, none below 0");
    return list.get<std::vector<double>>();
}

std::vector<std::vector<double>> readAttention(const JsonObject& json, const std::string& key,
                                               const LatencyTable& table)
{
    const auto& rows = json.array(key, kMaxEntries);
    if (rows.size() != table.contexts.size())
        json.mustBe(key, "one row a context, " + std::to_string(table.contexts.size()));
    std::vector<std::vector<double>> result;
    for (const Json& row : rows) result.push_back(readTimes(json, key, row, table.head_counts.size()));
    return result;
}

LatencyTable parseTable(const JsonObject& json, std::int64_t format)
{
    LatencyTable table;
    table.fingerprint = json.text("fingerprint");
    if (format > kOldestFormat) table.revision = static_cast<int>(json.integer("revision", 0, 1 << 30));
    table.device = json.text("device");
    table.measured_at = json.text("measured_at");
    table.repeats = static_cast<int>(json.integer("repeats", 1, 1 << 20));
    table.mlp_widths = readAscending(json, "mlp_widths", 0);
    table.head_counts = readAscending(json, "head_counts", 0);
    table.contexts = readAscending(json, "contexts", 1);
    table.fixed_ms = json.number("fixed_ms", 0.0, kMaxMs);
    table.mlp_ms = readTimes(json, "mlp_ms", json.at("mlp_ms"), table.mlp_widths.size());
    table.attention_own_ms = readAttention(json, "attention_own_ms", table);
    table.attention_all_ms = readAttention(json, "attention_all_ms", table);
    table.router_ms = json.number("router_ms", 0.0, kMaxMs);
    table.router_inter_dim = static_cast<int>(json.integer("router_inter_dim", 0, 1 << 20));
    table.noise = json.number("noise", 0.0, kMaxMs);
    return table;
}

} // namespace

std::string latencyFingerprint(const Backend& backend)
{
    const ModelConfig& config = backend.config();
    Fingerprint print;
    print.add(kOldestFormat); // it stays, so that older tables are found and can be told to be out of date
    print.add(version);
    print.add(backend.description()); // kind, LibTorch, dtype, device, threads
    print.add(deviceName(backend));
    print.add(backend.bytesPerWeight());
    print.add(backend.bytesPerKv());
    print.add(familyName(config.family));
    for (const int size : {config.hidden_size, config.head_dim, config.vocab_size, config.sliding_window,
                           static_cast<int>(config.tie_word_embeddings), config.numLayers()})
        print.add(size);
    for (const LayerSizes& layer : config.layers)
        for (const int size : {layer.num_attention_heads, layer.num_key_value_heads, layer.intermediate_size})
            print.add(size);
    return print.hex();
}

std::filesystem::path latencyTablePath(const std::string& fingerprint)
{
    return cacheFolder() / "latency" / (fingerprint + ".json");
}

Result<LatencyTable> readLatencyTable(const std::filesystem::path& file)
{
    return guarded([&] {
        const Json parsed = parseJson(readFile(file, 16 << 20).orThrow(), file);
        const JsonObject json(parsed, file.string());
        const auto format = json.integer("format_version", 1, 1 << 30);
        if (format < kOldestFormat || format > LatencyTable::kFormatVersion)
            throw Failure(ErrorCode::Unsupported,
                          file.string() + ": a latency table of format version " + std::to_string(format) +
                              "; this program knows " + std::to_string(LatencyTable::kFormatVersion),
                          "measure it again (flextron profile)");
        return parseTable(json, format);
    });
}

bool fitsBackend(const LatencyTable& table, const Backend& backend)
{
    return table.fingerprint == latencyFingerprint(backend) && table.revision == backend.revision();
}

Result<LatencyTable> cachedLatencyTable(const Backend& backend)
{
    auto table = readLatencyTable(latencyTablePath(latencyFingerprint(backend)));
    if (!table && table.error().code == ErrorCode::NotFound)
        return Error{ErrorCode::NotFound, "no latency table for this set-up yet", "measure it once (flextron profile)"};
    if (table && !fitsBackend(*table, backend))
        return Error{ErrorCode::Unsupported, "the latency table is out of date: measured with an older version",
                     "measure it again (flextron profile)"};
    return table;
}

Result<void> writeLatencyTable(const std::filesystem::path& file, const LatencyTable& table)
{
    return guarded([&] {
        const nlohmann::ordered_json json = {{"format_version", LatencyTable::kFormatVersion},
                                             {"fingerprint", table.fingerprint},
                                             {"revision", table.revision},
                                             {"device", table.device},
                                             {"measured_at", table.measured_at},
                                             {"repeats", table.repeats},
                                             {"mlp_widths", table.mlp_widths},
                                             {"head_counts", table.head_counts},
                                             {"contexts", table.contexts},
                                             {"fixed_ms", table.fixed_ms},
                                             {"mlp_ms", table.mlp_ms},
                                             {"attention_own_ms", table.attention_own_ms},
                                             {"attention_all_ms", table.attention_all_ms},
                                             {"router_ms", table.router_ms},
                                             {"router_inter_dim", table.router_inter_dim},
                                             {"noise", table.noise}};
        if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
        writeFile(file, json.dump(2) + "\n").orThrow();
    });
}

} // namespace flextron
