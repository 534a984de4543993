// A device that is no device: runs the kernels on the CPU, one block and one thread after the other, so that the very
// source of the CUDA kernels is tested where there is no GPU.
//
// Memory begins as NaN, in blocks too, so that what is read unwritten shows. Blocks, and threads within a phase, run in
// an order of choice: kernels without races give the same bits in every order. A kernel begins as early as it could on
// a GPU: before await(), its first block sees the memory as it was before any kernel since the last copy had run. A
// captured graph holds its launches with their arguments as they were, like a real one.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/cuda/kernels/portable_p.h"
#include "engine/cuda/plugin.h"
#include "engine/cuda/step/device_memory_p.h"

namespace flextron::test {

using cuda::Floats;
using cuda::kWarp;

enum class Order { Forward, Backward, Shuffled };

inline std::vector<int> orderOf(Order order, int count)
{
    std::vector<int> result(static_cast<std::size_t>(count));
    std::iota(result.begin(), result.end(), 0);
    if (order == Order::Backward) std::iota(result.rbegin(), result.rend(), 0);
    std::mt19937 random(7);
    if (order == Order::Shuffled) std::shuffle(result.begin(), result.end(), random);
    return result;
}

class EmulatedExecution final {
public:
    template <class T> class PerThread {
    public:
        explicit PerThread(const EmulatedExecution& execution) : values_(execution.threads_.size())
        {
            std::memset(static_cast<void*>(values_.data()), 0xff, values_.size() * sizeof(T));
        }
        T& operator[](int thread) { return values_[static_cast<std::size_t>(thread)]; }

    private:
        std::vector<T> values_;
    };

    EmulatedExecution(int x, int y, const std::vector<int>& threads, void* shared, const std::function<void()>& await)
        : x_(x)
        , y_(y)
        , threads_(threads)
        , shared_(shared)
        , await_(await)
    {
    }
    [[nodiscard]] int blockX() const { return x_; }
    [[nodiscard]] int blockY() const { return y_; }
    [[nodiscard]] void* shared() const { return shared_; }

    template <class Body> void each(Body&& body)
    {
        for (const int thread : threads_) body(thread);
    }
    template <int kCount> void sumOverWarps(PerThread<Floats<kCount>>& values)
    {
        butterfly<kCount>(values, [](float a, float b) { return a + b; });
    }
    void maxOverWarps(PerThread<Floats<1>>& values)
    {
        butterfly<1>(values, [](float a, float b) { return cuda::larger(a, b); });
    }
    template <class T> T add(T* address, T value)
    {
        const T before = *address;
        *address = before + value;
        return before;
    }
    void setBits(std::uint32_t* address, std::uint32_t bits) { *address |= bits; }
    void fence() {}
    void systemFence() {}
    void publish(std::uint32_t* address, std::uint32_t value) { *address = value; }
    [[nodiscard]] float fresh(const float* address) const { return *address; }
    void await() { await_(); }
    /// Touches the memory, so that a sanitizer sees a hint that points nowhere.
    void prefetch(const void* address) { touched_ = *static_cast<const volatile unsigned char*>(address); }

private:
    template <int kCount, class Combine> void butterfly(PerThread<Floats<kCount>>& values, Combine combine)
    {
        for (int warp = 0; warp < static_cast<int>(threads_.size()); warp += kWarp)
            for (int distance = kWarp / 2; distance > 0; distance /= 2) {
                Floats<kCount> before[kWarp];
                for (int lane = 0; lane < kWarp; ++lane) before[lane] = values[warp + lane];
                for (int lane = 0; lane < kWarp; ++lane)
                    for (int i = 0; i < kCount; ++i)
                        values[warp + lane].of[i] = combine(before[lane].of[i], before[lane ^ distance].of[i]);
            }
    }

    int x_, y_;
    unsigned char touched_ = 0;
    const std::vector<int>& threads_;
    void* shared_;
    const std::function<void()>& await_;
};

class EmulatedDevice final {
public:
    struct Current {
        explicit Current(const EmulatedDevice&) {}
        Current(const Current&) = delete;
        Current& operator=(const Current&) = delete;
        ~Current() {}
    };
    /// Runs one kernel; its argument runs those before it.
    using Kernel = std::function<void(const std::function<void()>&)>;
    using Graph = std::vector<std::function<void(EmulatedDevice&)>>;

