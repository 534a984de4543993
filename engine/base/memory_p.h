// A large, aligned piece of memory that begins as zeros and takes up room only where it is written.
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>

namespace flextron {

class Memory {
public:
    Memory() = default;
    /// Throws std::bad_alloc. Asks for large pages: a walk through the weights then misses fewer translations.
    explicit Memory(std::size_t bytes);
    Memory(Memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0))
    {
    }
    Memory& operator=(Memory&& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Memory();

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    template <class T> [[nodiscard]] T* as() const { return reinterpret_cast<T*>(data_); }

private:
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// The next multiple.
template <std::integral T> constexpr T roundUp(T value, int multiple)
{
    const auto m = static_cast<T>(multiple);
    return (value + m - 1) / m * m;
}

} // namespace flextron
