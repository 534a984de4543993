#include "engine/cuda/cuda_pack_p.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "engine/base/half.h"
#include "engine/compute/rope_p.h"
#include "engine/model/tensor.h"

namespace flextron {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{16} << 20; ///< sent at a time

std::int64_t padded(std::int64_t inputs)
{
    return (inputs + 7) / 8 * 8;
}

/// A matrix [out, in] inside a tensor, whichever way the file stores it.
struct Source {
    DType dtype = DType::Float32;
    const std::byte* bytes = nullptr; // not necessarily aligned
    std::size_t out_stride = 0;       // elements
    std::size_t in_stride = 0;
    int outs = 0;
    int ins = 0;

    [[nodiscard]] Source rowsFrom(int first, int count) const
    {
        Source part = *this;
        part.bytes += static_cast<std::size_t>(first) * out_stride * sizeOf(dtype);
        part.outs = count;
        return part;
    }
};

template <class T> T elementAt(const Source& source, std::size_t out, std::size_t in)
{
    T value;
    std::memcpy(&value, source.bytes + (out * source.out_stride + in * source.in_stride) * sizeof value, sizeof value);
    return value;
}

float valueAt(const Source& source, std::size_t out, std::size_t in)
{
    switch (source.dtype) {
    case DType::Float16: return float16ToFloat(elementAt<std::uint16_t>(source, out, in));
    case DType::BFloat16: return bfloat16ToFloat(elementAt<std::uint16_t>(source, out, in));
    case DType::Float64: return static_cast<float>(elementAt<double>(source, out, in));
    default: return elementAt<float>(source, out, in);
    }
}

/// One output's inputs, then zeros up to the padding. False when a weight does not fit the type.
bool convertRow(const Source& source, std::size_t out, WeightType type, std::byte* to)
{
    const auto ins = static_cast<std::size_t>(source.ins), stride = static_cast<std::size_t>(padded(source.ins));
    bool fits = true;
    if (type == WeightType::Float32) {
        auto* row = reinterpret_cast<float*>(to);
        for (std::size_t i = 0; i < ins; ++i) row[i] = valueAt(source, out, i);
        std::fill(row + ins, row + stride, 0.0f);
        return fits;
    }
    auto* row = reinterpret_cast<std::uint16_t*>(to);
    for (std::size_t i = 0; i < ins; ++i) {
        const float value = valueAt(source, out, i);
        row[i] = type == WeightType::BFloat16 ? floatToBfloat16(value) : floatToFloat16(value);
        const std::uint16_t exponent = type == WeightType::BFloat16 ? 0x7f80 : 0x7c00;
        fits = fits && (row[i] & exponent) != exponent;
    }
    std::fill(row + ins, row + stride, std::uint16_t{0});
    return fits;
}

class Uploader {
public:
    Uploader(const Checkpoint& checkpoint, const CudaModel& model, const ProgressFn& progress,
             const CancelToken& cancel)
        : checkpoint_(checkpoint)
        , config_(checkpoint.config())
        , model_(model)
        , progress_(progress)
        , cancel_(cancel)
    {
    }

    void run()
    {
        const bool gpt = config_.isGpt();
        sendMatrix(FLEXTRON_CUDA_EMBEDDING, matrix(gpt ? "transformer.wte.weight" : "model.embed_tokens.weight"));
        if (!config_.tie_word_embeddings) sendMatrix(FLEXTRON_CUDA_HEAD, matrix("lm_head.weight"));
        if (gpt) sendMatrix(FLEXTRON_CUDA_POSITIONS, matrix("transformer.wpe.weight"));
        sendFloats(FLEXTRON_CUDA_FINAL_NORM, vector(gpt ? "transformer.ln_f.weight" : "model.norm.weight"));
        if (gpt) sendFloats(FLEXTRON_CUDA_FINAL_NORM_BIAS, vector("transformer.ln_f.bias"));
        if (!gpt) {
            const std::vector<double> frequencies = ropeFrequencies(config_);
            send(FLEXTRON_CUDA_FREQUENCIES, 0, std::as_bytes(std::span(frequencies)));
        }
        for (layer_ = 0; layer_ < config_.numLayers(); ++layer_) {
            prefix_ = (gpt ? "transformer.h." : "model.layers.") + std::to_string(layer_) + ".";
            const LayerSizes& sizes = config_.layers[static_cast<std::size_t>(layer_)];
            if (sizes.num_key_value_heads > 0) sendAttention(sizes);
            if (sizes.intermediate_size > 0) sendMlp(sizes);
        }
    }

private:
    const TensorView& open(const std::string& name)
    {
        cancel_.throwIfCancelled();
        const TensorView& view = checkpoint_.tensor(name);
        if (view.dtype != DType::Float32 && view.dtype != DType::Float16 && view.dtype != DType::BFloat16 &&
            view.dtype != DType::Float64)
            throw Failure(ErrorCode::Unsupported,
                          "tensor " + name + " is of type " + std::string(safetensorsName(view.dtype)) +
                              "; weights must be floating point",
                          "quantised checkpoints are not supported: use the float16, bfloat16 or float32 one");
        if (const auto finite = checkFinite(view, name); !finite) {
            Error error = finite.error();
            error.message = checkpoint_.folder().string() + ": " + error.message;
            throw Failure(std::move(error));
        }
        current_ = name;
        done_ += view.bytes.size();
        if (progress_) progress_({"reading weights", done_, static_cast<std::uint64_t>(checkpoint_.bytes()), "bytes"});
        return view;
    }

