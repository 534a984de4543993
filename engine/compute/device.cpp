#include "engine/compute/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <charconv>

#include "engine/base/system.h"
#include "engine/cuda/loader.h"

namespace flextron {
namespace {

Device cpuDevice(std::string reason)
{
    Device device;
    const int count = threads();
    device.name = cpuName() + ", " + std::to_string(count) + (count == 1 ? " thread" : " threads");
    device.fallback_reason = std::move(reason);
    device.available_bytes = availableMemory();
    return device;
}

/// Why no GPU can be used; empty when one can. cudaSupport() comes before the question to LibTorch, which remembers a
/// "no".
std::string whyNoGpu()
{
    const CudaSupport& support = cudaSupport();
    if (!support.torchReady()) return support.torchReason();
    if (!support.kernelsReady()) return support.kernelsReason();
    return at::hasCUDA() ? "" : "LibTorch sees no GPU";
}

Device gpuDevice(int index)
{
    const Gpu gpu = cudaSupport().gpu(index).orThrow();
    return {true, index, gpu.name, "", static_cast<std::int64_t>(gpu.free_bytes)};
}

} // namespace

Result<DeviceRequest> parseDevice(std::string_view text)
{
    using Kind = DeviceRequest::Kind;
    if (text == "auto") return DeviceRequest{Kind::Auto, 0};
    if (text == "cpu") return DeviceRequest{Kind::Cpu, 0};
    if (text == "cuda") return DeviceRequest{Kind::Cuda, 0};
    if (text.starts_with("cuda:")) {
        const std::string_view number = text.substr(5);
        int index = -1;
        const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), index);
        if (problem == std::errc() && end == number.data() + number.size() && index >= 0 && index < 128)
            return DeviceRequest{Kind::Cuda, index};
    }
    return Error{ErrorCode::InvalidArgument, "there is no device \"" + std::string(text) + "\"",
                 "choose auto, cpu, cuda or cuda:N"};
}

Result<ComputeType> parseComputeType(std::string_view text)
{
    for (const ComputeType type :
         {ComputeType::Auto, ComputeType::Float32, ComputeType::BFloat16, ComputeType::Float64})
        if (text == computeTypeName(type)) return type;
    return Error{ErrorCode::InvalidArgument, "there is no dtype \"" + std::string(text) + "\"",
                 "choose auto, float32 or bfloat16"};
}

std::string_view computeTypeName(ComputeType type)
{
    switch (type) {
    case ComputeType::Auto: return "auto";
    case ComputeType::Float32: return "float32";
    case ComputeType::BFloat16: return "bfloat16";
    case ComputeType::Float64: return "float64";
    }
    return "unknown";
}

void setThreads(int count)
{
    if (count > 0) at::set_num_threads(count);
}

int threads()
{
    return at::get_num_threads();
}

Result<Device> chooseDevice(const DeviceRequest& request)
{
    return guarded([&] {
        if (request.kind == DeviceRequest::Kind::Cpu) return cpuDevice("");
        std::string reason = whyNoGpu();
        if (reason.empty()) return gpuDevice(request.index);
        if (request.kind == DeviceRequest::Kind::Cuda)
            throw Failure(ErrorCode::Device, "no GPU can be used: " + reason, "use --device cpu");
        return cpuDevice(std::move(reason));
    });
}

} // namespace flextron
