#include "engine/cuda/cuda_model_p.h"

#include <vector>

#include "engine/cuda/kernels/step_math_p.h"

namespace flextron {
namespace {

std::int32_t activationKind(Activation activation)
{
    switch (activation) {
    case Activation::Silu: return cuda::kSilu;
    case Activation::GeluTanh: return cuda::kGeluTanh;
    case Activation::GeluErf: return cuda::kGeluErf;
    }
    throw Failure(ErrorCode::Internal, "unknown activation");
}

} // namespace

void checkCuda(int result, const FlextronCudaMessage& message)
{
    if (result == 0) return;
    if (result == FLEXTRON_CUDA_NO_MEMORY)
        throw Failure(ErrorCode::OutOfMemory, message.text,
                      "choose a shorter context, fewer panes, --weights bf16 or f16, or --device cpu; or end other "
                      "programs that use the GPU");
    throw Failure(ErrorCode::Device, "the GPU failed: " + std::string(message.text),
                  "start the program again; if it comes back, use --device cpu");
}

CudaModel::CudaModel(const FlextronCudaPlugin& plugin, int gpu, const ModelConfig& config, WeightType type)
    : plugin_(plugin)
    , type_(type)
{
    FlextronCudaShape shape{};
    shape.hidden = config.hidden_size;
    shape.head_dim = config.head_dim;
    shape.heads_per_group = config.headsPerGroup();
    shape.vocab = config.vocab_size;
    shape.layers = config.numLayers();
    shape.positions = config.isGpt() ? config.max_position_embeddings : 0;
    shape.sliding_window = config.sliding_window;
    shape.layer_norm = config.isGpt() ? 1 : 0;
    shape.gated = config.gatedMlp() ? 1 : 0;
    shape.activation = activationKind(config.hidden_act);
    shape.rotary = config.isGpt() ? 0 : 1;
    shape.tied = config.tie_word_embeddings ? 1 : 0;
    shape.weight_bytes = weightBytes();
    shape.bfloat16 = type == WeightType::BFloat16 ? 1 : 0;
    shape.norm_eps = static_cast<float>(config.norm_eps);
    std::vector<FlextronCudaLayer> layers;
    for (const LayerSizes& layer : config.layers)
        layers.push_back({layer.num_attention_heads, layer.num_key_value_heads, layer.intermediate_size});
    FlextronCudaMessage message{};
    checkCuda(plugin.create_model(gpu, &shape, layers.data(), &model_, &message), message);
}

CudaModel::~CudaModel()
{
    plugin_.destroy_model(model_);
}

void CudaModel::destroy(FlextronCudaCache* cache) const
{
    const std::lock_guard lock(mutex_);
    plugin_.destroy_cache(model_, cache);
}

void CudaModel::destroy(FlextronCudaRouters* routers) const
{
    const std::lock_guard lock(mutex_);
    plugin_.destroy_routers(model_, routers);
}

CudaRouters::CudaRouters(std::shared_ptr<const CudaModel> model, std::shared_ptr<const Routers> routers)
    : model_(std::move(model))
    , routers_(std::move(routers))
{
    std::vector<FlextronCudaRouter> networks;
    for (std::size_t l = 0; l < routers_->mlp.size(); ++l)
        for (const RouterNetwork* network : {&routers_->heads[l], &routers_->mlp[l]})
            networks.push_back({network->hidden.weight.data(), network->hidden.bias.data(),
                                network->output.weight.data(), network->output.bias.data()});
    const ChoiceSets& choices = routers_->choices;
    const std::int32_t* widths[] = {choices.head_int_list.data(), choices.mlp_int_list.data()};
    const std::int32_t counts[] = {static_cast<std::int32_t>(choices.head_int_list.size()),
                                   static_cast<std::int32_t>(choices.mlp_int_list.size())};
    const int inner = routers_->mlp.front().hidden.out;
    const auto stops = static_cast<int>(routers_->budget_list.size());
    model_->call(model_->plugin().create_routers, inner, stops, networks.data(), widths, counts, &handle_);
}

} // namespace flextron
