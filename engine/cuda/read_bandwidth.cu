// How fast this GPU reads its memory: the limit that decoding at batch 1 is held against.
//
// 16-byte loads, neighbouring threads at neighbouring addresses, eight in flight for each thread; the loads bypass the
// first-level cache, and the buffer must be many times the second-level one.

#include <algorithm>
#include <vector>

#include "engine/cuda/pattern.h"
#include "engine/cuda/support_p.cuh"

namespace flextron {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksPerMultiprocessor = 8;
constexpr int kInFlight = 8;
constexpr int kWarmUps = 3;

__global__ void writePattern(uint4* data, std::uint64_t quads)
{
    const std::uint64_t stride = std::uint64_t{gridDim.x} * blockDim.x;
    for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < quads; i += stride) {
        const std::uint64_t word = 4 * i;
        data[i] = {patternWord(word), patternWord(word + 1), patternWord(word + 2), patternWord(word + 3)};
    }
}

__device__ std::uint32_t foldQuad(std::uint32_t sum, uint4 quad)
{
    return fold(fold(fold(fold(sum, quad.x), quad.y), quad.z), quad.w);
}

__global__ void __launch_bounds__(kThreads) readAll(const uint4* data, std::uint64_t quads, std::uint32_t* result)
{
    const std::uint64_t stride = std::uint64_t{gridDim.x} * kThreads;
    std::uint64_t i = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
    std::uint32_t sum = 0;
    for (; i + (kInFlight - 1) * stride < quads; i += kInFlight * stride) {
        uint4 loaded[kInFlight];
#pragma unroll
        for (int j = 0; j < kInFlight; ++j) loaded[j] = __ldcg(data + i + j * stride);
#pragma unroll
        for (int j = 0; j < kInFlight; ++j) sum = foldQuad(sum, loaded[j]);
    }
    for (; i < quads; i += stride) sum = foldQuad(sum, __ldcg(data + i));
    sum = __reduce_xor_sync(0xffffffffu, sum);
    if (threadIdx.x % 32 == 0) atomicXor(result, sum);
}

} // namespace

FlextronCudaRead measureRead(int index, std::uint64_t bytes, int repeats)
{
    if (bytes == 0 || bytes % sizeof(uint4) != 0)
        throw std::runtime_error("the bytes to read must be a multiple of 16");
    if (repeats < 1) throw std::runtime_error("at least one repeat is needed");
    const CurrentDevice current(index);
    int multiprocessors = 0;
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, index),
          "asking for multiprocessors");
    const int blocks = multiprocessors * kBlocksPerMultiprocessor;
    const std::uint64_t quads = bytes / sizeof(uint4);
    const DeviceBuffer<uint4> data(quads);
    const DeviceBuffer<std::uint32_t> sum(1);
    writePattern<<<blocks, kThreads>>>(data.get(), quads);
    check(cudaGetLastError(), "starting a kernel");

    FlextronCudaRead result{};
    std::vector<double> seconds;
    for (int repeat = -kWarmUps; repeat < repeats; ++repeat) {
        check(cudaMemsetAsync(sum.get(), 0, sizeof(std::uint32_t)), "clearing GPU memory");
        Event begin;
        Event end;
        begin.record();
        readAll<<<blocks, kThreads>>>(data.get(), quads, sum.get());
        check(cudaGetLastError(), "starting a kernel");
        end.record();
        const double taken = Event::secondsBetween(begin, end);
        if (repeat >= 0) seconds.push_back(taken);
    }
    check(cudaMemcpy(&result.fold, sum.get(), sizeof result.fold, cudaMemcpyDeviceToHost), "reading the result");

    std::sort(seconds.begin(), seconds.end());
    const auto rate = [bytes](double s) { return static_cast<double>(bytes) / s; };
    result.median_bytes_per_second = rate(seconds[seconds.size() / 2]);
    result.fastest_bytes_per_second = rate(seconds.front());
    result.slowest_bytes_per_second = rate(seconds.back());
    result.bytes = bytes;
    result.repeats = repeats;
    return result;
}

} // namespace flextron
