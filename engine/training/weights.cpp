#include "engine/training/weights_p.h"

#include <ATen/CPUGeneratorImpl.h>

#include <array>
#include <cmath>
#include <cstring>

#include "engine/compute/rope_p.h"

namespace flextron {
namespace {

struct LayerTensor {
    const char* name;
    at::Tensor ReferenceLayer::*member;
};

constexpr std::array<LayerTensor, 18> kLayerTensors{{
    {"attention_norm", &ReferenceLayer::attention_norm},
    {"attention_norm_bias", &ReferenceLayer::attention_norm_bias},
    {"q", &ReferenceLayer::q},
    {"q_bias", &ReferenceLayer::q_bias},
    {"k", &ReferenceLayer::k},
    {"k_bias", &ReferenceLayer::k_bias},
    {"v", &ReferenceLayer::v},
    {"v_bias", &ReferenceLayer::v_bias},
    {"o", &ReferenceLayer::o},
    {"o_bias", &ReferenceLayer::o_bias},
    {"mlp_norm", &ReferenceLayer::mlp_norm},
    {"mlp_norm_bias", &ReferenceLayer::mlp_norm_bias},
    {"gate", &ReferenceLayer::gate},
    {"gate_bias", &ReferenceLayer::gate_bias},
    {"up", &ReferenceLayer::up},
    {"up_bias", &ReferenceLayer::up_bias},
    {"down", &ReferenceLayer::down},
    {"down_bias", &ReferenceLayer::down_bias},
}};

constexpr double kDeviation = 0.02;

class Initialiser {
public:
    explicit Initialiser(std::uint64_t seed) : generator_(at::detail::createCPUGenerator(seed)) {}
    at::Tensor normal(at::IntArrayRef shape, double deviation)
    {
        return at::normal(0.0, deviation, shape, generator_, at::TensorOptions().dtype(at::kFloat));
    }
    static at::Tensor zerosIf(bool wanted, std::int64_t size) { return wanted ? at::zeros({size}) : at::Tensor(); }

    ReferenceLayer layer(const ModelConfig& config, const LayerSizes& sizes)
    {
        const std::int64_t d = config.hidden_size;
        const std::int64_t q_rows = std::int64_t{sizes.num_attention_heads} * config.head_dim;
        const std::int64_t kv_rows = std::int64_t{sizes.num_key_value_heads} * config.head_dim;
        const bool gpt = config.isGpt();
        // Each layer adds two terms to the residual stream: scaled so, their sum keeps its variance (GPT-2).
        const double into_residual = gpt ? kDeviation / std::sqrt(2.0 * config.numLayers()) : kDeviation;
        ReferenceLayer layer;
        layer.sizes = sizes;
        if (q_rows > 0) {
            layer.attention_norm = at::ones({d});
            layer.attention_norm_bias = zerosIf(gpt, d);
            layer.q = normal({q_rows, d}, kDeviation);
            layer.k = normal({kv_rows, d}, kDeviation);
            layer.v = normal({kv_rows, d}, kDeviation);
            layer.o = normal({d, q_rows}, into_residual);
            const bool bias = gpt || config.attention_qkv_bias;
            layer.q_bias = zerosIf(bias, q_rows);
            layer.k_bias = zerosIf(bias, kv_rows);
            layer.v_bias = zerosIf(bias, kv_rows);
            layer.o_bias = zerosIf(gpt || config.attention_output_bias, d);
        }
        if (const std::int64_t m = sizes.intermediate_size; m > 0) {
            layer.mlp_norm = at::ones({d});
            layer.mlp_norm_bias = zerosIf(gpt, d);
            if (config.gatedMlp()) layer.gate = normal({m, d}, kDeviation);
            layer.up = normal({m, d}, kDeviation);
            layer.down = normal({d, m}, into_residual);
            const bool bias = gpt || config.mlp_bias;
            layer.gate_bias = zerosIf(config.gatedMlp() && bias, m);
            layer.up_bias = zerosIf(bias, m);
            layer.down_bias = zerosIf(bias, d);
        }
        return layer;
    }

private:
    at::Generator generator_;
};

/// Gathers tensors by name, in the type of the file; keeps them alive.
class Exporter {
public:
    Exporter(const ModelConfig& config, DType dtype)
        : dtype_(dtype)
        , tensors_(std::make_shared<std::vector<at::Tensor>>())
    {
        contents_.config = config;
        contents_.dtype = dtype;
    }

