// What the plug-in's files share: CUDA's error codes as exceptions inside, and owners of device memory and events.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "engine/cuda/plugin.h"

namespace flextron {

inline void check(cudaError_t status, const char* what)
{
    if (status == cudaSuccess) return;
    cudaGetLastError(); // an error that is not sticky shall not show up again in the next call
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

template <class T> class DeviceBuffer final {
public:
    explicit DeviceBuffer(std::size_t count) { check(cudaMalloc(&data_, count * sizeof(T)), "allocating GPU memory"); }
    ~DeviceBuffer() { cudaFree(data_); }
    DeviceBuffer(const DeviceBuffer&) = delete;
    DeviceBuffer& operator=(const DeviceBuffer&) = delete;
    T* get() const { return data_; }

private:
    T* data_ = nullptr;
};

class Event final {
public:
    Event() { check(cudaEventCreate(&event_), "creating a CUDA event"); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    void record() { check(cudaEventRecord(event_), "recording a CUDA event"); }
    /// Waits for both.
    static double secondsBetween(const Event& from, const Event& to)
    {
        check(cudaEventSynchronize(to.event_), "running a kernel");
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, from.event_, to.event_), "reading a CUDA event");
        return milliseconds * 1e-3;
    }

private:
    cudaEvent_t event_ = nullptr;
};

/// Makes a GPU current for this thread, and the former one again afterwards.
class CurrentDevice final {
public:
    explicit CurrentDevice(int index)
    {
        check(cudaGetDevice(&former_), "asking for the current GPU");
        changed_ = former_ != index;
        if (changed_) check(cudaSetDevice(index), "choosing the GPU");
    }
    ~CurrentDevice()
    {
        if (changed_) cudaSetDevice(former_);
    }
    CurrentDevice(const CurrentDevice&) = delete;
    CurrentDevice& operator=(const CurrentDevice&) = delete;

private:
    int former_ = 0;
    bool changed_ = false;
};

FlextronCudaRead measureRead(int index, std::uint64_t bytes, int repeats);

} // namespace flextron
