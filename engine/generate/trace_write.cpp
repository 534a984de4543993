#include <cmath>
#include <cstring>
#include <limits>

#include "engine/base/json_p.h"
#include "engine/generate/trace.h"
#include "engine/generate/trace_layout_p.h"
#include "engine/model/safetensors.h"

namespace flextron {

namespace {

namespace layout = trace_layout;

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

/// One array on its way to the file.
struct Array {
    std::string name;
    DType dtype = DType::Float32;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
};

/// The arrays of one pane.
class PaneArrays {
public:
    PaneArrays(const Trace& trace, std::size_t pane) : trace_(trace), pane_(pane) {}

    std::vector<Array> take()
    {
        check();
        tokens();
        top();
        widths(layout::kHeads, &TokenRecord::heads);
        widths(layout::kMlp, &TokenRecord::mlp);
        const auto layers = static_cast<std::int64_t>(trace_.layers);
        rows(layout::kLayerNs, &TokenRecord::layer_ns, {layers});
        rows(layout::kHeadProbabilities, &TokenRecord::head_probabilities,
             {layers, static_cast<std::int64_t>(trace_.choices.head_int_list.size())});
        rows(layout::kMlpProbabilities, &TokenRecord::mlp_probabilities,
             {layers, static_cast<std::int64_t>(trace_.choices.mlp_int_list.size())});
        rows(layout::kHeadMargin, &TokenRecord::head_margin, {layers});
        rows(layout::kMlpMargin, &TokenRecord::mlp_margin, {layers});
        rows(layout::kHeadEntropy, &TokenRecord::head_entropy, {layers});
        rows(layout::kMlpEntropy, &TokenRecord::mlp_entropy, {layers});
        text();
        return std::move(arrays_);
    }

private:
    [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(trace_.records.size()); }

    [[noreturn]] void broken(std::size_t token, const std::string& what) const
    {
        throw Failure(ErrorCode::Internal,
                      "trace of pane " + std::to_string(pane_) + ", token " + std::to_string(token) + ": " + what);
    }

    void check() const
    {
        for (std::size_t t = 0; t < trace_.records.size(); ++t) {
            const TokenRecord& record = trace_.records[t];
            if (record.position != static_cast<int>(t)) broken(t, "its position is " + std::to_string(record.position));
            const auto expected = record.read ? static_cast<std::size_t>(trace_.layers) : 0;
            if (record.heads.size() != expected || record.mlp.size() != expected)
                broken(t, "it has the widths of " + std::to_string(record.mlp.size()) + " layers, expected " +
                              std::to_string(expected));
        }
    }

    template <class T>
    void add(const char* name, DType dtype, std::vector<std::int64_t> shape, const std::vector<T>& values)
    {
        Array array{layout::arrayName(pane_, name), dtype, std::move(shape),
                    std::vector<std::byte>(values.size() * sizeof(T))};
        if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
        arrays_.push_back(std::move(array));
    }

    /// One value a token.
    template <class T, class Get> void column(const char* name, DType dtype, Get get)
    {
        std::vector<T> values;
        values.reserve(trace_.records.size());
        for (const TokenRecord& record : trace_.records) values.push_back(static_cast<T>(get(record)));
        add(name, dtype, {count()}, values);
    }

    void tokens()
    {
        using Byte = std::uint8_t;
        column<std::int32_t>(layout::kIds, DType::Int32, [](const TokenRecord& record) { return record.id; });
        column<Byte>(layout::kGiven, DType::Bool, [](const TokenRecord& record) { return record.given; });
        column<Byte>(layout::kRead, DType::Bool, [](const TokenRecord& record) { return record.read; });
        column<float>(layout::kLogprobs, DType::Float32, [](const TokenRecord& record) { return record.logprob; });
        column<float>(layout::kLoss, DType::Float32, [](const TokenRecord& record) { return -record.logprob; });
        column<std::int32_t>(layout::kRanks, DType::Int32, [](const TokenRecord& record) { return record.rank; });
        column<float>(layout::kNs, DType::Float32,
                      [](const TokenRecord& record) { return record.read ? record.ns : kNone; });
    }

    void top()
    {
        std::size_t listed = 0;
        for (const TokenRecord& record : trace_.records) listed = std::max(listed, record.top.size());
        std::vector<std::int32_t> ids(listed * trace_.records.size(), -1);
        std::vector<float> logprobs(ids.size(), kNone);
        for (std::size_t t = 0; t < trace_.records.size(); ++t)
            for (std::size_t k = 0; k < trace_.records[t].top.size(); ++k) {
                ids[t * listed + k] = trace_.records[t].top[k].id;
                logprobs[t * listed + k] = trace_.records[t].top[k].logprob;
            }
        const std::vector<std::int64_t> shape{count(), static_cast<std::int64_t>(listed)};
        add(layout::kTopIds, DType::Int32, shape, ids);
        add(layout::kTopLogprobs, DType::Float32, shape, logprobs);
    }