    /// GPUs 0, 1, 2 run in the three orders. GPU 3 runs forward and has little memory.
    explicit EmulatedDevice(int index) : order_(static_cast<Order>(index % 3)), free_(freeBytes(index)) {}
    static std::uint64_t freeBytes(int index) { return index == 3 ? 4u << 20 : 1u << 30; }

    void* allocate(std::size_t bytes)
    {
        if (use_.bytes + bytes > free_)
            throw cuda::NoMemory("the GPU has " + std::to_string(free_ - use_.bytes) + " bytes of memory left, and " +
                                 std::to_string(bytes) + " more are needed");
        use_.bytes += bytes;
        void* memory = ::operator new(bytes, std::align_val_t(256));
        std::memset(memory, 0xff, bytes);
        return memory;
    }
    void release(void* memory, std::size_t bytes)
    {
        ::operator delete(memory, std::align_val_t(256));
        use_.bytes -= bytes;
    }
    void* allocateShared(std::size_t bytes)
    {
        void* memory = ::operator new(bytes, std::align_val_t(256));
        std::memset(memory, 0, bytes);
        return memory;
    }
    void releaseShared(void* memory) { ::operator delete(memory, std::align_val_t(256)); }

    void upload(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
    void download(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
    void copy(void* to, const void* from, std::size_t bytes)
    {
        queue([=](EmulatedDevice& device) {
            device.finish();
            std::memcpy(to, from, bytes);
        });
    }
    void clear(void* memory, std::size_t bytes)
    {
        finish();
        std::memset(memory, 0, bytes);
    }
    void wait()
    {
        finish();
        ++use_.waits;
    }

    template <class Code>
    void launch(int blocks_x, int blocks_y, std::size_t shared_bytes, const typename Code::Arguments& arguments)
    {
        const Order order = order_;
        if (!capturing_) ++use_.launches;
        const Kernel kernel = [=](const std::function<void()>& before) {
            bool waited = false;
            const std::function<void()> await = [&] {
                if (!std::exchange(waited, true)) before();
            };
            const std::vector<int> threads = orderOf(order, Code::kThreads);
            std::vector<float> shared(shared_bytes / sizeof(float) + 8);
            auto* begin = reinterpret_cast<std::byte*>(shared.data());
            begin += (16 - reinterpret_cast<std::uintptr_t>(begin) % 16) % 16;
            for (const int block : orderOf(order, blocks_x * blocks_y)) {
                std::memset(static_cast<void*>(shared.data()), 0xff, shared.size() * sizeof(float));
                EmulatedExecution execution(block % blocks_x, block / blocks_x, threads, begin, await);
                Code::run(execution, arguments);
            }
            await(); // even if no block had anything to do
        };
        queue([kernel](EmulatedDevice& device) {
            device.unfinished_ = [kernel, before = std::move(device.unfinished_)] { kernel(before); };
        });
    }

    template <class Body> Graph capture(Body&& body)
    {
        capturing_ = true;
        captured_.clear();
        body();
        capturing_ = false;
        ++use_.captures;
        return std::move(captured_);
    }
    void replay(const Graph& graph)
    {
        for (const auto& work : graph) work(*this);
        ++use_.replays;
    }
    void waitFor(const std::uint32_t* word, std::uint32_t value)
    {
        finish();
        ++use_.waits;
        if (*word != value) throw std::runtime_error("running kernels: the step ended without a result");
    }
    [[nodiscard]] FlextronCudaUse use() const { return use_; }

private:
    template <class Work> void queue(Work work)
    {
        if (capturing_) captured_.push_back(work);
        else work(*this);
    }
    /// Runs the kernels since the last copy: the last one begins, and what is in front of each runs when it awaits it.
    void finish()
    {
        std::exchange(unfinished_, [] {})();
    }

    Order order_;
    std::uint64_t free_;
    bool capturing_ = false;
    Graph captured_;
    std::function<void()> unfinished_ = [] {};
    FlextronCudaUse use_{};
};

} // namespace flextron::test
