#include "engine/compute/reference_weights_p.h"

#include <ATen/ops/from_blob.h>

#include <cstring>

#include "engine/compute/rope_p.h"

namespace flextron {
namespace {

at::ScalarType torchType(DType dtype, const std::string& name)
{
    switch (dtype) {
    case DType::Float32: return at::kFloat;
    case DType::Float16: return at::kHalf;
    case DType::BFloat16: return at::kBFloat16;
    case DType::Float64: return at::kDouble;
    default:
        throw Failure(ErrorCode::Unsupported,
                      "tensor " + name + " is of type " + std::string(safetensorsName(dtype)) +
                          "; weights must be floating point",
                      "quantised checkpoints are not supported: use the float16, bfloat16 or float32 one");
    }
}

/// Reads tensors by Hugging Face's names into the compute type, counting bytes on the way.
class TensorReader {
public:
    TensorReader(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype, const ProgressFn& progress,
                 const CancelToken& cancel)
        : checkpoint_(checkpoint)
        , device_(device)
        , dtype_(dtype)
        , progress_(progress)
        , cancel_(cancel)
    {
    }

    at::Tensor read(const std::string& name)
    {
        cancel_.throwIfCancelled();
        const TensorView& view = checkpoint_.tensor(name);
        // from_blob asks for a mutable pointer but nothing below writes through it: the next line copies.
        const at::Tensor mapped = at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape,
                                                at::TensorOptions().dtype(torchType(view.dtype, name)));
        // A copy of our own even where the type fits: a file that is cut short while it is mapped would kill the
        // process.
        at::Tensor tensor = mapped.to(at::TensorOptions().device(device_).dtype(dtype_), /*non_blocking=*/false,
                                      /*copy=*/true);
        refuseNonFinite(tensor, name);
        done_ += view.bytes.size();
        if (progress_) progress_({"reading weights", done_, static_cast<std::uint64_t>(checkpoint_.bytes()), "bytes"});
        return tensor;
    }
    at::Tensor readIf(bool wanted, const std::string& name) { return wanted ? read(name) : at::Tensor(); }
    /// GPT-2's Conv1D weights are stored [in, out].
    at::Tensor readTransposed(const std::string& name) { return read(name).t().contiguous(); }

private:
    void refuseNonFinite(const at::Tensor& tensor, const std::string& name) const
    {
        const auto [least, most] = at::aminmax(tensor.flatten()); // both NaN when one element is
        if (std::isfinite(least.item<double>()) && std::isfinite(most.item<double>())) return;
        throw Failure(ErrorCode::Corrupt,
                      checkpoint_.folder().string() + ": tensor " + name +
                          " has values that are not finite (NaN or infinite)",
                      "the file is damaged or its training diverged: fetch it again or use an earlier checkpoint");
    }

