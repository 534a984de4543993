#include "engine/compute/decode/decode_backend_p.h"

#include <algorithm>

#include "engine/base/system.h"
#include "engine/compute/decode/step_p.h"
#include "engine/compute/step_check_p.h"

namespace flextron {
namespace {

using decode::PanelType;

PanelType panelType(WeightType type)
{
    switch (type) {
    case WeightType::Auto:
    case WeightType::Float32: return PanelType::Float32;
    case WeightType::Float16: return PanelType::Float16;
    case WeightType::BFloat16: return PanelType::BFloat16;
    case WeightType::Int8: return PanelType::Int8;
    }
    throw Failure(ErrorCode::Internal, "unknown weight type");
}

PanelType panelType(KvType type)
{
    switch (type) {
    case KvType::Float16: return PanelType::Float16;
    case KvType::BFloat16: return PanelType::BFloat16;
    default: return PanelType::Float32;
    }
}

void refuseWhatDoesNotFit(const Checkpoint& checkpoint, WeightType type)
{
    const std::int64_t needed = estimateDecodeBytes(checkpoint, type);
    const std::int64_t available = availableMemory();
    if (needed <= available) return;
    throw Failure(ErrorCode::OutOfMemory,
                  checkpoint.folder().string() + ": the weights need " + formatBytes(needed) + " as " +
                      std::string(weightTypeName(type)) + ", but only " + formatBytes(available) +
                      " of memory are available",
                  "close other programs, choose --weights bf16 or q8, or open a smaller model");
}

} // namespace

Result<WeightType> parseWeightType(std::string_view text)
{
    for (const WeightType type :
         {WeightType::Auto, WeightType::Float32, WeightType::Float16, WeightType::BFloat16, WeightType::Int8})
        if (text == weightTypeName(type)) return type;
    return Error{ErrorCode::InvalidArgument, "there is no type of weights \"" + std::string(text) + "\"",
                 "choose auto, f32, f16, bf16 or q8"};
}

std::string_view weightTypeName(WeightType type)
{
    switch (type) {
    case WeightType::Auto: return "auto";
    case WeightType::Float32: return "f32";
    case WeightType::Float16: return "f16";
    case WeightType::BFloat16: return "bf16";
    case WeightType::Int8: return "q8";
    }
    return "unknown";
}

WeightType resolveWeightType(const Checkpoint& checkpoint, WeightType type)
{
    if (type != WeightType::Auto) return type;
    switch (checkpoint.dtype()) {
    case DType::Float16: return WeightType::Float16;
    case DType::BFloat16: return WeightType::BFloat16;
    default: return WeightType::Float32;
    }
}

std::int64_t estimateDecodeBytes(const Checkpoint& checkpoint, WeightType type)
{
    std::int64_t small = 0; // norms and biases, read as they are
    std::int64_t table = 0; // the largest embedding is converted whole before it is stored
    for (const auto& [name, tensor] : checkpoint.tensors()) {
        if (tensor.shape.size() < 2) small += tensor.elements() * static_cast<std::int64_t>(sizeof(float));
        const bool looked_up = name.find("wpe") != std::string::npos ||
                               (!checkpoint.config().tie_word_embeddings &&
                                (name.find("wte") != std::string::npos || name.find("embed") != std::string::npos));
        if (looked_up) table = std::max(table, tensor.elements() * static_cast<std::int64_t>(sizeof(float)));
    }
    return decode::decodeWeightBytes(checkpoint.config(), panelType(resolveWeightType(checkpoint, type))) + small +
           table;
}

Result<KvType> parseKvType(std::string_view text)
{
    for (const KvType type : {KvType::Auto, KvType::Float32, KvType::Float16, KvType::BFloat16})
        if (text == kvTypeName(type)) return type;
    return Error{ErrorCode::InvalidArgument, "there is no type of keys and values \"" + std::string(text) + "\"",
                 "choose auto, f32, f16 or bf16"};
}

std::string_view kvTypeName(KvType type)
{
    switch (type) {
    case KvType::Auto: return "auto";
    case KvType::Float32: return "f32";
    case KvType::Float16: return "f16";
    case KvType::BFloat16: return "bf16";
    }
    return "unknown";
}

KvType resolveKvType(WeightType resolved, KvType type)
{
    if (type != KvType::Auto) return type;
    return resolved == WeightType::Float32 ? KvType::Float32 : KvType::Float16;
}

DecodeBackend::DecodeBackend(std::shared_ptr<const Checkpoint> checkpoint, const DecodeOptions& options,
                             const decode::Kernels& kernels, const ProgressFn& progress, const CancelToken& cancel)
    : checkpoint_(std::move(checkpoint))
    , type_(resolveWeightType(*checkpoint_, options.weights))
    , kv_type_(resolveKvType(type_, options.kv))
    , kernels_(kernels)
    , pool_(options.threads > 0 ? options.threads : usableProcessors())
    , weights_(decode::packWeights(*checkpoint_, panelType(type_), pool_, progress, cancel))
{
}

std::string DecodeBackend::description() const
{
    const int count = pool_.threads();
    return "decode, " + std::string(weightTypeName(type_)) + " weights, " + std::string(kvTypeName(kv_type_)) +
           " K/V, " + kernels_.target + ", " + std::to_string(count) + (count == 1 ? " thread" : " threads");
}

int DecodeBackend::bytesPerWeight() const
{
    switch (type_) {
    case WeightType::Int8: return 1;
    case WeightType::Float16:
    case WeightType::BFloat16: return 2;
    default: return 4;
    }
}

int DecodeBackend::bytesPerKv() const
{
    return kv_type_ == KvType::Float32 ? 4 : 2;
}

Result<std::unique_ptr<KvCache>> DecodeBackend::newCache(int capacity, const std::vector<int>& heads) const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        checkCacheRequest(capacity, heads, config());
        return std::make_unique<decode::DecodeCache>(weights_.shape, panelType(kv_type_), kernels_, capacity, heads);
    });
}