    std::vector<float> vector(const std::string& name) { return toFloat(open(name)); }

    /// [out, in]; the matrices of GPT-2's layers are stored [in, out].
    Source matrix(const std::string& name)
    {
        const TensorView& view = open(name);
        const auto rows = static_cast<int>(view.shape.at(0)), columns = static_cast<int>(view.shape.at(1));
        const auto stride = static_cast<std::size_t>(columns);
        if (config_.isGpt() && name.find(".h.") != std::string::npos)
            return {view.dtype, view.bytes.data(), 1, stride, columns, rows};
        return {view.dtype, view.bytes.data(), stride, 1, rows, columns};
    }

    void send(FlextronCudaTensor tensor, std::uint64_t offset, std::span<const std::byte> bytes)
    {
        model_.call(model_.plugin().upload, static_cast<std::int32_t>(tensor), layer_, offset,
                    static_cast<const void*>(bytes.data()), static_cast<std::uint64_t>(bytes.size()));
    }
    void sendFloats(FlextronCudaTensor tensor, std::span<const float> values)
    {
        send(tensor, 0, std::as_bytes(values));
    }
    void sendFloatsIf(bool wanted, FlextronCudaTensor tensor, const std::string& name)
    {
        if (wanted) sendFloats(tensor, vector(name));
    }

    void sendMatrix(FlextronCudaTensor tensor, const Source& source)
    {
        const Source sources[] = {source};
        sendMatrices(tensor, sources);
    }

    /// Rows of the sources in turn: row 0 of each, row 1 of each, ...
    void sendMatrices(FlextronCudaTensor tensor, std::span<const Source> sources)
    {
        const std::size_t row_bytes = static_cast<std::size_t>(padded(sources[0].ins)) *
                                      static_cast<std::size_t>(model_.weightBytes());
        const std::size_t rows = static_cast<std::size_t>(sources[0].outs) * sources.size();
        const std::size_t at_once = std::clamp<std::size_t>(kPieceBytes / row_bytes, 1, rows);
        piece_.resize(at_once * row_bytes);
        for (std::size_t begin = 0; begin < rows; begin += at_once) {
            const std::size_t count = std::min(at_once, rows - begin);
            for (std::size_t i = 0; i < count; ++i)
                if (!convertRow(sources[(begin + i) % sources.size()], (begin + i) / sources.size(), model_.type(),
                                piece_.data() + i * row_bytes))
                    throw Failure(ErrorCode::InvalidArgument,
                                  checkpoint_.folder().string() + ": tensor " + current_ +
                                      " has values too large for the chosen type of weights",
                                  "choose --weights f32 or bf16");
            send(tensor, begin * row_bytes, std::span(piece_).first(count * row_bytes));
            cancel_.throwIfCancelled();
        }
    }

    void sendAttention(const LayerSizes& sizes)
    {
        const bool gpt = config_.isGpt();
        sendFloats(FLEXTRON_CUDA_ATTENTION_NORM, vector(prefix_ + (gpt ? "ln_1.weight" : "input_layernorm.weight")));
        sendFloatsIf(gpt, FLEXTRON_CUDA_ATTENTION_NORM_BIAS, prefix_ + "ln_1.bias");
        if (gpt) return sendFusedAttention(sizes.num_attention_heads * config_.head_dim);
        const std::string attention = prefix_ + "self_attn.";
        const bool bias = config_.attention_qkv_bias;
        sendMatrix(FLEXTRON_CUDA_QUERIES, matrix(attention + "q_proj.weight"));
        sendMatrix(FLEXTRON_CUDA_KEYS, matrix(attention + "k_proj.weight"));
        sendMatrix(FLEXTRON_CUDA_VALUES, matrix(attention + "v_proj.weight"));
        sendMatrix(FLEXTRON_CUDA_OUTPUT, matrix(attention + "o_proj.weight"));
        sendFloatsIf(bias, FLEXTRON_CUDA_QUERY_BIAS, attention + "q_proj.bias");
        sendFloatsIf(bias, FLEXTRON_CUDA_KEY_BIAS, attention + "k_proj.bias");
        sendFloatsIf(bias, FLEXTRON_CUDA_VALUE_BIAS, attention + "v_proj.bias");
        sendFloatsIf(config_.attention_output_bias, FLEXTRON_CUDA_OUTPUT_BIAS, attention + "o_proj.bias");
    }

