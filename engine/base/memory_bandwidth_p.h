// A buffer to be read again and again: for whoever compares a read of memory with something else in turns.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/memory_p.h"
#include "engine/base/thread_pool_p.h"

namespace flextron {

/// Large pages, as the weights of a model have: with small ones a read waits for translations, and the limit that it
/// is taken for would be too low.
class MemoryReader {
public:
    /// Whole 64-bit words; word i is set to i + 1. Throws std::bad_alloc.
    MemoryReader(int threads, std::int64_t bytes);

    /// Reads every word once, on all threads. Seconds.
    double read();
    /// Of the words that were read last.
    [[nodiscard]] std::uint64_t sum() const;
    [[nodiscard]] std::int64_t bytes() const { return static_cast<std::int64_t>(memory_.bytes()); }

private:
    /// Calls body(first word, number of words, thread) for every part.
    template <class Body> void forEachPart(const Body& body);

    ThreadPool pool_;
    Memory memory_;
    struct alignas(64) Sum {
        std::uint64_t value = 0;
    };
    std::vector<Sum> sums_; // [thread]
};

} // namespace flextron
