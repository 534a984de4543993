#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/base/json_p.h"
#include "engine/generate/trace.h"
#include "engine/generate/trace_fill_p.h"
#include "engine/generate/trace_layout_p.h"
#include "engine/model/safetensors.h"

namespace flextron {

namespace {

namespace layout = trace_layout;

constexpr std::int64_t kMaxLayers = 1 << 16;
constexpr std::int64_t kMaxWidth = 1 << 30;
constexpr std::size_t kMaxPanes = 4096;

using Shape = std::vector<std::int64_t>;

/// Fetches the arrays of one pane, each checked for type and shape.
class PaneReader {
public:
    PaneReader(const SafetensorsFile& file, std::size_t pane, Trace& trace) : file_(file), pane_(pane), trace_(trace) {}

    void fill()
    {
        const TensorView& ids = find(layout::kIds);
        if (ids.shape.size() != 1) fail(layout::kIds, "has shape " + shapeString(ids.shape) + "; expected [tokens]");
        if (ids.shape[0] > std::numeric_limits<int>::max())
            fail(layout::kIds, "has " + std::to_string(ids.shape[0]) + " tokens");
        count_ = ids.shape[0];
        trace_.records.resize(static_cast<std::size_t>(count_));
        tokens();
        top();
        widths(layout::kHeads, &TokenRecord::heads, trace_.full_heads);
        widths(layout::kMlp, &TokenRecord::mlp, trace_.full_mlp);
        const auto layers = static_cast<std::int64_t>(trace_.layers);
        rows(layout::kLayerNs, &TokenRecord::layer_ns, {layers});
        rows(layout::kHeadProbabilities, &TokenRecord::head_probabilities,
             {layers, static_cast<std::int64_t>(trace_.choices.head_int_list.size())});
        rows(layout::kMlpProbabilities, &TokenRecord::mlp_probabilities,
             {layers, static_cast<std::int64_t>(trace_.choices.mlp_int_list.size())});
        for (TokenRecord& record : trace_.records) fillCertainty(record, trace_.choices);
        text();
    }

private:
    [[noreturn]] void fail(const char* array, const std::string& what) const
    {
        throw Failure(ErrorCode::Corrupt,
                      file_.path().string() + ": array " + layout::arrayName(pane_, array) + " " + what);
    }

    [[nodiscard]] const TensorView* maybe(const char* array) const
    {
        const auto found = file_.tensors().find(layout::arrayName(pane_, array));
        return found == file_.tensors().end() ? nullptr : &found->second;
    }
    [[nodiscard]] const TensorView& find(const char* array) const
    {
        const TensorView* tensor = maybe(array);
        if (tensor == nullptr) fail(array, "is missing");
        return *tensor;
    }

    /// An array's elements. The file reader has checked that its bytes match type and shape.
    template <class T> [[nodiscard]] std::vector<T> values(const char* array, DType dtype, const Shape& shape) const
    {
        const TensorView& tensor = find(array);
        if (tensor.dtype != dtype)
            fail(array, "has type " + std::string(safetensorsName(tensor.dtype)) + "; expected " +
                            std::string(safetensorsName(dtype)));
        if (tensor.shape != shape)
            fail(array, "has shape " + shapeString(tensor.shape) + "; expected " + shapeString(shape));
        std::vector<T> result(tensor.bytes.size() / sizeof(T));
        if (!result.empty()) std::memcpy(result.data(), tensor.bytes.data(), tensor.bytes.size());
        return result;
    }

    template <class T, class Set> void column(const char* array, DType dtype, Set set)
    {
        const std::vector<T> column_values = values<T>(array, dtype, {count_});
        for (std::size_t t = 0; t < column_values.size(); ++t) set(trace_.records[t], column_values[t]);
    }

    void flags(const char* array, bool TokenRecord::*member)
    {
        column<std::uint8_t>(array, DType::Bool, [&](TokenRecord& record, std::uint8_t value) {
            if (value > 1) fail(array, "holds " + std::to_string(value) + "; expected 0 or 1");
            record.*member = value == 1;
        });
    }

