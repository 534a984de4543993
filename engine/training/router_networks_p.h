// Routers in training: their tensors, their straight-through choices, and what the choices cost. Not a public header.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "engine/routing/routers.h"
#include "engine/training/passes_p.h"
#include "engine/training/weights_p.h"

namespace flextron {

/// Linear -> LeakyReLU(0.1) -> Linear, as RouterNetwork.
struct RouterTensors {
    at::Tensor hidden, hidden_bias; // [inner, inputs], [inner]
    at::Tensor output, output_bias; // [choices, inner], [choices]
};

struct TrainableRouters {
    std::vector<double> budget_list;
    ChoiceSets choices;
    std::vector<RouterTensors> heads, mlp; ///< a layer
    RouterTensors fixed;                   ///< the static router

    [[nodiscard]] std::vector<TrainedTensor> trained(double rate, double static_rate) const;
    [[nodiscard]] std::vector<TrainedTensor> trainedDynamic(double rate) const;
    /// Before training: tensors elsewhere are other tensors.
    void moveTo(at::Device place);
    /// For routers.safetensors.
    [[nodiscard]] Routers exported() const;
};

/// Small random weights; the widest choice's bias is `widest_bias`, so that training starts near the full model.
TrainableRouters newRouters(const ModelConfig& config, const ChoiceSets& choices, std::vector<double> budget_list,
                            int router_inter_dim, double widest_bias, std::uint64_t seed);
TrainableRouters trainableRouters(const Routers& routers);

/// What a sub-network costs, in any unit: FLOPs, or milliseconds of a latency table. Sub-blocks' costs must add up.
using CostOf = std::function<double(const SubNetwork&)>;
/// FLOPs a token at a context of 256 (or the model's, where that is shorter); KvRule::All: K and V of all heads are
/// always computed.
CostOf flopCost(const ModelConfig& config);

/// Shares of the full model's cost a token: of what every token needs, and of each choice of a sub-block (the same in
/// every layer).
struct CostShares {
    double fixed = 0;
    at::Tensor heads, mlp; // [choices] float32
    static CostShares of(const ModelConfig& config, const ChoiceSets& choices, const CostOf& cost);
    [[nodiscard]] CostShares on(at::Device place) const { return {fixed, heads.to(place), mlp.to(place)}; }
    /// Of the narrowest sub-network.
    [[nodiscard]] double floor(int layers) const { return fixed + layers * (heads[0] + mlp[0]).item<double>(); }
};

/// How choices are drawn. Training: Gumbel-softmax, straight-through (Jang et al., 2017). Otherwise argmax.
struct ChoiceDraw {
    bool training = false;
    double temperature = 1;
    double noise = 1;       ///< of the Gumbel noise: 1 draws from the routers' probabilities, 0 is the argmax
    std::uint64_t seed = 0; ///< of the noise
    /// Gradients of the model's loss reach the routers. Otherwise masks carry none, and choiceMeans() has the routers'
    /// graph alone: what a surrogate needs.
    bool through_model = true;
};

/// Masked execution routed by the routers: every sub-block computes its full width, and a mask built from the one-hot
/// choices switches off what lies behind the chosen width, so that wider choices get gradients too.
class RoutedWidths final : public WidthSource {
public:
    /// Where `costs` are, routers and hidden states must be. `targets` [B]: a requested share for each sequence.
    /// `fixed`: the static router decides, once a sequence.
    RoutedWidths(const ModelConfig& config, const TrainableRouters& routers, const CostShares& costs,
                 const std::vector<double>& targets, ChoiceDraw draw, bool fixed);

    PassWidth choose(int layer, SubBlock block, const at::Tensor& normalised) override;

    /// After the pass: share of the full model's FLOPs, a mean over each sequence's tokens, [B]; differentiable.
    [[nodiscard]] at::Tensor cost() const override { return costs_.fixed + cost_; }
    /// Differentiable, too.
    [[nodiscard]] at::Tensor choiceMeans() const override { return at::cat(means_, 1); }
    /// One-hot choices in the order in which they were made, [B, T or 1, choices] each, without a graph.
    [[nodiscard]] const std::vector<at::Tensor>& choices() const { return made_; }
    /// Of each sequence: share of the full model's cost that the drawn choices came to, and the mean over the routers'
    /// probabilities.
    [[nodiscard]] std::vector<double> costs() const;
    [[nodiscard]] std::vector<double> expectedCosts() const;
    /// For the metrics, of each layer l: "heads_l_W" and "mlp_l_W", the share of the tokens at width W;
    /// "entropy_heads_l", "entropy_mlp_l" of the routers' probabilities, nats; "entropy", their mean.
    void describe(std::map<std::string, double>& numbers) const;

private:
    at::Tensor logits(int layer, SubBlock block, const at::Tensor& normalised) const;
    at::Tensor oneHot(const at::Tensor& logits);
    void note(const at::Tensor& logits, const at::Tensor& costs);

    const ModelConfig& config_;
    const TrainableRouters& routers_;
    const CostShares& costs_;
    ChoiceDraw draw_;
    bool fixed_;
    at::Tensor code_;         // [B, stops]
    at::Tensor fixed_logits_; // [B, L * (head choices + mlp choices)] of the static router
    at::Tensor cost_;         // [B]
    at::Generator noise_;
    at::Tensor expected_cost_;          // [B]
    std::vector<at::Tensor> entropies_; ///< [], as made_
    std::vector<at::Tensor> made_, means_;
};

/// The control for dynamic routing: the choices that a routed pass made, each sub-block's dealt to other tokens of the
/// batch at random. The same widths in every sub-block and the same mean cost; only the placement is lost.
class ShuffledWidths final : public WidthSource {
public:
    ShuffledWidths(const RoutedWidths& routed, const ChoiceSets& choices, std::uint64_t seed);
    PassWidth choose(int layer, SubBlock block, const at::Tensor& normalised) override;
    [[nodiscard]] at::Tensor cost() const override { return cost_; }

private:
    const ChoiceSets& choices_;
    std::vector<at::Tensor> shuffled_;
    at::Tensor cost_;
    std::size_t next_ = 0;
};

} // namespace flextron
