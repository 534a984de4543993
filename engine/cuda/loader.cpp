#include "engine/cuda/loader.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>

#include "engine/cuda/plugin.h"

namespace flextron {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPluginFile = "libflextron_cuda.so";
constexpr const char* kTorchFile = "libtorch_cuda.so";

std::string lastLoaderError()
{
    const char* text = dlerror();
    return text ? text : "unknown reason";
}

fs::path programFolder()
{
    std::error_code ignored;
    return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

/// Where the LibTorch that runs in this process lies; empty if there is none.
fs::path torchFolder()
{
    fs::path found;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
            const fs::path file(info->dlpi_name);
            if (file.filename() != "libtorch_cpu.so") return 0;
            *static_cast<fs::path*>(result) = file.parent_path();
            return 1;
        },
        &found);
    return found;
}

/// The first candidate that exists, opened for good. On failure `reason` says what was looked for or what went wrong.
void* openFirst(const std::vector<fs::path>& candidates, const char* name, std::string& reason)
{
    std::string looked;
    for (const fs::path& candidate : candidates) {
        std::error_code ignored;
        if (!fs::exists(candidate, ignored)) {
            looked += (looked.empty() ? "" : ", ") + candidate.parent_path().string();
            continue;
        }
        void* handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_GLOBAL);
        if (!handle) reason = std::string(name) + " could not be opened: " + lastLoaderError();
        return handle;
    }
    reason = std::string(name) + " was not found (looked in " + (looked.empty() ? "no place" : looked) + ")";
    return nullptr;
}

const FlextronCudaPlugin* openPlugin(const std::vector<fs::path>& candidates, std::string& reason)
{
    void* handle = openFirst(candidates, kPluginFile, reason);
    if (!handle) {
#ifndef FLEXTRON_CUDA_KERNELS
        if (reason.find("was not found") != std::string::npos) reason = "this build has no CUDA kernels";
#endif
        return nullptr;
    }
    const auto entry = reinterpret_cast<FlextronCudaEntry>(dlsym(handle, FLEXTRON_CUDA_SYMBOL));
    const FlextronCudaPlugin* plugin = entry ? entry() : nullptr;
    if (!plugin) {
        reason = std::string(kPluginFile) + " is not a plug-in of this program: it has no " + FLEXTRON_CUDA_SYMBOL;
        return nullptr;
    }
    if (plugin->abi != FLEXTRON_CUDA_ABI) {
        reason = std::string(kPluginFile) + " belongs to another version of this program (expected interface " +
                 std::to_string(FLEXTRON_CUDA_ABI) + ", found " + std::to_string(plugin->abi) + ")";
        return nullptr;
    }
    FlextronCudaMessage message{};
    std::int32_t count = 0;
    if (plugin->device_count(&count, &message) != 0) {
        reason = message.text;
        return nullptr;
    }
    if (count == 0) reason = "the NVIDIA driver shows no GPU";
    return count > 0 ? plugin : nullptr;
}

} // namespace

CudaPlaces CudaPlaces::standard()
{
    CudaPlaces places;
    const fs::path program = programFolder();
    const fs::path torch = torchFolder();
    if (const char* given = std::getenv("FLEXTRON_CUDA_PLUGIN"); given && *given) places.plugins.emplace_back(given);
    for (const fs::path& folder : {program, program / "../lib/flextron", program / "../lib", torch})
        if (!folder.empty()) places.plugins.push_back((folder / kPluginFile).lexically_normal());
    if (!torch.empty()) places.torch.push_back(torch / kTorchFile);
    if (const char* given = std::getenv("FLEXTRON_LIBTORCH"); given && *given) {
        places.torch.push_back(fs::path(given) / "lib" / kTorchFile);
        places.torch.push_back(fs::path(given) / "torch/lib" / kTorchFile);
    }
    return places;
}

CudaSupport CudaSupport::open(const CudaPlaces& places)
{
    CudaSupport support;
    if (!dlopen(places.driver.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
        support.torch_reason_ = "no NVIDIA driver: " + places.driver + " was not found";
        support.kernels_reason_ = support.torch_reason_;
        return support;
    }
    openFirst(places.torch, kTorchFile, support.torch_reason_);
    support.plugin_ = openPlugin(places.plugins, support.kernels_reason_);
    return support;
}

Result<int> CudaSupport::gpuCount() const
{
    if (!kernelsReady()) return Error{ErrorCode::Device, "no GPU can be used: " + kernels_reason_, ""};
    FlextronCudaMessage message{};
    std::int32_t count = 0;
    if (plugin_->device_count(&count, &message) != 0) return Error{ErrorCode::Device, message.text, ""};
    return int{count};
}

Result<Gpu> CudaSupport::gpu(int index) const
{
    const auto count = gpuCount();
    if (!count) return count.error();
    if (index < 0 || index >= *count)
        return Error{ErrorCode::Device,
                     "GPU " + std::to_string(index) + " does not exist: there are " + std::to_string(*count),
                     "count from 0: cuda:0 is the first"};
    FlextronCudaMessage message{};
    FlextronCudaDevice device{};
    if (plugin_->describe_device(index, &device, &message) != 0) return Error{ErrorCode::Device, message.text, ""};
    return Gpu{index,
               device.name,
               device.compute_major,
               device.compute_minor,
               device.multiprocessors,
               device.total_bytes,
               device.free_bytes,
               device.l2_bytes};
}

Result<std::vector<Gpu>> CudaSupport::gpus() const
{
    return guarded([&] {
        std::vector<Gpu> all;
        const int count = gpuCount().orThrow();
        for (int index = 0; index < count; ++index) all.push_back(gpu(index).orThrow());
        return all;
    });
}

Result<GpuReadSpeed> CudaSupport::measureRead(int index, std::uint64_t bytes, int repeats) const
{
    const auto device = gpu(index);
    if (!device) return device.error();
    if (bytes == 0) bytes = std::min<std::uint64_t>(2ull << 30, device->free_bytes / 4);
    FlextronCudaRead read{};
    FlextronCudaMessage message{};
    if (plugin_->measure_read(index, bytes / 16 * 16, repeats, &read, &message) != 0)
        return Error{ErrorCode::Device, message.text, ""};
    return GpuReadSpeed{read.median_bytes_per_second,
                        read.slowest_bytes_per_second,
                        read.fastest_bytes_per_second,
                        read.bytes,
                        read.repeats,
                        read.fold};
}

const CudaSupport& cudaSupport()
{
    static const CudaSupport support = CudaSupport::open(CudaPlaces::standard());
    return support;
}

} // namespace flextron
