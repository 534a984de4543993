// What lets one source be a CUDA kernel under nvcc and plain C++ under the compiler of the tests.
//
// A kernel is a struct: `Arguments` (plain data), `kThreads` (of a block) and
//     template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
// written in phases. exec.each(f) runs f(thread) for every thread of the block and ends in a barrier; what a thread
// keeps from one phase to the next is a PerThread value. On a GPU a phase is what the threads of a block do between two
// barriers (cuda_device_p.cuh). The tests run the same phases one thread after the other, in several orders: a
// result that depended on the order would be a race on the GPU.
//
// exec offers: blockX(), blockY(); each(f); shared(): the block's scratch memory, 16-byte aligned;
// sumOverWarps and maxOverWarps: every lane gets the result, by a butterfly of fixed order; add(address, value):
// atomic, gives the former value; setBits(address, bits): atomic or; fence(): what this thread wrote can be seen by the
// other blocks, systemFence(): by the host too; publish(address, value): a write by which the host knows that all
// writes before it are there; fresh(address): a read that sees what other blocks wrote in this launch;
// prefetch(address): a hint that the memory there will be read; await(): until the kernels before this one have ended.
// A kernel begins earlier than that, to have its weights at hand in time, and may read before await() only what no
// kernel of the step writes. It writes nothing before.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define FLEXTRON_HD __host__ __device__ __forceinline__
#define FLEXTRON_KERNEL __device__ __forceinline__
#else
#define FLEXTRON_HD inline
#define FLEXTRON_KERNEL inline
#endif
#ifdef __CUDA_ARCH__
#define FLEXTRON_UNROLL _Pragma("unroll")
#define FLEXTRON_UNROLL_BY_8 _Pragma("unroll 8") // of a loop whose loads then wait for memory together
#else
#define FLEXTRON_UNROLL
#define FLEXTRON_UNROLL_BY_8
#endif

namespace flextron::cuda {

inline constexpr int kWarp = 32; ///< threads

/// A small array of registers.
template <int kCount> struct Floats {
    float of[kCount];
};

template <int kValue> struct Constant {
    static constexpr int value = kValue;
};

template <class T> FLEXTRON_HD T smaller(T a, T b)
{
    return b < a ? b : a;
}
template <class T> FLEXTRON_HD T larger(T a, T b)
{
    return a < b ? b : a;
}
FLEXTRON_HD int dividedUp(int value, int by)
{
    return (value + by - 1) / by;
}
FLEXTRON_HD std::int64_t roundedUp(std::int64_t value, int multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

} // namespace flextron::cuda
