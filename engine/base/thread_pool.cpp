#include "engine/base/thread_pool_p.h"

#include <chrono>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace flextron {
namespace {

/// Longer than the pause between two parts of a step and than the sampling of a token; far shorter than a frame of the
/// window, which needs the processors too.
constexpr auto kSpin = std::chrono::microseconds(50);
constexpr int kPausesBetweenLooks = 32;

void pauseBriefly()
{
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

} // namespace

ThreadPool::ThreadPool(int threads)
{
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { serve(i); });
}

ThreadPool::~ThreadPool()
{
    {
        const std::lock_guard lock(mutex_);
        stop_.store(true);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int items, Task task, const void* context)
{
    if (workers_.empty() || items < 2) {
        for (int i = 0; i < items; ++i) task(context, i, 0);
        return;
    }
    items_.store(items, std::memory_order_relaxed);
    task_ = task;
    context_ = context;
    next_.store(0, std::memory_order_relaxed);
    const std::uint64_t round = (gate_.load(std::memory_order_relaxed) & ~(kOpen | kInside)) + kRound;
    // Sequentially consistent, as are the sleepers' steps: either they see the open gate, or we see them asleep.
    gate_.store(round | kOpen);
    if (sleepers_.load() > 0) {
        {
            const std::lock_guard lock(mutex_);
        }
        wake_.notify_all();
    }
    takeItems(0);
    gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
    for (int spins = 0; (gate_.load(std::memory_order_acquire) & kInside) != 0; ++spins) {
        pauseBriefly();
        // With more threads than processors the one we wait for may need ours.
        if (spins % 1024 == 1023) std::this_thread::yield();
    }
}

void ThreadPool::takeItems(int thread)
{
    for (int item = next_.fetch_add(1, std::memory_order_relaxed); item < items_.load(std::memory_order_relaxed);
         item = next_.fetch_add(1, std::memory_order_relaxed))
        task_(context_, item, thread);
}

void ThreadPool::serve(int thread)
{
    std::uint64_t seen = 0;
    while (await(seen)) {
        std::uint64_t gate = gate_.load(std::memory_order_acquire);
        if ((gate & kOpen) == 0) continue;
        if (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) continue;
        seen = gate / kRound;
        takeItems(thread);
        gate_.fetch_sub(1, std::memory_order_acq_rel);
    }
}

/// Returns when a round other than `seen` is open, or false when there will be none.
bool ThreadPool::await(std::uint64_t seen)
{
    const auto ready = [&] {
        const std::uint64_t gate = gate_.load();
        return ((gate & kOpen) != 0 && gate / kRound != seen) || stop_.load();
    };
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
        for (int i = 0; i < kPausesBetweenLooks; ++i) {
            if (ready()) return !stop_.load();
            pauseBriefly();
        }
    } while (std::chrono::steady_clock::now() < end);
    std::unique_lock lock(mutex_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, ready);
    sleepers_.fetch_sub(1);
    return !stop_.load();
}

} // namespace flextron