    /// GPT-2's c_attn: the `rows` queries, then as many keys, then as many values.
    void sendFusedAttention(int rows)
    {
        const Source fused = matrix(prefix_ + "attn.c_attn.weight");
        const std::vector<float> bias = vector(prefix_ + "attn.c_attn.bias");
        const FlextronCudaTensor weights[] = {FLEXTRON_CUDA_QUERIES, FLEXTRON_CUDA_KEYS, FLEXTRON_CUDA_VALUES};
        const FlextronCudaTensor biases[] = {FLEXTRON_CUDA_QUERY_BIAS, FLEXTRON_CUDA_KEY_BIAS,
                                             FLEXTRON_CUDA_VALUE_BIAS};
        for (int part = 0; part < 3; ++part) {
            sendMatrix(weights[part], fused.rowsFrom(part * rows, rows));
            sendFloats(biases[part],
                       std::span(bias).subspan(static_cast<std::size_t>(part * rows), static_cast<std::size_t>(rows)));
        }
        sendMatrix(FLEXTRON_CUDA_OUTPUT, matrix(prefix_ + "attn.c_proj.weight"));
        sendFloats(FLEXTRON_CUDA_OUTPUT_BIAS, vector(prefix_ + "attn.c_proj.bias"));
    }

    void sendMlp(const LayerSizes& sizes)
    {
        const bool gpt = config_.isGpt(), bias = gpt || config_.mlp_bias;
        const std::string mlp = prefix_ + "mlp.";
        sendFloats(FLEXTRON_CUDA_MLP_NORM, vector(prefix_ + (gpt ? "ln_2.weight" : "post_attention_layernorm.weight")));
        sendFloatsIf(gpt, FLEXTRON_CUDA_MLP_NORM_BIAS, prefix_ + "ln_2.bias");
        const Source up = matrix(mlp + (gpt ? "c_fc.weight" : "up_proj.weight"));
        std::vector<Source> parts{up};
        if (config_.gatedMlp()) parts.push_back(matrix(mlp + "gate_proj.weight"));
        sendMatrices(FLEXTRON_CUDA_UP_GATE, parts);
        if (bias) {
            const std::vector<float> up_bias = vector(mlp + (gpt ? "c_fc.bias" : "up_proj.bias"));
            std::vector<float> both = up_bias;
            if (config_.gatedMlp()) {
                const std::vector<float> gate_bias = vector(mlp + "gate_proj.bias");
                both.resize(2 * static_cast<std::size_t>(sizes.intermediate_size));
                for (std::size_t n = 0; n < up_bias.size(); ++n) {
                    both[2 * n] = up_bias[n];
                    both[2 * n + 1] = gate_bias[n];
                }
            }
            sendFloats(FLEXTRON_CUDA_UP_GATE_BIAS, both);
        }
        sendMatrix(FLEXTRON_CUDA_DOWN, matrix(mlp + (gpt ? "c_proj.weight" : "down_proj.weight")));
        sendFloatsIf(bias, FLEXTRON_CUDA_DOWN_BIAS, mlp + (gpt ? "c_proj.bias" : "down_proj.bias"));
    }

    const Checkpoint& checkpoint_;
    const ModelConfig& config_;
    const CudaModel& model_;
    const ProgressFn& progress_;
    const CancelToken& cancel_;
    std::vector<std::byte> piece_;
    int layer_ = 0;
    std::string prefix_;  // of the layer's tensors
    std::string current_; // the tensor last opened
    std::uint64_t done_ = 0;
};

} // namespace

std::int64_t cudaWeightBytes(const ModelConfig& config, WeightType type)
{
    const std::int64_t d = config.hidden_size, stride = padded(d), dh = config.head_dim;
    std::int64_t weights = config.vocab_size * stride * (config.tie_word_embeddings ? 1 : 2);
    if (config.isGpt()) weights += config.max_position_embeddings * stride;
    std::int64_t floats = 2 * d;
    for (const LayerSizes& layer : config.layers) {
        const std::int64_t heads = layer.num_attention_heads, groups = layer.num_key_value_heads;
        const std::int64_t neurons = layer.intermediate_size;
        weights += (heads + 2 * groups) * dh * stride + d * padded(heads * dh);
        weights += neurons * (config.gatedMlp() ? 2 : 1) * stride + d * padded(neurons);
        floats += 6 * d + (heads + 2 * groups) * dh + 2 * neurons; // norms and biases, where there are any
    }
    return weights * (type == WeightType::Float32 ? 4 : 2) + floats * static_cast<std::int64_t>(sizeof(float));
}

void uploadWeights(const Checkpoint& checkpoint, const CudaModel& model, const ProgressFn& progress,
                   const CancelToken& cancel)
{
    Uploader(checkpoint, model, progress, cancel).run();
}

} // namespace flextron
