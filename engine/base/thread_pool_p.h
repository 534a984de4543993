// A few threads for work that comes every few microseconds: started once, awake while it comes, asleep otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace flextron {

/// Items are taken from a counter by whoever is free, so a thread that another program holds up delays nobody: one
/// that has not begun when the work is done is not waited for. Nothing that is computed may depend on who took what.
class ThreadPool {
public:
    /// `threads` includes the caller's own; at least 1.
    explicit ThreadPool(int threads);
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    ~ThreadPool();

    [[nodiscard]] int threads() const { return static_cast<int>(workers_.size()) + 1; }

    /// Calls body(item, thread) for every item in [0, items), on several threads, and returns when all are done.
    /// `thread` is below threads() and names scratch memory. `body` must not throw. One caller at a time. Allocates
    /// nothing.
    template <class Body> void forEach(int items, const Body& body)
    {
        run(
            items,
            [](const void* context, int item, int thread) { (*static_cast<const Body*>(context))(item, thread); },
            &body);
    }

    /// For a body: items from `items` on need not be done. Those that were taken already are.
    void endAt(int items) { items_.store(items, std::memory_order_relaxed); }

private:
    using Task = void (*)(const void* context, int item, int thread);
    void run(int items, Task task, const void* context);
    void takeItems(int thread);
    void serve(int thread);
    bool await(std::uint64_t seen);

    // The gate: a round's number, whether it may still be entered, and how many workers are inside.
    static constexpr std::uint64_t kInside = 0xffff;
    static constexpr std::uint64_t kOpen = 0x10000;
    static constexpr std::uint64_t kRound = 0x20000;
    alignas(64) std::atomic<std::uint64_t> gate_{0};
    alignas(64) std::atomic<int> next_{0};
    alignas(64) std::atomic<int> items_{0}; // these three are set while the gate is closed and empty
    Task task_ = nullptr;
    const void* context_ = nullptr;

    alignas(64) std::atomic<int> sleepers_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::thread> workers_;
};

} // namespace flextron