    void tokens()
    {
        for (std::size_t t = 0; t < trace_.records.size(); ++t) trace_.records[t].position = static_cast<int>(t);
        column<std::int32_t>(layout::kIds, DType::Int32, [&](TokenRecord& record, std::int32_t id) {
            if (id < 0) fail(layout::kIds, "holds the id " + std::to_string(id));
            record.id = id;
        });
        flags(layout::kGiven, &TokenRecord::given);
        flags(layout::kRead, &TokenRecord::read);
        column<float>(layout::kLogprobs, DType::Float32,
                      [](TokenRecord& record, float value) { record.logprob = value; });
        (void)values<float>(layout::kLoss, DType::Float32, {count_}); // for readers of other tools: -logprobs
        column<std::int32_t>(layout::kRanks, DType::Int32, [&](TokenRecord& record, std::int32_t rank) {
            if (rank < -1) fail(layout::kRanks, "holds the rank " + std::to_string(rank));
            record.rank = rank;
        });
        column<float>(layout::kNs, DType::Float32,
                      [](TokenRecord& record, float ns) { record.ns = record.read ? ns : 0.0f; });
    }

    void top()
    {
        const TensorView& first = find(layout::kTopIds);
        if (first.shape.size() != 2)
            fail(layout::kTopIds, "has shape " + shapeString(first.shape) + "; expected [tokens, listed]");
        const Shape shape{count_, first.shape[1]};
        const auto ids = values<std::int32_t>(layout::kTopIds, DType::Int32, shape);
        const auto logprobs = values<float>(layout::kTopLogprobs, DType::Float32, shape);
        const auto listed = ids.empty() ? 0 : static_cast<std::size_t>(shape[1]);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (ids[i] < -1) fail(layout::kTopIds, "holds the id " + std::to_string(ids[i]));
            if (ids[i] >= 0) trace_.records[i / listed].top.push_back({ids[i], logprobs[i]});
        }
    }

    void widths(const char* array, std::vector<std::int32_t> TokenRecord::*member, int full)
    {
        const auto numbers = values<std::int32_t>(array, DType::Int32, {count_, trace_.layers});
        const auto layers = static_cast<std::ptrdiff_t>(trace_.layers);
        for (std::size_t t = 0; t < trace_.records.size(); ++t) {
            if (!trace_.records[t].read) continue;
            const auto row = numbers.begin() + static_cast<std::ptrdiff_t>(t) * layers;
            for (auto width = row; width != row + layers; ++width)
                if (*width < 0 || *width > full)
                    fail(array,
                         "holds the width " + std::to_string(*width) + "; expected 0 to " + std::to_string(full));
            (trace_.records[t].*member).assign(row, row + layers);
        }
    }

    /// Rows that a token may lack: then they begin with NaN.
    void rows(const char* array, std::vector<float> TokenRecord::*member, Shape shape)
    {
        if (maybe(array) == nullptr) return;
        shape.insert(shape.begin(), count_);
        const auto numbers = values<float>(array, DType::Float32, shape);
        if (numbers.empty()) return;
        const auto width = static_cast<std::ptrdiff_t>(numbers.size() / trace_.records.size());
        for (std::size_t t = 0; t < trace_.records.size(); ++t) {
            const auto row = numbers.begin() + static_cast<std::ptrdiff_t>(t) * width;
            if (!std::isnan(*row)) (trace_.records[t].*member).assign(row, row + width);
        }
    }

    void text()
    {
        const auto spans = values<std::int64_t>(layout::kByteSpans, DType::Int64, {count_, 2});
        const TensorView& whole = find(layout::kBytes);
        const auto bytes = values<char>(layout::kBytes, DType::UInt8, {static_cast<std::int64_t>(whole.bytes.size())});
        const auto size = static_cast<std::int64_t>(bytes.size());
        for (std::size_t t = 0; t < trace_.records.size(); ++t) {
            const std::int64_t from = spans[2 * t];
            const std::int64_t to = spans[2 * t + 1];
            if (from < 0 || to < from || to > size)
                fail(layout::kByteSpans, "gives token " + std::to_string(t) + " the bytes " + std::to_string(from) +
                                             " to " + std::to_string(to) + " of " + std::to_string(size));
            trace_.records[t].bytes.assign(bytes.begin() + from, bytes.begin() + to);
        }
    }

