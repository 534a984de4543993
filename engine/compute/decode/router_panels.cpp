#include "engine/compute/decode/router_panels_p.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/compute/decode/panel_pack_p.h"

namespace flextron::decode {
namespace {

bool fitFloat16(const std::vector<RouterNetwork>& routers)
{
    constexpr float kLargest = 65504.0f;
    const auto fits = [](float v) { return std::abs(v) <= kLargest; };
    return std::all_of(routers.begin(), routers.end(), [&](const RouterNetwork& router) {
        return std::all_of(router.hidden.weight.begin(), router.hidden.weight.end(), fits) &&
               std::all_of(router.output.weight.begin(), router.output.weight.end(), fits);
    });
}

} // namespace

RouterPanels::RouterPanels(std::shared_ptr<const Routers> routers, const ModelConfig& config, PanelType weights)
    : routers_(std::move(routers))
    , hidden_size_(config.hidden_size)
    , inputs_(config.hidden_size + static_cast<int>(routers_->budget_list.size()))
{
    const auto layers = static_cast<std::size_t>(config.numLayers());
    if (routers_->heads.size() != layers || routers_->mlp.size() != layers)
        throw Failure(ErrorCode::InvalidArgument,
                      "the routers are for " + std::to_string(routers_->mlp.size()) + " layers, the model has " +
                          std::to_string(layers),
                      "use the routers that were trained with this model");
    check(routers_->heads);
    check(routers_->mlp);
    if (weights != PanelType::Float32 && fitFloat16(routers_->heads) && fitFloat16(routers_->mlp))
        type_ = PanelType::Float16;
    std::size_t bytes = 0;
    for (const std::vector<RouterNetwork>* networks : {&routers_->heads, &routers_->mlp})
        for (const RouterNetwork& router : *networks) bytes += bytesOf(router.hidden) + bytesOf(router.output);
    memory_ = Memory(bytes);
    pack(routers_->mlp, mlp_, pack(routers_->heads, heads_, memory_.data()));
}

void RouterPanels::check(const std::vector<RouterNetwork>& routers) const
{
    for (const RouterNetwork& router : routers)
        if (router.hidden.in != inputs_ || router.output.in != router.hidden.out)
            throw Failure(ErrorCode::InvalidArgument,
                          "a router reads " + std::to_string(router.hidden.in) + " numbers, but this model gives it " +
                              std::to_string(inputs_),
                          "use the routers that were trained with this model");
}

std::size_t RouterPanels::bytesOf(const LinearWeights& linear) const
{
    return static_cast<std::size_t>(roundUp(linear.out, kPanel) / kPanel) * panelBytes(type_, linear.in);
}

/// Whole panels; outputs that are not there stay 0. Returns what follows them.
std::byte* RouterPanels::pack(const std::vector<RouterNetwork>& routers, std::vector<Network>& networks,
                              std::byte* place) const
{
    const auto packLinear = [&](const LinearWeights& linear) {
        const std::byte* begin = place;
        const auto* bytes = reinterpret_cast<const std::byte*>(linear.weight.data());
        const Matrix all{DType::Float32, bytes, static_cast<std::size_t>(linear.in), 1, linear.out, linear.in};
        for (int out = 0; out < linear.out; out += kPanel, place += panelBytes(type_, linear.in))
            packPanel(all.from(out, 0, kPanel, linear.in), linear.in, type_, place);
        return begin;
    };
    for (const RouterNetwork& router : routers) {
        const std::byte* hidden = packLinear(router.hidden);
        networks.push_back({&router, hidden, packLinear(router.output)});
    }
    return place;
}

void RouterPanels::multiply(const Kernels& kernels, const std::byte* panels, const LinearWeights& linear,
                            const float* input, float* output) const
{
    for (int out = 0; out < linear.out; out += kPanel, panels += panelBytes(type_, linear.in))
        kernels.vector_product[static_cast<int>(type_)](input, panels, linear.in, output + out);
    for (int i = 0; i < linear.out; ++i) output[i] += linear.bias[static_cast<std::size_t>(i)];
}

std::size_t RouterPanels::scratchFloats() const
{
    int most = 0;
    for (const std::vector<Network>* networks : {&heads_, &mlp_})
        for (const Network& network : *networks)
            most = std::max(most,
                            roundUp(network.router->hidden.out, kPanel) + roundUp(network.router->output.out, kPanel));
    return static_cast<std::size_t>(inputs_ + most);
}

int RouterPanels::choose(const Kernels& kernels, int layer, bool mlp, const float* h, const std::vector<float>& code,
                         float* scratch, float* probabilities) const
{
    const Network& network = (mlp ? mlp_ : heads_)[static_cast<std::size_t>(layer)];
    const std::vector<int>& choices = mlp ? routers_->choices.mlp_int_list : routers_->choices.head_int_list;
    float* input = scratch;
    float* inner = input + inputs_;
    const int inner_size = network.router->hidden.out;
    float* logits = inner + roundUp(inner_size, kPanel);
    std::copy_n(h, hidden_size_, input);
    std::copy(code.begin(), code.end(), input + hidden_size_);
    multiply(kernels, network.hidden, network.router->hidden, input, inner);
    for (int i = 0; i < inner_size; ++i)
        if (inner[i] < 0) inner[i] *= RouterNetwork::kNegativeSlope;
    multiply(kernels, network.output, network.router->output, inner, logits);

    // softmax() and argmax() of routers.h, without vectors of their own.
    const auto count = static_cast<int>(choices.size());
    kernels.softmax(logits, 0, count, count, 1.0f, probabilities, 1);
    return choices[static_cast<std::size_t>(std::max_element(probabilities, probabilities + count) - probabilities)];
}

} // namespace flextron::decode
