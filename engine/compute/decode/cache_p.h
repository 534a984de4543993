// Keys and values, laid out as panels so that attention is made of the same products as everything else.
#pragma once

#include <vector>

#include "engine/base/memory_p.h"
#include "engine/compute/backend.h"
#include "engine/compute/decode/weights_p.h"

namespace flextron::decode {

/// A group of a layer: K as panels of kPanel positions, [capacity / 32][dh][32 positions] (a product of queries gives
/// the scores of 32 positions); V as panels of kPanel elements, [panels of dh][capacity][32 elements] (a product of the
/// shares gives the output). Capacity is padded to whole panels. Positions that were never written read as zeros.
class DecodeCache final : public KvCache {
public:
    /// `type`: any but Int8. Throws Failure(OutOfMemory) with numbers.
    DecodeCache(const Shape& shape, PanelType type, const Kernels& kernels, int capacity, std::vector<int> heads);

    [[nodiscard]] int length() const override { return length_; }
    [[nodiscard]] int capacity() const override { return capacity_; }
    [[nodiscard]] const std::vector<int>& heads() const override { return heads_; }
    [[nodiscard]] std::int64_t bytes() const override { return static_cast<std::int64_t>(memory_.bytes()); }
    void truncate(int length) override { length_ = length; }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> clone() const override;

    [[nodiscard]] PanelType type() const { return type_; }
    [[nodiscard]] int groups(int layer) const
    {
        return heads_[static_cast<std::size_t>(layer)] / shape_.heads_per_group;
    }
    /// The K panel of a group that holds `position`, a multiple of kPanel; keyPanelBytes() apart.
    [[nodiscard]] std::byte* keys(int layer, int group, int position) const;
    /// Line `position` of the first V panel of a group; valuePanelBytes() apart.
    [[nodiscard]] std::byte* values(int layer, int group, int position) const;
    [[nodiscard]] std::size_t keyPanelBytes() const { return panelBytes(type_, shape_.head_dim); }
    [[nodiscard]] std::size_t valuePanelBytes() const { return panelBytes(type_, padded_); }

    /// [dh]; what is given is overwritten.
    void writeKey(int layer, int group, int position, float* k);
    void writeValue(int layer, int group, int position, float* v);
    /// Only then do the new tokens count.
    void grow(int tokens) { length_ += tokens; }

private:
    [[nodiscard]] std::size_t groupBytes() const;
    Shape shape_;
    PanelType type_;
    const Kernels& kernels_;
    std::vector<int> heads_;
    std::vector<std::size_t> offsets_; // bytes, of each layer
    int capacity_ = 0;
    int padded_ = 0; // capacity in whole panels
    int length_ = 0;
    Memory memory_;
};

} // namespace flextron::decode
