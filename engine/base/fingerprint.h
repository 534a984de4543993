// FNV-1a over anything that tells two things apart: 64 bits, for names of files and records. Not for secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace flextron {

class Fingerprint {
public:
    void add(std::span<const std::byte> bytes)
    {
        for (const std::byte byte : bytes) step(static_cast<std::uint8_t>(byte));
    }
    /// With its length, so that "ab", "c" and "a", "bc" differ.
    void add(std::string_view text)
    {
        add(static_cast<std::int64_t>(text.size()));
        for (const char c : text) step(static_cast<std::uint8_t>(c));
    }
    void add(const char* text) { add(std::string_view(text)); }
    void add(std::int64_t number)
    {
        for (int shift = 0; shift < 64; shift += 8)
            step(static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> shift));
    }
    [[nodiscard]] std::uint64_t value() const { return state_; }
    /// 16 hex digits.
    [[nodiscard]] std::string hex() const
    {
        std::string digits(16, '0');
        for (std::size_t i = 0; i < 16; ++i) digits[i] = "0123456789abcdef"[(state_ >> (60 - 4 * i)) & 15u];
        return digits;
    }

private:
    void step(std::uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001b3u; }
    std::uint64_t state_ = 0xcbf29ce484222325u;
};

} // namespace flextron