    const Checkpoint& checkpoint_;
    at::Device device_;
    at::ScalarType dtype_;
    const ProgressFn& progress_;
    const CancelToken& cancel_;
    std::uint64_t done_ = 0;
};

ReferenceLayer readLlamaLayer(TensorReader& reader, const ModelConfig& config, int index)
{
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    ReferenceLayer layer;
    layer.sizes = config.layers[static_cast<std::size_t>(index)];
    const std::string attention = prefix + "self_attn.";
    if (layer.sizes.num_attention_heads > 0) { // a sub-block of width 0 has no tensors, its norm included
        layer.attention_norm = reader.read(prefix + "input_layernorm.weight");
        const bool bias = config.attention_qkv_bias;
        layer.q = reader.read(attention + "q_proj.weight");
        layer.k = reader.read(attention + "k_proj.weight");
        layer.v = reader.read(attention + "v_proj.weight");
        layer.o = reader.read(attention + "o_proj.weight");
        layer.q_bias = reader.readIf(bias, attention + "q_proj.bias");
        layer.k_bias = reader.readIf(bias, attention + "k_proj.bias");
        layer.v_bias = reader.readIf(bias, attention + "v_proj.bias");
        layer.o_bias = reader.readIf(config.attention_output_bias, attention + "o_proj.bias");
    }
    const std::string mlp = prefix + "mlp.";
    if (layer.sizes.intermediate_size > 0) {
        layer.mlp_norm = reader.read(prefix + "post_attention_layernorm.weight");
        layer.gate = reader.read(mlp + "gate_proj.weight");
        layer.up = reader.read(mlp + "up_proj.weight");
        layer.down = reader.read(mlp + "down_proj.weight");
        layer.gate_bias = reader.readIf(config.mlp_bias, mlp + "gate_proj.bias");
        layer.up_bias = reader.readIf(config.mlp_bias, mlp + "up_proj.bias");
        layer.down_bias = reader.readIf(config.mlp_bias, mlp + "down_proj.bias");
    }
    return layer;
}

ReferenceLayer readGptLayer(TensorReader& reader, const ModelConfig& config, int index)
{
    const std::string prefix = "transformer.h." + std::to_string(index) + ".";
    ReferenceLayer layer;
    layer.sizes = config.layers[static_cast<std::size_t>(index)];
    if (layer.sizes.num_attention_heads > 0) {
        layer.attention_norm = reader.read(prefix + "ln_1.weight");
        layer.attention_norm_bias = reader.read(prefix + "ln_1.bias");
        const at::Tensor fused = reader.readTransposed(prefix + "attn.c_attn.weight"); // [3 * H*dh, d]
        const at::Tensor fused_bias = reader.read(prefix + "attn.c_attn.bias");        // [3 * H*dh]
        const auto parts = fused.chunk(3);
        const auto bias_parts = fused_bias.chunk(3);
        layer.q = parts[0].clone();
        layer.k = parts[1].clone();
        layer.v = parts[2].clone();
        layer.q_bias = bias_parts[0].clone();
        layer.k_bias = bias_parts[1].clone();
        layer.v_bias = bias_parts[2].clone();
        layer.o = reader.readTransposed(prefix + "attn.c_proj.weight");
        layer.o_bias = reader.read(prefix + "attn.c_proj.bias");
    }
    if (layer.sizes.intermediate_size > 0) {
        layer.mlp_norm = reader.read(prefix + "ln_2.weight");
        layer.mlp_norm_bias = reader.read(prefix + "ln_2.bias");
        layer.up = reader.readTransposed(prefix + "mlp.c_fc.weight");
        layer.up_bias = reader.read(prefix + "mlp.c_fc.bias");
        layer.down = reader.readTransposed(prefix + "mlp.c_proj.weight");
        layer.down_bias = reader.read(prefix + "mlp.c_proj.bias");
    }
    return layer;
}

} // namespace

std::string_view typeName(at::ScalarType type)
{
    switch (type) {
    case at::kFloat: return "float32";
    case at::kHalf: return "float16";
    case at::kBFloat16: return "bfloat16";
    case at::kDouble: return "float64";
    default: return c10::toString(type);
    }
}

at::Device placeOf(const Device& device)
{
    return device.cuda ? at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device.index)) : at::Device(at::kCPU);
}

std::vector<at::Tensor> ReferenceWeights::parameters() const
{
    std::vector<at::Tensor> all{embedding, positions, final_norm, final_norm_bias};
    if (!head.is_same(embedding)) all.push_back(head);
    for (const ReferenceLayer& layer : layers)
        all.insert(all.end(),
                   {layer.attention_norm, layer.attention_norm_bias, layer.q, layer.q_bias, layer.k, layer.k_bias,
                    layer.v, layer.v_bias, layer.o, layer.o_bias, layer.mlp_norm, layer.mlp_norm_bias, layer.gate,
                    layer.gate_bias, layer.up, layer.up_bias, layer.down, layer.down_bias});
    std::erase_if(all, [](const at::Tensor& tensor) { return !tensor.defined(); });
    return all;
}

std::int64_t ReferenceWeights::bytes() const
{
    std::int64_t sum = 0;
    for (const at::Tensor& tensor : parameters()) sum += static_cast<std::int64_t>(tensor.nbytes());
    return sum;
}

ReferenceWeights loadReferenceWeights(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                                      const ProgressFn& progress, const CancelToken& cancel)
{
    const ModelConfig& config = checkpoint.config();
    TensorReader reader(checkpoint, device, dtype, progress, cancel);
    ReferenceWeights weights;
    weights.config = config;
    const bool gpt = config.isGpt();
    weights.embedding = reader.read(gpt ? "transformer.wte.weight" : "model.embed_tokens.weight");
    weights.positions = reader.readIf(gpt, "transformer.wpe.weight");
    for (int i = 0; i < config.numLayers(); ++i)
        weights.layers.push_back(gpt ? readGptLayer(reader, config, i) : readLlamaLayer(reader, config, i));
    weights.final_norm = reader.read(gpt ? "transformer.ln_f.weight" : "model.norm.weight");
    weights.final_norm_bias = reader.readIf(gpt, "transformer.ln_f.bias");
    weights.head = config.tie_word_embeddings ? weights.embedding : reader.read("lm_head.weight");
    if (!gpt) weights.rope_frequencies = at::tensor(ropeFrequencies(config), at::kDouble).to(device);
    return weights;
}

} // namespace flextron
