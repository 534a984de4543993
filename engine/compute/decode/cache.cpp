#include "engine/compute/decode/cache_p.h"

#include <algorithm>
#include <cstring>

#include "engine/base/system.h"

namespace flextron::decode {

DecodeCache::DecodeCache(const Shape& shape, int capacity, std::vector<int> heads)
    : shape_(shape)
    , heads_(std::move(heads))
    , capacity_(capacity)
    , padded_(roundUp(capacity, kPanel))
{
    std::size_t floats = 0;
    for (std::size_t l = 0; l < heads_.size(); ++l) {
        offsets_.push_back(floats);
        floats += static_cast<std::size_t>(groups(static_cast<int>(l))) * groupFloats();
    }
    const auto needed = static_cast<std::int64_t>(floats * sizeof(float));
    if (needed > availableMemory())
        throw Failure(ErrorCode::OutOfMemory,
                      "keys and values of " + std::to_string(capacity) + " tokens need " + formatBytes(needed) +
                          ", but only " + formatBytes(availableMemory()) + " of memory are available",
                      "choose a shorter text or a smaller context, or close other programs");
    memory_ = Memory(floats * sizeof(float));
}

std::size_t DecodeCache::groupFloats() const
{
    return static_cast<std::size_t>(padded_) * static_cast<std::size_t>(shape_.head_dim + shape_.head_panels * kPanel);
}

float* DecodeCache::keys(int layer, int group) const
{
    return memory_.as<float>() + offsets_[static_cast<std::size_t>(layer)] +
           static_cast<std::size_t>(group) * groupFloats();
}

float* DecodeCache::values(int layer, int group) const
{
    return keys(layer, group) + static_cast<std::size_t>(padded_) * static_cast<std::size_t>(shape_.head_dim);
}

void DecodeCache::writeKey(int layer, int group, int position, const float* k)
{
    float* column = keys(layer, group) + static_cast<std::size_t>(position / kPanel) * keyPanelFloats() +
                    position % kPanel;
    for (int i = 0; i < shape_.head_dim; ++i) column[i * kPanel] = k[i];
}

void DecodeCache::writeValue(int layer, int group, int position, const float* v)
{
    float* line = values(layer, group) + static_cast<std::size_t>(position) * kPanel;
    for (int first = 0; first < shape_.head_dim; first += kPanel, line += valuePanelFloats())
        std::copy_n(v + first, std::min(kPanel, shape_.head_dim - first), line);
}

Result<std::unique_ptr<KvCache>> DecodeCache::clone() const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        auto copy = std::make_unique<DecodeCache>(shape_, capacity_, heads_);
        copy->length_ = length_;
        // Only what is held: the rest stays untouched, so it takes up no room.
        const std::size_t key_floats = static_cast<std::size_t>(roundUp(length_, kPanel)) *
                                       static_cast<std::size_t>(shape_.head_dim);
        const std::size_t value_floats = static_cast<std::size_t>(length_) * kPanel;
        for (int l = 0; l < static_cast<int>(heads_.size()); ++l)
            for (int g = 0; g < groups(l); ++g) {
                std::memcpy(copy->keys(l, g), keys(l, g), key_floats * sizeof(float));
                for (int p = 0; p < shape_.head_panels; ++p)
                    std::memcpy(copy->values(l, g) + static_cast<std::size_t>(p) * valuePanelFloats(),
                                values(l, g) + static_cast<std::size_t>(p) * valuePanelFloats(),
                                value_floats * sizeof(float));
            }
        return copy;
    });
}

} // namespace flextron::decode
