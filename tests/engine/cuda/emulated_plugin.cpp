// The plug-in with its kernels, on emulated GPUs (emulated_device.h).

#include <algorithm>
#include <cstdio>

#include "engine/cuda/step/plugin_functions_p.h"
#include "tests/engine/cuda/emulated_device.h"

namespace {

using flextron::test::EmulatedDevice;

int deviceCount(std::int32_t* count, FlextronCudaMessage*)
{
    *count = 4;
    return 0;
}

int describeDevice(std::int32_t index, FlextronCudaDevice* device, FlextronCudaMessage*)
{
    *device = {};
    std::snprintf(device->name, sizeof device->name, "emulated GPU %d", index);
    device->compute_major = 9;
    device->multiprocessors = 1;
    device->total_bytes = device->free_bytes = EmulatedDevice::freeBytes(index);
    return 0;
}

int measureRead(std::int32_t, std::uint64_t, std::int32_t, FlextronCudaRead*, FlextronCudaMessage* message)
{
    std::snprintf(message->text, sizeof message->text, "an emulated GPU has no memory to measure");
    return FLEXTRON_CUDA_FAILED;
}

constexpr FlextronCudaPlugin plugin = flextron::cuda::pluginTable<EmulatedDevice>(0, deviceCount, describeDevice,
                                                                                  measureRead);

} // namespace

extern "C" __attribute__((visibility("default"))) const FlextronCudaPlugin* flextron_cuda_plugin();
extern "C" const FlextronCudaPlugin* flextron_cuda_plugin()
{
    return &plugin;
}