Result<void> DecodeBackend::step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                 const CancelToken& cancel) const
{
    return guarded([&] {
        if (panes.size() != outputs.size())
            throw Failure(ErrorCode::InvalidArgument, "as many outputs as panes are needed");
        for (const StepInput& pane : panes) checkStep(pane, config());
        if (panes.empty()) return;
        const std::lock_guard lock(mutex_);
        decode::Step(config(), weights_, kernels_, pool_, workspace_, cancel).run(panes, outputs);
        // Only now do the new tokens count: a failure above leaves every text as it was.
        for (const StepInput& pane : panes)
            static_cast<decode::DecodeCache*>(pane.cache)->grow(static_cast<int>(pane.tokens.size()));
    });
}

Result<std::shared_ptr<const Backend>> loadDecodeBackendOn(const std::string& target,
                                                           std::shared_ptr<const Checkpoint> checkpoint,
                                                           const DecodeOptions& options, const ProgressFn& progress,
                                                           const CancelToken& cancel)
{
    return guarded([&]() -> std::shared_ptr<const Backend> {
        refuseWhatDoesNotFit(*checkpoint, options.weights);
        const decode::Kernels& kernels = target.empty() ? decode::bestKernels() : decode::kernelsFor(target);
        return std::make_shared<const DecodeBackend>(std::move(checkpoint), options, kernels, progress, cancel);
    });
}

Result<std::shared_ptr<const Backend>> loadDecodeBackend(std::shared_ptr<const Checkpoint> checkpoint,
                                                         const DecodeOptions& options, const ProgressFn& progress,
                                                         const CancelToken& cancel)
{
    return loadDecodeBackendOn({}, std::move(checkpoint), options, progress, cancel);
}

} // namespace flextron
