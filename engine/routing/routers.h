// Routers: small networks that turn a target (and, when dynamic, a token's hidden state) into widths.
//
// Source: Flextron section 3.2 (routers from a latency target, static and input-adaptive); the target code, LeakyReLU
// and sizes follow the later papers of the same line; the file layout is our choice (docs/file-formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/error.h"
#include "engine/model/choice_sets.h"
#include "engine/model/config.h"
#include "engine/routing/router_network.h"
#include "engine/routing/surrogate.h"

namespace flextron {

/// All routers of a model. Immutable once shared.
struct Routers {
    /// Trained stops: shares of the full model's latency, descending, each in (0, 1]. The target code has one component
    /// a stop.
    std::vector<double> budget_list;
    ChoiceSets choices;
    int router_inter_dim = 0;
    /// Dynamic, one a layer. Input: the sub-block's own normalised input [hidden_size], then the target code [stops];
    /// output: logits over choices.head_int_list (heads) or choices.mlp_int_list (mlp). Both empty when there are only
    /// static ones.
    std::vector<RouterNetwork> heads;
    std::vector<RouterNetwork> mlp;
    /// Static. Input: the target code [stops]; output: for layer 0 the head logits, then the MLP logits, then layer 1,
    /// ...
    std::optional<RouterNetwork> fixed;
    /// What quality a choice of widths has; absent where none was trained.
    std::optional<Surrogate> surrogate;

    [[nodiscard]] bool dynamic() const { return !mlp.empty(); }
};

/// The requested share of full latency as a linear blend of the one-hots of its two neighbouring stops; outside the
/// stops, the nearest.
std::vector<float> targetCode(double budget, const std::vector<double>& budget_list);

/// Softmax probabilities of `logits`.
std::vector<float> softmax(const std::vector<float>& logits);

/// How sure a router is of its choice: the largest probability less the second (1 with a single choice), and the
/// entropy of the probabilities in nats.
float routerMargin(std::span<const float> probabilities);
float routerEntropy(std::span<const float> probabilities);

/// Index of the largest; the first of equals. At inference the choice is the argmax.
int argmax(const std::vector<float>& values);

/// Untrained routers with normally distributed weights: they stand in until trained ones exist, and as the control that
/// a test must tell apart.
Routers randomRouters(const ModelConfig& config, const ChoiceSets& choices, const std::vector<double>& budget_list,
                      int router_inter_dim, std::uint64_t seed);

/// routers.safetensors. Every shape is checked against `config` and `choices`. NotFound, Corrupt, or InvalidArgument
/// when the routers belong to a model with other sizes or choices.
Result<std::shared_ptr<const Routers>> readRouters(const std::filesystem::path& file, const ModelConfig& config,
                                                   const ChoiceSets& choices);
Result<void> writeRouters(const std::filesystem::path& file, const Routers& routers);

} // namespace flextron
