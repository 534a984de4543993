// Memory of a device, owned. A Device is what the step runs on: CudaDevice (cuda_device_p.cuh), or the CPU in the
// tests.
//
// It offers: allocate/release (device memory; throws NoMemory), allocateShared/releaseShared (memory of the host that
// kernels can write), upload, download, copy, clear (in order; upload and download may return before they are done,
// wait() waits), launch<Kernel>(blocks_x, blocks_y, shared_bytes, arguments), capture(f) and replay(graph),
// waitFor(word, value): until a kernel has written the value. All throw what a person can read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace flextron::cuda {

/// The device's memory does not suffice.
class NoMemory final : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

template <class Device> class DeviceMemory final {
public:
    DeviceMemory() = default;
    DeviceMemory(Device& device, std::size_t bytes)
        : device_(&device)
        , data_(bytes > 0 ? device.allocate(bytes) : nullptr)
        , bytes_(bytes)
    {
    }
    DeviceMemory(DeviceMemory&& other) noexcept
        : device_(other.device_)
        , data_(std::exchange(other.data_, nullptr))
        , bytes_(std::exchange(other.bytes_, 0))
    {
    }
    DeviceMemory& operator=(DeviceMemory&& other) noexcept
    {
        std::swap(device_, other.device_);
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~DeviceMemory()
    {
        if (data_) device_->release(data_, bytes_);
    }

    template <class T> T* as() const { return static_cast<T*>(data_); }
    std::size_t bytes() const { return bytes_; }
    explicit operator bool() const { return data_ != nullptr; }

private:
    Device* device_ = nullptr;
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Memory of the host that kernels can write; begins as zeros.
template <class Device> class SharedMemory final {
public:
    SharedMemory() = default;
    SharedMemory(Device& device, std::size_t bytes) : device_(&device), data_(device.allocateShared(bytes)) {}
    SharedMemory(SharedMemory&& other) noexcept : device_(other.device_), data_(std::exchange(other.data_, nullptr)) {}
    SharedMemory& operator=(SharedMemory&& other) noexcept
    {
        std::swap(device_, other.device_);
        std::swap(data_, other.data_);
        return *this;
    }
    ~SharedMemory()
    {
        if (data_) device_->releaseShared(data_);
    }
    template <class T> T* as() const { return static_cast<T*>(data_); }

private:
    Device* device_ = nullptr;
    void* data_ = nullptr;
};

/// Hands out pieces of one allocation, each at a multiple of 256 bytes. First pass without memory, to count.
class Carver final {
public:
    Carver() = default;
    explicit Carver(void* memory) : memory_(static_cast<std::byte*>(memory)) {}
    template <class T> T* take(std::int64_t count)
    {
        T* place = memory_ ? reinterpret_cast<T*>(memory_ + used_) : nullptr;
        used_ += (static_cast<std::size_t>(count) * sizeof(T) + 255) / 256 * 256;
        return place;
    }
    std::size_t used() const { return used_; }

private:
    std::byte* memory_ = nullptr;
    std::size_t used_ = 0;
};

} // namespace flextron::cuda
