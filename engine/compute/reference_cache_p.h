// The reference backend's K/V cache.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "engine/compute/backend.h"
#include "engine/compute/reference_forward_p.h"

namespace flextron {

class ReferenceCache final : public KvCache {
public:
    /// Throws Failure(OutOfMemory) with numbers when the tensors do not fit.
    ReferenceCache(const ReferenceWeights& weights, int capacity, std::vector<int> heads);

    [[nodiscard]] int length() const override { return length_; }
    [[nodiscard]] int capacity() const override { return capacity_; }
    [[nodiscard]] const std::vector<int>& heads() const override { return heads_; }
    [[nodiscard]] std::int64_t bytes() const override;
    void truncate(int length) override { length_ = length; }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> clone() const override;

    /// Key/value groups held in a layer.
    [[nodiscard]] int groups(int layer) const { return static_cast<int>(k_[static_cast<std::size_t>(layer)].size(1)); }
    /// Writes [1, G, T, dh] behind the tokens held and returns views of everything up to there, [1, G, length + T, dh].
    /// The tokens count only after grow().
    reference::KeysValues append(int layer, const reference::KeysValues& fresh);
    void grow(int tokens) { length_ += tokens; }

private:
    ReferenceCache() = default;
    std::vector<at::Tensor> k_, v_; // a layer: [1, G, capacity, dh]
    std::vector<int> heads_;
    int capacity_ = 0;
    int length_ = 0;
};

} // namespace flextron