    void add(const std::string& name, const at::Tensor& tensor)
    {
        if (!tensor.defined()) return;
        const at::Tensor converted = tensor.detach().to(at::kCPU, scalarType(dtype_)).contiguous();
        if (!at::isfinite(converted).all().item<bool>())
            throw Failure(ErrorCode::InvalidArgument,
                          "tensor " + name + " has values that " + std::string(torchName(dtype_)) + " cannot hold",
                          "write the checkpoint as float32 or bfloat16");
        tensors_->push_back(converted);
        contents_.tensors.push_back({name, viewOf(converted)});
    }

    CheckpointContents finish()
    {
        contents_.storage = tensors_;
        return std::move(contents_);
    }

private:
    DType dtype_;
    std::shared_ptr<std::vector<at::Tensor>> tensors_;
    CheckpointContents contents_;
};

void exportLlamaLayer(Exporter& to, const ReferenceLayer& layer, const std::string& prefix)
{
    to.add(prefix + "input_layernorm.weight", layer.attention_norm);
    to.add(prefix + "self_attn.q_proj.weight", layer.q);
    to.add(prefix + "self_attn.k_proj.weight", layer.k);
    to.add(prefix + "self_attn.v_proj.weight", layer.v);
    to.add(prefix + "self_attn.o_proj.weight", layer.o);
    to.add(prefix + "self_attn.q_proj.bias", layer.q_bias);
    to.add(prefix + "self_attn.k_proj.bias", layer.k_bias);
    to.add(prefix + "self_attn.v_proj.bias", layer.v_bias);
    to.add(prefix + "self_attn.o_proj.bias", layer.o_bias);
    to.add(prefix + "post_attention_layernorm.weight", layer.mlp_norm);
    to.add(prefix + "mlp.gate_proj.weight", layer.gate);
    to.add(prefix + "mlp.up_proj.weight", layer.up);
    to.add(prefix + "mlp.down_proj.weight", layer.down);
    to.add(prefix + "mlp.gate_proj.bias", layer.gate_bias);
    to.add(prefix + "mlp.up_proj.bias", layer.up_bias);
    to.add(prefix + "mlp.down_proj.bias", layer.down_bias);
}

/// Conv1D weights are stored [in, out], and q, k, v side by side.
void exportGptLayer(Exporter& to, const ReferenceLayer& layer, const std::string& prefix)
{
    if (layer.q.defined()) {
        to.add(prefix + "ln_1.weight", layer.attention_norm);
        to.add(prefix + "ln_1.bias", layer.attention_norm_bias);
        to.add(prefix + "attn.c_attn.weight", at::cat({layer.q, layer.k, layer.v}).t());
        to.add(prefix + "attn.c_attn.bias", at::cat({layer.q_bias, layer.k_bias, layer.v_bias}));
        to.add(prefix + "attn.c_proj.weight", layer.o.t());
        to.add(prefix + "attn.c_proj.bias", layer.o_bias);
    }
    if (layer.up.defined()) {
        to.add(prefix + "ln_2.weight", layer.mlp_norm);
        to.add(prefix + "ln_2.bias", layer.mlp_norm_bias);
        to.add(prefix + "mlp.c_fc.weight", layer.up.t());
        to.add(prefix + "mlp.c_fc.bias", layer.up_bias);
        to.add(prefix + "mlp.c_proj.weight", layer.down.t());
        to.add(prefix + "mlp.c_proj.bias", layer.down_bias);
    }
}

/// Drawn on the CPU wherever the model is: the same weights on every device.
void moveTo(ReferenceWeights& weights, at::Device place)
{
    const auto move = [&](at::Tensor& tensor) {
        if (tensor.defined()) tensor = tensor.to(place);
    };
    for (at::Tensor* tensor : {&weights.embedding, &weights.positions, &weights.final_norm, &weights.final_norm_bias,
                               &weights.head, &weights.rope_frequencies})
        move(*tensor);
    for (ReferenceLayer& layer : weights.layers)
        for (const LayerTensor& entry : kLayerTensors) move(layer.*entry.member);
    if (weights.config.tie_word_embeddings) weights.head = weights.embedding;
}

} // namespace

ReferenceWeights randomWeights(const ModelConfig& config, std::uint64_t seed, at::Device place)
{
    Initialiser random(seed);
    const std::int64_t d = config.hidden_size;
    ReferenceWeights weights;
    weights.config = config;
    weights.embedding = random.normal({config.vocab_size, d}, kDeviation);
    if (config.isGpt()) weights.positions = random.normal({config.max_position_embeddings, d}, kDeviation);
    for (const LayerSizes& sizes : config.layers) weights.layers.push_back(random.layer(config, sizes));
    weights.final_norm = at::ones({d});
    weights.final_norm_bias = Initialiser::zerosIf(config.isGpt(), d);
    if (!config.tie_word_embeddings) weights.head = random.normal({config.vocab_size, d}, kDeviation);
    if (!config.isGpt()) weights.rope_frequencies = at::tensor(ropeFrequencies(config), at::kDouble);
    moveTo(weights, place);
    return weights;
}

std::vector<TrainedTensor> trainedTensors(const ReferenceWeights& weights, double rate)
{
    std::vector<TrainedTensor> all;
    const auto add = [&](const std::string& name, const at::Tensor& tensor) {
        if (tensor.defined()) all.push_back({name, tensor, /*decays=*/tensor.dim() >= 2, rate});
    };
    add("embedding", weights.embedding);
    add("positions", weights.positions);
    for (std::size_t l = 0; l < weights.layers.size(); ++l)
        for (const LayerTensor& entry : kLayerTensors)
            add("layers." + std::to_string(l) + "." + entry.name, weights.layers[l].*entry.member);
    add("final_norm", weights.final_norm);
    add("final_norm_bias", weights.final_norm_bias);
    if (!weights.head.is_same(weights.embedding)) add("head", weights.head);
    return all;
}

void setTrainable(const ReferenceWeights& weights, bool trainable)
{
    for (const at::Tensor& tensor : weights.parameters()) tensor.set_requires_grad(trainable);
}

CheckpointContents checkpointContents(const ReferenceWeights& weights, DType dtype)
{
    const bool gpt = weights.config.isGpt();
    Exporter exporter(weights.config, dtype);
    exporter.add(gpt ? "transformer.wte.weight" : "model.embed_tokens.weight", weights.embedding);
    exporter.add("transformer.wpe.weight", weights.positions);
    for (std::size_t l = 0; l < weights.layers.size(); ++l) {
        const std::string index = std::to_string(l) + ".";
        if (gpt) exportGptLayer(exporter, weights.layers[l], "transformer.h." + index);
        else exportLlamaLayer(exporter, weights.layers[l], "model.layers." + index);
    }
    exporter.add(gpt ? "transformer.ln_f.weight" : "model.norm.weight", weights.final_norm);
    exporter.add("transformer.ln_f.bias", weights.final_norm_bias);
    if (!weights.config.tie_word_embeddings) exporter.add("lm_head.weight", weights.head);
    return exporter.finish();
}

at::ScalarType scalarType(DType dtype)
{
    switch (dtype) {
    case DType::Float32: return at::kFloat;
    case DType::Float16: return at::kHalf;
    case DType::BFloat16: return at::kBFloat16;
    case DType::Float64: return at::kDouble;
    case DType::Int64: return at::kLong;
    case DType::Int32: return at::kInt;
    default: break;
    }
    throw Failure(ErrorCode::Unsupported,
                  "tensors of type " + std::string(safetensorsName(dtype)) + " have no place in training");
}

TensorView viewOf(const at::Tensor& tensor)
{
    for (const DType dtype :
         {DType::Float32, DType::Float16, DType::BFloat16, DType::Float64, DType::Int64, DType::Int32})
        if (scalarType(dtype) == tensor.scalar_type())
            return {
                dtype, tensor.sizes().vec(), {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
    throw Failure(ErrorCode::Internal, "a tensor of a type that no file holds");
}

at::Tensor copyOf(const TensorView& view)
{
    at::Tensor tensor = at::empty(view.shape, at::TensorOptions().dtype(scalarType(view.dtype)));
    std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    return tensor;
}

} // namespace flextron
