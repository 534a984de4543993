// The decode backend's class, and loading it for one vector unit: for tests.
#pragma once

#include <mutex>
#include <string>

#include "engine/base/thread_pool_p.h"
#include "engine/compute/decode/kernels_p.h"
#include "engine/compute/decode/weights_p.h"
#include "engine/compute/decode/workspace_p.h"
#include "engine/compute/decode_backend.h"

namespace flextron {

class DecodeBackend final : public Backend {
public:
    DecodeBackend(std::shared_ptr<const Checkpoint> checkpoint, const DecodeOptions& options,
                  const decode::Kernels& kernels, const ProgressFn& progress, const CancelToken& cancel);

    [[nodiscard]] const Checkpoint& checkpoint() const override { return *checkpoint_; }
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] int revision() const override { return kRevision; }
    [[nodiscard]] int bytesPerWeight() const override;
    [[nodiscard]] int bytesPerKv() const override;
    [[nodiscard]] std::int64_t weightBytes() const override { return weights_.bytes(); }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> newCache(int capacity, const std::vector<int>& heads) const override;
    [[nodiscard]] Result<void> step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                    const CancelToken& cancel) const override;

private:
    /// 1: the panels of the layout that docs/architecture.md describes. Add one with every change of the panels or the
    /// kernels that changes a step's time.
    static constexpr int kRevision = 1;

    std::shared_ptr<const Checkpoint> checkpoint_;
    WeightType type_;
    KvType kv_type_;
    const decode::Kernels& kernels_;
    // What a step works in. The weights are immutable; this is not, hence one step at a time.
    mutable std::mutex mutex_;
    mutable ThreadPool pool_;
    mutable decode::Workspace workspace_;
    decode::DecodeWeights weights_;
};

/// loadDecodeBackend on a vector unit by name ("AVX2"); empty: the best one.
Result<std::shared_ptr<const Backend>> loadDecodeBackendOn(const std::string& target,
                                                           std::shared_ptr<const Checkpoint> checkpoint,
                                                           const DecodeOptions& options,
                                                           const ProgressFn& progress = {},
                                                           const CancelToken& cancel = {});

} // namespace flextron
