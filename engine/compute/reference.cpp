#include "engine/compute/reference.h"

#include <algorithm>

#include "engine/base/system.h"
#include "engine/compute/reference_backend_p.h"

namespace flextron {
namespace {

at::ScalarType scalarType(ComputeType type, const Device& device)
{
    switch (type) {
    case ComputeType::Auto: return device.cuda ? at::kBFloat16 : at::kFloat;
    case ComputeType::Float32: return at::kFloat;
    case ComputeType::BFloat16: return at::kBFloat16;
    case ComputeType::Float64: return at::kDouble;
    }
    throw Failure(ErrorCode::Internal, "unknown compute type");
}

std::int64_t loadBytes(const Checkpoint& checkpoint, at::ScalarType type)
{
    std::int64_t largest = 0;
    for (const auto& [name, tensor] : checkpoint.tensors()) largest = std::max(largest, tensor.elements());
    // The largest tensor stands twice for a moment: as read, and in the layout that the forward pass wants.
    return (checkpoint.parameters() + largest) * static_cast<std::int64_t>(at::elementSize(type));
}

} // namespace

std::int64_t estimateLoadBytes(const Checkpoint& checkpoint, ComputeType type)
{
    return loadBytes(checkpoint, scalarType(type, Device{}));
}

Result<std::shared_ptr<const Backend>> loadReferenceBackend(std::shared_ptr<const Checkpoint> checkpoint,
                                                            const Device& device, ComputeType type,
                                                            const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&]() -> std::shared_ptr<const Backend> {
        const at::ScalarType scalar = scalarType(type, device);
        const std::int64_t needed = loadBytes(*checkpoint, scalar);
        if (needed > device.available_bytes)
            throw Failure(ErrorCode::OutOfMemory,
                          checkpoint->folder().string() + ": the weights need " + formatBytes(needed) + " as " +
                              std::string(typeName(scalar)) + ", but only " + formatBytes(device.available_bytes) +
                              " of memory are available on " + device.name,
                          "close other programs, choose --dtype bfloat16, or open a smaller model");
        return std::make_shared<const ReferenceBackend>(
            checkpoint, loadReferenceWeights(*checkpoint, placeOf(device), scalar, progress, cancel));
    });
}

} // namespace flextron
