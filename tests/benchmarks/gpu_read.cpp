// How fast each GPU reads its memory, and whether it reads what was written. Needs no Qt.
//   gpu_read [BYTES [REPEATS]]

#include <cstdio>
#include <cstdlib>

#include "engine/cuda/loader.h"
#include "engine/cuda/pattern.h"

int main(int argc, char** argv)
{
    using namespace flextron;
    const std::uint64_t bytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    const int repeats = argc > 2 ? std::atoi(argv[2]) : 20;

    const CudaSupport& support = cudaSupport();
    std::printf("LibTorch's CUDA part: %s\n", support.torchReady() ? "open" : support.torchReason().c_str());
    std::printf("our kernels: %s\n", support.kernelsReady() ? "open" : support.kernelsReason().c_str());
    const auto gpus = support.gpus();
    if (!gpus) return 1;

    bool right = true;
    for (const Gpu& gpu : *gpus) {
        constexpr double gib = 1ull << 30;
        std::printf("GPU %d: %s, compute capability %d.%d, %d multiprocessors, %.1f of %.1f GiB free\n", gpu.index,
                    gpu.name.c_str(), gpu.compute_major, gpu.compute_minor, gpu.multiprocessors,
                    static_cast<double>(gpu.free_bytes) / gib, static_cast<double>(gpu.total_bytes) / gib);
        const auto read = support.measureRead(gpu.index, bytes, repeats);
        if (!read) {
            std::printf("  failed: %s\n", read.error().message.c_str());
            right = false;
            continue;
        }
        const bool same = read->fold == foldOfPattern(read->bytes / 4);
        std::printf("  reads %.0f GB/s (slowest %.0f, fastest %.0f; %d times %.2f GiB); contents %s\n",
                    read->median_bytes_per_second * 1e-9, read->slowest_bytes_per_second * 1e-9,
                    read->fastest_bytes_per_second * 1e-9, read->repeats, static_cast<double>(read->bytes) / gib,
                    same ? "right" : "WRONG");
        right = right && same;
    }
    return right ? 0 : 1;
}
