// What a step of router training and of joint finetuning does. Not a public header.
#pragma once

#include <memory>

#include "engine/training/router_networks_p.h"
#include "engine/training/router_training.h"
#include "engine/training/source_p.h"
#include "engine/training/surrogate_fit_p.h"

namespace flextron {

/// FLOPs, or the table's milliseconds.
CostOf costFor(const ModelConfig& config, const RouterOptions& options);

class RouterStage final : public StageWork {
public:
    RouterStage(const StageSource& source, TrainableRouters routers, RouterOptions options, bool joint, Teacher base,
                std::uint64_t seed);

    [[nodiscard]] std::string name() const override { return joint_ ? "joint" : "routers"; }
    [[nodiscard]] Json settings() const override;
    [[nodiscard]] std::vector<TrainedTensor> trained() const override;
    [[nodiscard]] NamedTensors kept() const override { return surrogate_ ? surrogate_->state() : NamedTensors{}; }
    void beginStep(const StepPlace& place) override;
    std::map<std::string, double> batch(const at::Tensor& ids, const StepPlace& place) override;
    [[nodiscard]] double lastFlops() const override { return flops_; }
    std::vector<ValidationLoss> validate(const std::vector<ValidationSet>& sets, const CancelToken& cancel) override;

    /// The routers as they are written.
    [[nodiscard]] Routers exported() const;

private:
    struct Routed; ///< a routed pass and what came of it
    void fullPass(const at::Tensor& ids, const at::Tensor& of_base, double weight,
                  std::map<std::string, double>& numbers);
    at::Tensor throughModel(Routed& routed, const at::Tensor& ids, const at::Tensor& of_base);
    at::Tensor throughSurrogate(Routed& routed, const at::Tensor& ids, std::map<std::string, double>& numbers);
    std::vector<double> drawTargets(std::int64_t batch);
    void describe(std::map<std::string, double>& numbers, const RoutedWidths& widths,
                  const std::vector<double>& targets) const;

    const ReferenceWeights& weights_;
    TrainableRouters routers_;
    RouterOptions options_;
    bool joint_;
    CostShares costs_;
    Teacher base_;
    std::string source_;                      ///< hash: a job goes on with the model that it began with
    std::unique_ptr<SurrogateFit> surrogate_; ///< null without
    ChoiceDraw draw_;
    bool fixed_ = false;
    SplitMix target_random_{0}, noise_random_{0};
    double flops_ = 0;
};

/// Where a routed validation pass's choices come from: the dynamic routers, the same dealt to other tokens, or the
/// static router.
enum class Placement { Dynamic, Shuffled, Static };
/// Loss of a text routed for `target`.
ValidationLoss validateRouted(const ReferenceWeights& weights, const TrainableRouters& routers, const CostShares& costs,
                              const ValidationSet& set, double target, Placement placement, const CancelToken& cancel);

} // namespace flextron
