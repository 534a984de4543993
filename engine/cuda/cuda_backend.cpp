#include "engine/cuda/cuda_backend.h"

#include <mutex>

#include "engine/base/system.h"
#include "engine/compute/step_check_p.h"
#include "engine/cuda/cuda_pack_p.h"
#include "engine/cuda/cuda_step_p.h"

namespace flextron {
namespace {

/// Add one with every change of the weights' layout or the kernels that changes a step's time.
constexpr int kRevision = 1;

class CudaBackend final : public Backend {
public:
    CudaBackend(std::shared_ptr<const Checkpoint> checkpoint, const FlextronCudaPlugin& plugin, const Gpu& gpu,
                WeightType type, const ProgressFn& progress, const CancelToken& cancel)
        : checkpoint_(std::move(checkpoint))
        , gpu_name_(gpu.name)
        , model_(std::make_shared<const CudaModel>(plugin, gpu.index, checkpoint_->config(), type))
        , step_(model_, checkpoint_->config())
    {
        uploadWeights(*checkpoint_, *model_, progress, cancel);
    }

    [[nodiscard]] const Checkpoint& checkpoint() const override { return *checkpoint_; }
    [[nodiscard]] std::string description() const override
    {
        return "decode, " + std::string(weightTypeName(model_->type())) + " weights, CUDA, " + gpu_name_;
    }
    [[nodiscard]] int revision() const override { return kRevision; }
    [[nodiscard]] int bytesPerWeight() const override { return model_->weightBytes(); }
    [[nodiscard]] int bytesPerKv() const override { return 4; }
    [[nodiscard]] std::int64_t weightBytes() const override { return cudaWeightBytes(config(), model_->type()); }

    [[nodiscard]] Result<std::unique_ptr<KvCache>> newCache(int capacity, const std::vector<int>& heads) const override
    {
        return guarded([&]() -> std::unique_ptr<KvCache> {
            checkCacheRequest(capacity, heads, config());
            return std::make_unique<CudaCache>(model_, config(), capacity, heads);
        });
    }

    [[nodiscard]] Result<void> step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                    const CancelToken& cancel) const override
    {
        return guarded([&] {
            if (panes.size() != outputs.size())
                throw Failure(ErrorCode::InvalidArgument, "as many outputs as panes are needed");
            for (const StepInput& pane : panes) checkStep(pane, config());
            if (panes.empty()) return;
            const std::lock_guard lock(mutex_);
            step_.run(panes, outputs, cancel);
            // Only now do the new tokens count: a failure above leaves every text as it was.
            for (const StepInput& pane : panes)
                static_cast<CudaCache*>(pane.cache)->grow(static_cast<int>(pane.tokens.size()));
        });
    }

    [[nodiscard]] GpuUse use() const
    {
        FlextronCudaUse use{};
        model_->call(model_->plugin().use, &use);
        return {use.bytes, use.launches, use.replays, use.captures, use.waits};
    }

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    std::string gpu_name_;
    std::shared_ptr<const CudaModel> model_;
    mutable std::mutex mutex_;
    mutable CudaStep step_;
};

void refuseWhatDoesNotFit(const Checkpoint& checkpoint, WeightType type, const Gpu& gpu)
{
    const std::int64_t needed = estimateCudaBytes(checkpoint, type);
    const auto available = static_cast<std::int64_t>(gpu.free_bytes);
    if (needed <= available) return;
    throw Failure(ErrorCode::OutOfMemory,
                  checkpoint.folder().string() + ": the weights need " + formatBytes(needed) + " as " +
                      std::string(weightTypeName(type)) + ", but only " + formatBytes(available) +
                      " of the GPU's memory are free (" + gpu.name + ")",
                  "end other programs that use the GPU, choose --weights bf16 or f16, or use --device cpu");
}

/// The architectures that the kernels are compiled for begin here.
constexpr int kLeastComputeMajor = 8;

void refuseOldGpu(const Gpu& gpu)
{
    if (gpu.compute_major >= kLeastComputeMajor) return;
    throw Failure(ErrorCode::Unsupported,
                  gpu.name + " has compute capability " + std::to_string(gpu.compute_major) + "." +
                      std::to_string(gpu.compute_minor) + "; the kernels need " + std::to_string(kLeastComputeMajor) +
                      ".0 or newer",
                  "use --device cpu");
}

} // namespace

std::optional<GpuUse> gpuUse(const Backend& backend)
{
    const auto* cuda = dynamic_cast<const CudaBackend*>(&backend);
    return cuda ? std::optional(cuda->use()) : std::nullopt;
}

std::int64_t estimateCudaBytes(const Checkpoint& checkpoint, WeightType type)
{
    return cudaWeightBytes(checkpoint.config(), resolveWeightType(checkpoint, type));
}

Result<std::shared_ptr<const Backend>> loadCudaBackend(std::shared_ptr<const Checkpoint> checkpoint,
                                                       const CudaSupport& support, int gpu, WeightType type,
                                                       const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&]() -> std::shared_ptr<const Backend> {
        const Gpu chosen = support.gpu(gpu).orThrow();
        const WeightType resolved = resolveWeightType(*checkpoint, type);
        if (resolved == WeightType::Int8)
            throw Failure(ErrorCode::Unsupported, "the GPU holds weights as f32, f16 or bf16; q8 was asked for",
                          "choose --weights bf16, or --device cpu");
        refuseOldGpu(chosen);
        refuseWhatDoesNotFit(*checkpoint, resolved, chosen);
        return std::make_shared<const CudaBackend>(std::move(checkpoint), *support.plugin(), chosen, resolved, progress,
                                                   cancel);
    });
}

} // namespace flextron
