// The table of functions that the program finds in libflextron_cuda.so, and the enumeration of GPUs.

#include "engine/cuda/cuda_device_p.cuh"
#include "engine/cuda/step/plugin_functions_p.h"

namespace {

using flextron::check;
using flextron::cuda::guardedCall;

int deviceCount(int32_t* count, FlextronCudaMessage* message)
{
    return guardedCall(message, [&] {
        int found = 0;
        check(cudaGetDeviceCount(&found), "asking the driver for its GPUs");
        *count = found;
    });
}

int describeDevice(int32_t index, FlextronCudaDevice* device, FlextronCudaMessage* message)
{
    return guardedCall(message, [&] {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, index), "asking for a GPU's properties");
        const flextron::CurrentDevice current(index);
        std::size_t free_bytes = 0;
        std::size_t total_bytes = 0;
        check(cudaMemGetInfo(&free_bytes, &total_bytes), "asking for a GPU's memory");
        *device = {};
        std::snprintf(device->name, sizeof device->name, "%s", properties.name);
        device->compute_major = properties.major;
        device->compute_minor = properties.minor;
        device->multiprocessors = properties.multiProcessorCount;
        device->total_bytes = total_bytes;
        device->free_bytes = free_bytes;
        device->l2_bytes = static_cast<uint64_t>(properties.l2CacheSize);
    });
}

int measureRead(int32_t index, uint64_t bytes, int32_t repeats, FlextronCudaRead* result, FlextronCudaMessage* message)
{
    return guardedCall(message, [&] { *result = flextron::measureRead(index, bytes, repeats); });
}

constexpr FlextronCudaPlugin plugin = flextron::cuda::pluginTable<flextron::cuda::CudaDevice>(
    CUDART_VERSION, deviceCount, describeDevice, measureRead);

} // namespace

extern "C" __attribute__((visibility("default"))) const FlextronCudaPlugin* flextron_cuda_plugin()
{
    return &plugin;
}
