// Where a model runs, and why.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flextron {

struct DeviceRequest {
    enum class Kind { Auto, Cpu, Cuda };
    Kind kind = Kind::Auto;
    int index = 0; ///< which GPU
};
/// "auto", "cpu", "cuda", "cuda:1"
Result<DeviceRequest> parseDevice(std::string_view text);

struct Device {
    bool cuda = false;
    int index = 0;
    std::string name; ///< "AMD EPYC 9654, 2 threads", "NVIDIA H200"
    /// With Kind::Auto on a CPU: why no GPU is used ("no NVIDIA driver: libcuda.so.1 was not found"). Else empty.
    std::string fallback_reason;
    std::int64_t available_bytes = 0; ///< memory that a model may take now
    [[nodiscard]] std::string id() const { return cuda ? "cuda:" + std::to_string(index) : "cpu"; }
};

/// Opens CUDA at run time where it is wanted and there. Cuda asked for and not to be had is Error{Device}; Auto falls
/// back to the CPU with a reason.
Result<Device> chooseDevice(const DeviceRequest& request);

enum class ComputeType { Auto, Float32, BFloat16, Float64 };
/// "auto", "float32", "bfloat16" (and "float64": slow, for checking)
Result<ComputeType> parseComputeType(std::string_view text);
std::string_view computeTypeName(ComputeType type);

/// Threads that LibTorch uses within an operation, process-wide; 0 keeps the default (the physical cores).
void setThreads(int threads);
int threads();

} // namespace flextron
