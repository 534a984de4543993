// A GPU as the step sees it: memory, launches, captured graphs, one stream.
#pragma once

#include <cstring>
#include <string>
#include <thread>

#include "engine/cuda/kernels/portable_p.h"
#include "engine/cuda/step/device_memory_p.h"
#include "engine/cuda/support_p.cuh"

namespace flextron::cuda {

/// What kernels are written against (kernels/portable_p.h): here a thread is a thread.
class DeviceExecution final {
public:
    template <class T> class PerThread {
    public:
        __device__ explicit PerThread(const DeviceExecution&) {}
        __device__ T& operator[](int) { return value_; }

    private:
        T value_;
    };

    __device__ explicit DeviceExecution(void* shared) : shared_(shared) {}
    __device__ int blockX() const { return static_cast<int>(blockIdx.x); }
    __device__ int blockY() const { return static_cast<int>(blockIdx.y); }
    __device__ void* shared() const { return shared_; }

    template <class Body> __device__ __forceinline__ void each(Body&& body)
    {
        body(static_cast<int>(threadIdx.x));
        __syncthreads();
    }
    template <int kCount> __device__ __forceinline__ void sumOverWarps(PerThread<Floats<kCount>>& values)
    {
        FLEXTRON_UNROLL
        for (int distance = kWarp / 2; distance > 0; distance /= 2) {
            FLEXTRON_UNROLL
            for (int i = 0; i < kCount; ++i) values[0].of[i] += __shfl_xor_sync(0xffffffffu, values[0].of[i], distance);
        }
    }
    __device__ __forceinline__ void maxOverWarps(PerThread<Floats<1>>& values)
    {
        FLEXTRON_UNROLL
        for (int distance = kWarp / 2; distance > 0; distance /= 2)
            values[0].of[0] = larger(values[0].of[0], __shfl_xor_sync(0xffffffffu, values[0].of[0], distance));
    }
    __device__ std::uint32_t add(std::uint32_t* address, std::uint32_t value) { return atomicAdd(address, value); }
    __device__ std::uint64_t add(std::uint64_t* address, std::uint64_t value)
    {
        return atomicAdd(reinterpret_cast<unsigned long long*>(address), static_cast<unsigned long long>(value));
    }
    __device__ void setBits(std::uint32_t* address, std::uint32_t bits) { atomicOr(address, bits); }
    __device__ void fence() { __threadfence(); }
    __device__ void systemFence() { __threadfence_system(); }
    __device__ void publish(std::uint32_t* address, std::uint32_t value)
    {
        asm volatile("st.release.sys.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
    }
    __device__ float fresh(const float* address) { return __ldcg(address); }
    __device__ void prefetch(const void* address) { asm volatile("prefetch.global.L2 [%0];" ::"l"(address)); }
    __device__ void await()
    {
#if __CUDA_ARCH__ >= 900
        cudaGridDependencySynchronize();
#endif
    }

private:
    void* shared_;
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kResident)
    runKernel(const typename Kernel::Arguments arguments)
{
    extern __shared__ uint4 shared[];
    DeviceExecution execution(shared);
#if __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion(); // the next kernel's blocks may begin as soon as all of this one's have
#endif
    Kernel::run(execution, arguments);
    // A kernel has ended only when those before it have; for that it is enough that one block waits. The others that
    // have nothing to do make room.
    if (blockIdx.x == 0 && blockIdx.y == 0) execution.await();
}

class CudaDevice final {
public:
    /// Makes the GPU current for the calling thread.
    class Current final {
    public:
        explicit Current(const CudaDevice& device) : current_(device.index_) {}

    private:
        CurrentDevice current_;
    };

    class Graph final {
    public:
        explicit Graph(cudaGraphExec_t graph) : graph_(graph) {}
        Graph(Graph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
        Graph& operator=(Graph&&) = delete;
        ~Graph()
        {
            if (graph_) cudaGraphExecDestroy(graph_);
        }
        cudaGraphExec_t get() const { return graph_; }

    private:
        cudaGraphExec_t graph_;
    };

    explicit CudaDevice(int index) : index_(index)
    {
        const CurrentDevice current(index);
        check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a CUDA stream");
        check(cudaDeviceGetAttribute(&most_shared_, cudaDevAttrMaxSharedMemoryPerBlockOptin, index),
              "asking for a GPU's shared memory");
        int major = 0;
        check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "asking for a GPU's kind");
        overlaps_ = major >= 9;
    }
    ~CudaDevice() { cudaStreamDestroy(stream_); }
    CudaDevice(const CudaDevice&) = delete;
    CudaDevice& operator=(const CudaDevice&) = delete;

