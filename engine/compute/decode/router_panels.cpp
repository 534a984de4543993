#include "engine/compute/decode/router_panels_p.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace flextron::decode {
namespace {

std::size_t panelsOf(const LinearWeights& linear)
{
    return static_cast<std::size_t>(roundUp(linear.out, kPanel)) * static_cast<std::size_t>(linear.in);
}

/// Whole panels of [in][kPanel] floats; outputs that are not there stay 0. Returns what follows them.
float* packLinear(const LinearWeights& linear, float* to)
{
    const auto in = static_cast<std::size_t>(linear.in);
    for (std::size_t out = 0; out < static_cast<std::size_t>(linear.out); ++out)
        for (std::size_t i = 0; i < in; ++i)
            to[(out / kPanel * in + i) * kPanel + out % kPanel] = linear.weight[out * in + i];
    return to + panelsOf(linear);
}

void multiply(const Kernels& kernels, const float* panels, const LinearWeights& linear, const float* input,
              float* output)
{
    PanelProduct product;
    product.a = input;
    product.panels = reinterpret_cast<const std::byte*>(panels);
    product.panel_bytes = panelBytes(PanelType::Float32, linear.in);
    product.panel_count = roundUp(linear.out, kPanel) / kPanel;
    product.segment_length = linear.in;
    product.c = output;
    kernels.product[static_cast<int>(PanelType::Float32)](product);
    for (int i = 0; i < linear.out; ++i) output[i] += linear.bias[static_cast<std::size_t>(i)];
}

} // namespace

RouterPanels::RouterPanels(std::shared_ptr<const Routers> routers, const ModelConfig& config)
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
    memory_ = Memory((panelFloats(routers_->heads) + panelFloats(routers_->mlp)) * sizeof(float));
    pack(routers_->mlp, mlp_, pack(routers_->heads, heads_, memory_.as<float>()));
}

std::size_t RouterPanels::panelFloats(const std::vector<RouterNetwork>& routers) const
{
    std::size_t floats = 0;
    for (const RouterNetwork& router : routers) {
        if (router.hidden.in != inputs_ || router.output.in != router.hidden.out)
            throw Failure(ErrorCode::InvalidArgument,
                          "a router reads " + std::to_string(router.hidden.in) + " numbers, but this model gives it " +
                              std::to_string(inputs_),
                          "use the routers that were trained with this model");
        floats += panelsOf(router.hidden) + panelsOf(router.output);
    }
    return floats;
}

float* RouterPanels::pack(const std::vector<RouterNetwork>& routers, std::vector<Network>& networks, float* place)
{
    for (const RouterNetwork& router : routers) {
        const float* hidden = place;
        place = packLinear(router.hidden, place);
        networks.push_back({&router, hidden, place});
        place = packLinear(router.output, place);
    }
    return place;
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

    // softmax() and argmax() of routers.h, in place: those make vectors.
    const auto count = choices.size();
    const float most = *std::max_element(logits, logits + count);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(logits[i]) - most);
    for (std::size_t i = 0; i < count; ++i)
        probabilities[i] = static_cast<float>(std::exp(static_cast<double>(logits[i]) - most) / sum);
    return choices[static_cast<std::size_t>(std::max_element(probabilities, probabilities + count) - probabilities)];
}

} // namespace flextron::decode
