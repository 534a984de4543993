// Where the tests of the CUDA backend run: on emulated GPUs (emulated_device.h), or, with FLEXTRON_TEST_GPU=1, on the
// GPU.
#pragma once

#include <cstdlib>

#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/loader.h"

namespace flextron::test {

inline bool onRealGpu()
{
    const char* wanted = std::getenv("FLEXTRON_TEST_GPU");
    return wanted && *wanted == '1';
}

/// Emulated GPUs 0, 1 and 2 run blocks and threads in different orders; 3 has little memory.
inline constexpr int kEmulatedOrders = 3;
inline constexpr int kSmallGpu = 3;

inline const CudaSupport& testSupport()
{
    if (onRealGpu()) return cudaSupport();
    static const CudaSupport emulated = [] {
        CudaPlaces places;
        places.driver = "libc.so.6"; // a library that is always there, in the driver's place
        places.plugins = {FLEXTRON_EMULATED};
        return CudaSupport::open(places);
    }();
    return emulated;
}

/// `order` chooses an emulated GPU; a real one has no choice.
inline std::shared_ptr<const Backend> loadOnTestGpu(std::shared_ptr<const Checkpoint> checkpoint, WeightType type,
                                                    int order = 0)
{
    return loadCudaBackend(std::move(checkpoint), testSupport(), onRealGpu() ? 0 : order, type).orThrow();
}

} // namespace flextron::test
