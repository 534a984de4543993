// The reference backend's class: importance and training reach its weights through it.
#pragma once

#include "engine/compute/backend.h"
#include "engine/compute/reference_weights_p.h"

namespace flextron {

class ReferenceBackend final : public Backend {
public:
    ReferenceBackend(std::shared_ptr<const Checkpoint> checkpoint, ReferenceWeights weights);

    [[nodiscard]] const Checkpoint& checkpoint() const override { return *checkpoint_; }
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] int revision() const override { return 1; }
    [[nodiscard]] int bytesPerWeight() const override;
    [[nodiscard]] int bytesPerKv() const override { return bytesPerWeight(); }
    [[nodiscard]] std::int64_t weightBytes() const override { return weights_.bytes(); }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> newCache(int capacity, const std::vector<int>& heads) const override;
    [[nodiscard]] Result<void> step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                    const CancelToken& cancel) const override;

    [[nodiscard]] const ReferenceWeights& weights() const { return weights_; }

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    ReferenceWeights weights_;
};

} // namespace flextron
