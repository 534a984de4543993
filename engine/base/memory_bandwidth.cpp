#include "engine/base/memory_bandwidth.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <unistd.h>

#include "engine/base/memory_bandwidth_p.h"
#include "engine/base/system.h"

namespace flextron {

namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::size_t kStreams = 8;
constexpr std::size_t kLineWords = 8; // of a cache line
/// Parts a thread takes, one after the other: all end together even if another program holds one of them up.
constexpr std::size_t kPartsEach = 8;

std::int64_t defaultBytes()
{
#ifdef _SC_LEVEL3_CACHE_SIZE
    const auto cache = static_cast<std::int64_t>(::sysconf(_SC_LEVEL3_CACHE_SIZE));
#else
    const std::int64_t cache = 0;
#endif
    return std::min(std::clamp(4 * cache, 256 * kMiB, 1024 * kMiB), availableMemory() / 4);
}

/// Eight places at once, a line of each in turn: a core that reads in one place only waits for what it asked for, and
/// reaches half of what the memory gives.
std::uint64_t sumOf(const std::uint64_t* words, std::size_t count)
{
    std::array<std::uint64_t, kStreams> sums{};
    const std::size_t length = count / (kStreams * kLineWords) * kLineWords;
    for (std::size_t index = 0; index < length; index += kLineWords)
        for (std::size_t stream = 0; stream < kStreams; ++stream)
            for (std::size_t word = 0; word < kLineWords; ++word) sums[stream] += words[stream * length + index + word];
    std::uint64_t sum = 0;
    for (std::size_t index = kStreams * length; index < count; ++index) sum += words[index];
    for (const auto part : sums) sum += part;
    return sum;
}

} // namespace

MemoryReader::MemoryReader(int threads, std::int64_t bytes)
    : pool_(threads)
    , memory_(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t) * sizeof(std::uint64_t))
    , sums_(static_cast<std::size_t>(threads))
{
    forEachPart([&](std::size_t first, std::size_t count, int) {
        auto* words = memory_.as<std::uint64_t>();
        for (std::size_t index = first; index < first + count; ++index) words[index] = index + 1;
    });
}

template <class Body> void MemoryReader::forEachPart(const Body& body)
{
    const std::size_t words = memory_.bytes() / sizeof(std::uint64_t);
    const std::size_t parts = kPartsEach * sums_.size();
    pool_.forEach(static_cast<int>(parts), [&](int part, int thread) {
        const std::size_t first = words * static_cast<std::size_t>(part) / parts;
        body(first, words * static_cast<std::size_t>(part + 1) / parts - first, thread);
    });
}

double MemoryReader::read()
{
    std::fill(sums_.begin(), sums_.end(), Sum{});
    const auto began = std::chrono::steady_clock::now();
    forEachPart([&](std::size_t first, std::size_t count, int thread) {
        sums_[static_cast<std::size_t>(thread)].value += sumOf(memory_.as<std::uint64_t>() + first, count);
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

std::uint64_t MemoryReader::sum() const
{
    std::uint64_t sum = 0;
    for (const Sum& part : sums_) sum += part.value;
    return sum;
}

Result<MemoryBandwidth> measureMemoryBandwidth(int threads, int repeats, std::int64_t bytes, const CancelToken& cancel)
{
    return guarded([&] {
        if (threads < 1 || repeats < 1 || bytes < 0)
            throw Failure(ErrorCode::InvalidArgument, "measuring the memory needs at least one thread and one repeat");
        MemoryReader reader(threads, bytes > 0 ? bytes : defaultBytes());
        std::vector<double> speeds;
        for (int repeat = 0; repeat <= repeats; ++repeat) {
            cancel.throwIfCancelled();
            const double seconds = reader.read();
            if (repeat > 0) speeds.push_back(static_cast<double>(reader.bytes()) / seconds); // the first one warms up
        }
        std::sort(speeds.begin(), speeds.end());
        MemoryBandwidth result;
        result.bytes_per_second = speeds[speeds.size() / 2];
        result.best = speeds.back();
        result.bytes = reader.bytes();
        result.threads = threads;
        result.repeats = repeats;
        result.sum = reader.sum();
        return result;
    });
}

} // namespace flextron
