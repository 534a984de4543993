// Keys and values, float32, laid out as panels so that attention is made of the same products as everything else.
#pragma once

#include <vector>

#include "engine/compute/backend.h"
#include "engine/compute/decode/memory_p.h"
#include "engine/compute/decode/weights_p.h"

namespace flextron::decode {

/// A group of a layer: K as panels of kPanel positions, [capacity / 32][dh][32 positions] (a product of queries gives
/// the scores of 32 positions); V as panels of kPanel elements, [panels of dh][capacity][32 elements] (a product of the
/// shares gives the output). Capacity is padded to whole panels. Positions that were never written read as zeros.
class DecodeCache final : public KvCache {
public:
    /// Throws Failure(OutOfMemory) with numbers.
    DecodeCache(const Shape& shape, int capacity, std::vector<int> heads);

    [[nodiscard]] int length() const override { return length_; }
    [[nodiscard]] int capacity() const override { return capacity_; }
    [[nodiscard]] const std::vector<int>& heads() const override { return heads_; }
    [[nodiscard]] std::int64_t bytes() const override { return static_cast<std::int64_t>(memory_.bytes()); }
    void truncate(int length) override { length_ = length; }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> clone() const override;

    [[nodiscard]] int groups(int layer) const
    {
        return heads_[static_cast<std::size_t>(layer)] / shape_.heads_per_group;
    }
    /// The K panels of a group, from the one that holds position 0 on; kPanelFloats() apart.
    [[nodiscard]] float* keys(int layer, int group) const;
    /// The first V panel of a group; valuePanelFloats() apart.
    [[nodiscard]] float* values(int layer, int group) const;
    [[nodiscard]] std::size_t keyPanelFloats() const { return static_cast<std::size_t>(shape_.head_dim) * kPanel; }
    [[nodiscard]] std::size_t valuePanelFloats() const { return static_cast<std::size_t>(padded_) * kPanel; }

    void writeKey(int layer, int group, int position, const float* k);
    void writeValue(int layer, int group, int position, const float* v);
    /// Only then do the new tokens count.
    void grow(int tokens) { length_ += tokens; }

private:
    DecodeCache() = default;
    [[nodiscard]] std::size_t groupFloats() const;
    Shape shape_;
    std::vector<int> heads_;
    std::vector<std::size_t> offsets_; // floats, of each layer
    int capacity_ = 0;
    int padded_ = 0; // capacity in whole panels
    int length_ = 0;
    Memory memory_;
};

} // namespace flextron::decode