    void* allocate(std::size_t bytes)
    {
        void* memory = nullptr;
        const cudaError_t status = cudaMalloc(&memory, bytes);
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            std::size_t free_bytes = 0, total_bytes = 0;
            check(cudaMemGetInfo(&free_bytes, &total_bytes), "asking for a GPU's memory");
            throw NoMemory("the GPU has " + std::to_string(free_bytes >> 20) + " MiB of memory left, and " +
                           std::to_string((bytes >> 20) + 1) + " MiB more are needed");
        }
        check(status, "allocating GPU memory");
        use_.bytes += bytes;
        return memory;
    }
    void release(void* memory, std::size_t bytes)
    {
        cudaStreamSynchronize(stream_); // nothing that still runs may use it
        cudaFree(memory);
        use_.bytes -= bytes;
    }
    void* allocateShared(std::size_t bytes)
    {
        void* memory = nullptr;
        check(cudaHostAlloc(&memory, bytes, cudaHostAllocMapped | cudaHostAllocPortable), "allocating pinned memory");
        std::memset(memory, 0, bytes);
        return memory;
    }
    void releaseShared(void* memory)
    {
        cudaStreamSynchronize(stream_);
        cudaFreeHost(memory);
    }

    void upload(void* to, const void* from, std::size_t bytes) { move(to, from, bytes, cudaMemcpyHostToDevice); }
    void download(void* to, const void* from, std::size_t bytes) { move(to, from, bytes, cudaMemcpyDeviceToHost); }
    void copy(void* to, const void* from, std::size_t bytes) { move(to, from, bytes, cudaMemcpyDeviceToDevice); }
    void clear(void* memory, std::size_t bytes)
    {
        after_kernel_ = false;
        check(cudaMemsetAsync(memory, 0, bytes, stream_), "clearing GPU memory");
    }
    void wait()
    {
        ++use_.waits;
        check(cudaStreamSynchronize(stream_), "running kernels");
    }

    template <class Kernel>
    void launch(int blocks_x, int blocks_y, std::size_t shared_bytes, const typename Kernel::Arguments& arguments)
    {
        if (shared_bytes > 48 * 1024) {
            if (shared_bytes > static_cast<std::size_t>(most_shared_))
                throw std::runtime_error("this model's groups of heads need " + std::to_string(shared_bytes) +
                                         " bytes of shared memory; the GPU has " + std::to_string(most_shared_));
            check(cudaFuncSetAttribute(runKernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                       static_cast<int>(shared_bytes)),
                  "asking for more shared memory");
        }
        cudaLaunchAttribute overlap{};
        overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
        overlap.val.programmaticStreamSerializationAllowed = 1;
        cudaLaunchConfig_t config{};
        config.gridDim = dim3(static_cast<unsigned>(blocks_x), static_cast<unsigned>(blocks_y));
        config.blockDim = dim3(Kernel::kThreads);
        config.dynamicSmemBytes = shared_bytes;
        config.stream = stream_;
        config.attrs = &overlap;
        config.numAttrs = overlaps_ && after_kernel_ ? 1 : 0;
        check(cudaLaunchKernelEx(&config, runKernel<Kernel>, arguments), "starting a kernel");
        after_kernel_ = true;
        if (!capturing_) ++use_.launches;
    }

    /// What `body` queues, as a graph. Nothing runs.
    template <class Body> Graph capture(Body&& body)
    {
        check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capturing a graph");
        cudaGraph_t graph = nullptr;
        capturing_ = true;
        try {
            body();
        } catch (...) {
            capturing_ = false;
            cudaStreamEndCapture(stream_, &graph);
            if (graph) cudaGraphDestroy(graph);
            throw;
        }
        capturing_ = false;
        check(cudaStreamEndCapture(stream_, &graph), "capturing a graph");
        cudaGraphExec_t executable = nullptr;
        const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
        cudaGraphDestroy(graph);
        check(status, "preparing a graph");
        ++use_.captures;
        return Graph(executable);
    }
    void replay(const Graph& graph)
    {
        check(cudaGraphLaunch(graph.get(), stream_), "starting a graph");
        ++use_.replays;
    }

    /// Returns when a kernel has written `value`, or throws when the kernels failed.
    void waitFor(const std::uint32_t* word, std::uint32_t value)
    {
        constexpr unsigned kSpins = 4096; // some microseconds
        ++use_.waits;
        for (unsigned spin = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; ++spin) {
            if (spin % kSpins != 0) continue;
            const cudaError_t status = cudaStreamQuery(stream_);
            if (status != cudaErrorNotReady) {
                check(status, "running kernels");
                if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
                    throw std::runtime_error("running kernels: the step ended without a result");
                return;
            }
            if (spin > 8 * kSpins) std::this_thread::yield();
        }
    }

    FlextronCudaUse use() const { return use_; }

private:
    void move(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind)
    {
        after_kernel_ = false;
        check(cudaMemcpyAsync(to, from, bytes, kind, stream_), "moving memory to or from the GPU");
    }

    int index_;
    int most_shared_ = 0;
    cudaStream_t stream_ = nullptr;
    bool overlaps_ = false;     ///< kernels may begin before the last one has ended (compute capability 9.0)
    bool after_kernel_ = false; ///< the last thing in the stream is a kernel of ours
    bool capturing_ = false;
    FlextronCudaUse use_{};
};

} // namespace flextron::cuda
