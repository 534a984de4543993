#include "engine/base/memory_bandwidth.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include <unistd.h>

#include "engine/base/system.h"

namespace flextron {

namespace {

constexpr std::int64_t kMiB = 1 << 20;

std::int64_t defaultBytes()
{
#ifdef _SC_LEVEL3_CACHE_SIZE
    const auto cache = static_cast<std::int64_t>(::sysconf(_SC_LEVEL3_CACHE_SIZE));
#else
    const std::int64_t cache = 0;
#endif
    return std::min(std::clamp(4 * cache, 256 * kMiB, 1024 * kMiB), availableMemory() / 4);
}

/// Eight sums, so that no addition waits for the one before: the loop is bound by memory alone.
std::uint64_t sumOf(const std::uint64_t* words, std::size_t count)
{
    std::array<std::uint64_t, 8> sums{};
    std::size_t index = 0;
    for (; index + sums.size() <= count; index += sums.size())
        for (std::size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += words[index + lane];
    std::uint64_t sum = 0;
    for (; index < count; ++index) sum += words[index];
    for (const auto part : sums) sum += part;
    return sum;
}

template <class Part> void onThreads(int threads, std::size_t words, const Part& part)
{
    std::vector<std::jthread> workers;
    for (int thread = 0; thread < threads; ++thread) {
        const auto begin = words * static_cast<std::size_t>(thread) / static_cast<std::size_t>(threads);
        const auto end = words * static_cast<std::size_t>(thread + 1) / static_cast<std::size_t>(threads);
        workers.emplace_back([&part, thread, begin, end] { part(static_cast<std::size_t>(thread), begin, end); });
    }
}

} // namespace

Result<MemoryBandwidth> measureMemoryBandwidth(int threads, int repeats, std::int64_t bytes, const CancelToken& cancel)
{
    return guarded([&] {
        if (threads < 1 || repeats < 1 || bytes < 0)
            throw Failure(ErrorCode::InvalidArgument, "measuring the memory needs at least one thread and one repeat");
        const auto words = static_cast<std::size_t>(bytes > 0 ? bytes : defaultBytes()) / sizeof(std::uint64_t);
        const auto buffer = std::make_unique_for_overwrite<std::uint64_t[]>(words);
        // Written by the threads that will read it: its pages then lie near them.
        onThreads(threads, words, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (auto index = begin; index < end; ++index) buffer[index] = index + 1;
        });
        std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads));
        std::vector<double> speeds;
        for (int repeat = 0; repeat <= repeats; ++repeat) {
            cancel.throwIfCancelled();
            const auto began = std::chrono::steady_clock::now();
            onThreads(threads, words, [&](std::size_t thread, std::size_t begin, std::size_t end) {
                sums[thread] = sumOf(buffer.get() + begin, end - begin);
            });
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
            if (repeat > 0)
                speeds.push_back(double(words * sizeof(std::uint64_t)) / took.count()); // the first one warms up
        }
        std::sort(speeds.begin(), speeds.end());
        MemoryBandwidth result;
        result.bytes_per_second = speeds[speeds.size() / 2];
        result.best = speeds.back();
        result.bytes = static_cast<std::int64_t>(words * sizeof(std::uint64_t));
        result.threads = threads;
        result.repeats = repeats;
        for (const auto sum : sums) result.sum += sum;
        return result;
    });
}

} // namespace flextron
