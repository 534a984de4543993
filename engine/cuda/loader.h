// The GPU at run time: opens LibTorch's CUDA part and our kernels where there is a driver, and says why not elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/error.h"

struct FlextronCudaPlugin;

namespace flextron {

struct Gpu {
    int index = 0;
    std::string name; ///< "NVIDIA H200"
    int compute_major = 0;
    int compute_minor = 0;
    int multiprocessors = 0;
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0; ///< when asked
    std::uint64_t l2_bytes = 0;
};

/// How fast a GPU reads its memory: `repeats` timed reads of `bytes`.
struct GpuReadSpeed {
    double median_bytes_per_second = 0;
    double slowest_bytes_per_second = 0;
    double fastest_bytes_per_second = 0;
    std::uint64_t bytes = 0;
    int repeats = 0;
    std::uint32_t fold = 0; ///< of the words read; foldOfPattern(bytes / 4) (pattern.h)
};

/// What to open and where to look. The defaults are what programs want; tests give others.
struct CudaPlaces {
    std::string driver = "libcuda.so.1";
    std::vector<std::filesystem::path> torch;   ///< candidates for libtorch_cuda.so; the first that exists is opened
    std::vector<std::filesystem::path> plugins; ///< candidates for libflextron_cuda.so, likewise

    /// $FLEXTRON_CUDA_PLUGIN; beside the program, in its lib/flextron, and in the build tree; beside LibTorch.
    static CudaPlaces standard();
};

/// What this process can do with a GPU. An immutable value; nothing it opens is ever closed.
class CudaSupport final {
public:
    /// Opens what is there. Must come before anything asks LibTorch about CUDA: asked too early, it remembers "no".
    static CudaSupport open(const CudaPlaces& places);

    /// LibTorch's CUDA part is open: tensors may go to the GPU.
    [[nodiscard]] bool torchReady() const { return torch_reason_.empty(); }
    /// Our kernels are open and there is a GPU that runs them.
    [[nodiscard]] bool kernelsReady() const { return kernels_reason_.empty(); }
    /// Why not, for a person ("no NVIDIA driver: libcuda.so.1 was not found"); empty when ready.
    [[nodiscard]] const std::string& torchReason() const { return torch_reason_; }
    [[nodiscard]] const std::string& kernelsReason() const { return kernels_reason_; }

    /// Errors: Device, when kernelsReady() is false, there is no such GPU or the driver fails. Asking a GPU for its
    /// free memory takes some of it for this process: ask only those that will be used.
    [[nodiscard]] Result<Gpu> gpu(int index) const;
    [[nodiscard]] Result<std::vector<Gpu>> gpus() const;
    /// `bytes` is rounded down to a multiple of 16; 0 takes 2 GiB, or a quarter of what is free if that is less.
    [[nodiscard]] Result<GpuReadSpeed> measureRead(int index, std::uint64_t bytes = 0, int repeats = 20) const;

    /// Engine-internal: the kernels' table; null unless kernelsReady().
    [[nodiscard]] const FlextronCudaPlugin* plugin() const { return plugin_; }

private:
    CudaSupport() = default;
    [[nodiscard]] Result<int> gpuCount() const;
    std::string torch_reason_;
    std::string kernels_reason_;
    const FlextronCudaPlugin* plugin_ = nullptr;
};

/// That of this process, opened from the standard places on the first call. Any thread.
const CudaSupport& cudaSupport();

} // namespace flextron