    const SafetensorsFile& file_;
    std::size_t pane_;
    Trace& trace_;
    std::int64_t count_ = 0;
};

std::vector<int> widthList(const JsonObject& json, const std::string& key)
{
    const auto numbers = json.integers(key, 1, kMaxWidth, 1 << 16);
    return {numbers.begin(), numbers.end()};
}

SamplerSettings readSampler(const JsonObject& json)
{
    constexpr double kLargest = std::numeric_limits<double>::max();
    SamplerSettings sampler;
    sampler.temperature = json.number("temperature", 0.0, kLargest);
    sampler.top_k = static_cast<int>(json.integer("top_k", 0, std::numeric_limits<int>::max()));
    sampler.top_p = json.number("top_p", 0.0, 1.0);
    sampler.min_p = json.number("min_p", 0.0, 1.0);
    sampler.repeat_penalty = json.number("repeat_penalty", 0.0, kLargest);
    const Json& seed = json.at("seed");
    if (!seed.is_number_integer() || (!seed.is_number_unsigned() && seed.get<std::int64_t>() < 0))
        json.mustBe("seed", "a whole number from 0");
    sampler.seed = seed.get<std::uint64_t>();
    return sampler;
}

Trace readPaneDescription(const JsonObject& json)
{
    Trace trace;
    trace.label = json.text("label");
    trace.subnet = json.text("subnet");
    trace.routing = json.text("routing");
    trace.budget = json.number("budget", 0.0, 1.0);
    trace.overrides = json.text("overrides");
    trace.choices = {widthList(json, "mlp_int_list"), widthList(json, "head_int_list")};
    trace.layers = static_cast<int>(json.integer("layers", 0, kMaxLayers));
    trace.full_heads = static_cast<int>(json.integer("full_heads", 0, kMaxWidth));
    trace.full_mlp = static_cast<int>(json.integer("full_mlp", 0, kMaxWidth));
    trace.model = json.text("model");
    trace.model_hash = json.text("model_hash");
    trace.backend = json.text("backend");
    trace.latency_table = json.text("latency_table");
    trace.sampler = readSampler(json.object("sampler"));
    trace.command = json.text("command");
    trace.stop_reason = json.text("stop_reason");
    return trace;
}

} // namespace

Result<std::vector<Trace>> readTraces(const std::filesystem::path& file)
{
    return guarded([&] {
        const SafetensorsFile opened = SafetensorsFile::open(file).orThrow();
        const auto text = opened.metadata().find(layout::kMetadataKey);
        if (text == opened.metadata().end())
            throw Failure(ErrorCode::Corrupt,
                          file.string() + ": no \"" + layout::kMetadataKey + "\" in the metadata: this is no trace",
                          "give a file that was written with --trace or by the explorer");
        const Json parsed = parseJson(text->second, file);
        const JsonObject json(parsed, file.string(), layout::kMetadataKey);
        if (const auto version = json.integer("schema_version", 1, 1 << 30); version > Trace::kSchemaVersion)
            throw Failure(ErrorCode::Unsupported,
                          file.string() + ": a trace of schema version " + std::to_string(version) +
                              "; this program knows " + std::to_string(Trace::kSchemaVersion),
                          "use a newer Flextron Explorer");
        std::vector<Trace> traces;
        for (std::size_t pane = 0; pane < json.array("panes", kMaxPanes).size(); ++pane) {
            traces.push_back(readPaneDescription(json.element("panes", pane)));
            PaneReader(opened, pane, traces.back()).fill();
        }
        return traces;
    });
}

} // namespace flextron
