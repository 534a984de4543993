#include "engine/base/memory_p.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace flextron {

namespace {
constexpr std::size_t kLargePage = std::size_t{2} << 20;
} // namespace

Memory::Memory(std::size_t bytes)
{
    if (bytes == 0) return;
    // Large pages lie at multiples of their size: a little more is mapped, so that the memory can begin at one.
    const std::size_t slack = bytes >= kLargePage ? kLargePage : 0;
    void* mapped = mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(mapped);
    bytes_ = bytes;
    if (slack == 0) return;
    const std::size_t before = (kLargePage - reinterpret_cast<std::uintptr_t>(mapped) % kLargePage) % kLargePage;
    if (before > 0) munmap(data_, before);
    const std::size_t page = 4096;
    const std::size_t end = roundUp(before + bytes, page);
    if (end < bytes + slack) munmap(data_ + end, bytes + slack - end);
    data_ += before;
    madvise(data_, bytes, MADV_HUGEPAGE);
}

Memory::~Memory()
{
    if (data_) munmap(data_, bytes_);
}

} // namespace flextron
