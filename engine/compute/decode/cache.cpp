#include "engine/compute/decode/cache_p.h"

#include <algorithm>
#include <cstring>

#include "engine/base/system.h"

namespace flextron::decode {

DecodeCache::DecodeCache(const Shape& shape, PanelType type, const Kernels& kernels, int capacity,
                         std::vector<int> heads)
    : shape_(shape)
    , type_(type)
    , kernels_(kernels)
    , heads_(std::move(heads))
    , capacity_(capacity)
    , padded_(roundUp(capacity, kPanel))
{
    std::size_t bytes = 0;
    for (std::size_t l = 0; l < heads_.size(); ++l) {
        offsets_.push_back(bytes);
        bytes += static_cast<std::size_t>(groups(static_cast<int>(l))) * groupBytes();
    }
    const auto needed = static_cast<std::int64_t>(bytes);
    if (needed > availableMemory())
        throw Failure(ErrorCode::OutOfMemory,
                      "keys and values of " + std::to_string(capacity) + " tokens need " + formatBytes(needed) +
                          ", but only " + formatBytes(availableMemory()) + " of memory are available",
                      "choose a shorter text or a smaller context, or close other programs");
    memory_ = Memory(bytes);
}

std::size_t DecodeCache::groupBytes() const
{
    return static_cast<std::size_t>(padded_ / kPanel) * keyPanelBytes() +
           static_cast<std::size_t>(shape_.head_panels) * valuePanelBytes();
}

std::byte* DecodeCache::keys(int layer, int group, int position) const
{
    return memory_.data() + offsets_[static_cast<std::size_t>(layer)] + static_cast<std::size_t>(group) * groupBytes() +
           static_cast<std::size_t>(position / kPanel) * keyPanelBytes();
}

std::byte* DecodeCache::values(int layer, int group, int position) const
{
    return keys(layer, group, padded_) + panelBytes(type_, position);
}

void DecodeCache::writeKey(int layer, int group, int position, float* k)
{
    const auto scatter = [&](auto* panel, const auto* from) {
        for (int i = 0; i < shape_.head_dim; ++i) panel[i * kPanel + position % kPanel] = from[i];
    };
    std::byte* panel = keys(layer, group, position);
    if (type_ == PanelType::Float32) return scatter(reinterpret_cast<float*>(panel), k);
    auto* halves = reinterpret_cast<std::uint16_t*>(k);
    kernels_.narrow(type_, k, shape_.head_dim, halves);
    scatter(reinterpret_cast<std::uint16_t*>(panel), halves);
}

void DecodeCache::writeValue(int layer, int group, int position, float* v)
{
    std::byte* line = values(layer, group, position);
    for (int first = 0; first < shape_.head_dim; first += kPanel, line += valuePanelBytes()) {
        const int count = std::min(kPanel, shape_.head_dim - first);
        if (type_ == PanelType::Float32) std::copy_n(v + first, count, reinterpret_cast<float*>(line));
        else kernels_.narrow(type_, v + first, count, reinterpret_cast<std::uint16_t*>(line));
    }
}

Result<std::unique_ptr<KvCache>> DecodeCache::clone() const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        auto copy = std::make_unique<DecodeCache>(shape_, type_, kernels_, capacity_, heads_);
        copy->length_ = length_;
        // Only what is held: the rest stays untouched, so it takes up no room.
        const std::size_t key_bytes = static_cast<std::size_t>(roundUp(length_, kPanel) / kPanel) * keyPanelBytes();
        const std::size_t value_bytes = panelBytes(type_, length_);
        for (int l = 0; l < static_cast<int>(heads_.size()); ++l)
            for (int g = 0; g < groups(l); ++g) {
                std::memcpy(copy->keys(l, g, 0), keys(l, g, 0), key_bytes);
                for (int p = 0; p < shape_.head_panels; ++p) {
                    const std::size_t panel = static_cast<std::size_t>(p) * valuePanelBytes();
                    std::memcpy(copy->values(l, g, 0) + panel, values(l, g, 0) + panel, value_bytes);
                }
            }
        return copy;
    });
}

} // namespace flextron::decode
