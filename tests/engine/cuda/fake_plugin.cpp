// A plug-in whose one GPU is made up.

#include <cstdio>

#include "engine/cuda/plugin.h"

namespace {

int deviceCount(int32_t* count, FlextronCudaMessage*)
{
    *count = 1;
    return 0;
}

int describeDevice(int32_t, FlextronCudaDevice* device, FlextronCudaMessage*)
{
    *device = {"A made-up GPU", 9, 0, 132, 0, 1000, 800, 50};
    return 0;
}

int measureRead(int32_t, uint64_t bytes, int32_t repeats, FlextronCudaRead* result, FlextronCudaMessage* message)
{
    if (repeats > 100) {
        std::snprintf(message->text, sizeof message->text, "it grew too hot");
        return 1;
    }
    *result = {2e12, 1e12, 3e12, bytes, repeats, 7};
    return 0;
}

#ifdef FAKE_OTHER_VERSION
constexpr int abi = FLEXTRON_CUDA_ABI + 1;
#else
constexpr int abi = FLEXTRON_CUDA_ABI;
#endif
/// Its functions for models are not there: nothing here calls them.
[[maybe_unused]] constexpr FlextronCudaPlugin plugin = [] {
    FlextronCudaPlugin table{};
    table.abi = abi;
    table.runtime_version = 13000;
    table.device_count = deviceCount;
    table.describe_device = describeDevice;
    table.measure_read = measureRead;
    return table;
}();

} // namespace

#ifndef FAKE_NOT_A_PLUGIN
extern "C" __attribute__((visibility("default"))) const FlextronCudaPlugin* flextron_cuda_plugin();
extern "C" const FlextronCudaPlugin* flextron_cuda_plugin()
{
    return &plugin;
}
#endif