    void widths(const char* name, std::vector<std::int32_t> TokenRecord::*member)
    {
        const auto layers = static_cast<std::size_t>(trace_.layers);
        std::vector<std::int32_t> values(layers * trace_.records.size(), -1);
        for (std::size_t t = 0; t < trace_.records.size(); ++t)
            std::copy((trace_.records[t].*member).begin(), (trace_.records[t].*member).end(),
                      values.begin() + static_cast<std::ptrdiff_t>(t * layers));
        add(name, DType::Int32, {count(), trace_.layers}, values);
    }

    /// Rows that a token may lack; the array is left out when all do.
    void rows(const char* name, std::vector<float> TokenRecord::*member, std::vector<std::int64_t> shape)
    {
        std::size_t width = 1;
        for (const std::int64_t size : shape) width *= static_cast<std::size_t>(size);
        std::vector<float> values(width * trace_.records.size(), kNone);
        bool any = false;
        for (std::size_t t = 0; t < trace_.records.size(); ++t) {
            const std::vector<float>& row = trace_.records[t].*member;
            if (row.empty()) continue;
            if (row.size() != width)
                broken(t, std::string(name) + " has " + std::to_string(row.size()) + " numbers, expected " +
                              std::to_string(width));
            std::copy(row.begin(), row.end(), values.begin() + static_cast<std::ptrdiff_t>(t * width));
            any = true;
        }
        shape.insert(shape.begin(), count());
        if (any) add(name, DType::Float32, std::move(shape), values);
    }

    void text()
    {
        std::vector<std::int64_t> spans;
        std::vector<char> bytes;
        for (const TokenRecord& record : trace_.records) {
            spans.push_back(static_cast<std::int64_t>(bytes.size()));
            bytes.insert(bytes.end(), record.bytes.begin(), record.bytes.end());
            spans.push_back(static_cast<std::int64_t>(bytes.size()));
        }
        add(layout::kByteSpans, DType::Int64, {count(), 2}, spans);
        add(layout::kBytes, DType::UInt8, {static_cast<std::int64_t>(bytes.size())}, bytes);
    }

    const Trace& trace_;
    std::size_t pane_;
    std::vector<Array> arrays_;
};

Json describePane(const Trace& trace)
{
    const SamplerSettings& sampler = trace.sampler;
    return {{"label", trace.label},
            {"subnet", trace.subnet},
            {"routing", trace.routing},
            {"budget", trace.budget},
            {"overrides", trace.overrides},
            {"mlp_int_list", trace.choices.mlp_int_list},
            {"head_int_list", trace.choices.head_int_list},
            {"layers", trace.layers},
            {"full_heads", trace.full_heads},
            {"full_mlp", trace.full_mlp},
            {"model", trace.model},
            {"model_hash", trace.model_hash},
            {"backend", trace.backend},
            {"latency_table", trace.latency_table},
            {"sampler",
             {{"temperature", sampler.temperature},
              {"top_k", sampler.top_k},
              {"top_p", sampler.top_p},
              {"min_p", sampler.min_p},
              {"repeat_penalty", sampler.repeat_penalty},
              {"seed", sampler.seed}}},
            {"command", trace.command},
            {"stop_reason", trace.stop_reason}};
}

} // namespace

Result<void> writeTraces(const std::filesystem::path& file, const std::vector<Trace>& traces)
{
    return guarded([&] {
        Json metadata = {{"schema_version", Trace::kSchemaVersion}, {"panes", Json::array()}};
        std::vector<Array> arrays;
        for (std::size_t pane = 0; pane < traces.size(); ++pane) {
            metadata["panes"].push_back(describePane(traces[pane]));
            for (Array& array : PaneArrays(traces[pane], pane).take()) arrays.push_back(std::move(array));
        }
        std::vector<NamedTensor> tensors;
        for (const Array& array : arrays) tensors.push_back({array.name, {array.dtype, array.shape, array.bytes}});
        // A label or a command may hold anything the user typed: what is no UTF-8 becomes U+FFFD.
        const std::string text = metadata.dump(-1, ' ', false, Json::error_handler_t::replace);
        writeSafetensors(file, tensors, {{layout::kMetadataKey, text}}).orThrow();
    });
}

} // namespace flextron
