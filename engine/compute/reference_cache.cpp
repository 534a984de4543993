#include "engine/compute/reference_cache_p.h"

#include <ATen/core/grad_mode.h>

#include "engine/base/system.h"

namespace flextron {

ReferenceCache::ReferenceCache(const ReferenceWeights& weights, int capacity, std::vector<int> heads)
    : heads_(std::move(heads))
    , capacity_(capacity)
{
    const ModelConfig& config = weights.config;
    const std::int64_t element = static_cast<std::int64_t>(weights.embedding.element_size());
    std::int64_t needed = 0;
    for (const int h : heads_) needed += 2LL * (h / config.headsPerGroup()) * capacity * config.head_dim * element;
    if (weights.device().is_cpu() && needed > availableMemory())
        throw Failure(ErrorCode::OutOfMemory,
                      "keys and values of " + std::to_string(capacity) + " tokens need " + formatBytes(needed) +
                          ", but only " + formatBytes(availableMemory()) + " of memory are available",
                      "choose a shorter text or a smaller context, or close other programs");
    const c10::InferenceMode inference;
    for (const int h : heads_) {
        const std::vector<std::int64_t> shape{1, h / config.headsPerGroup(), capacity, config.head_dim};
        k_.push_back(at::empty(shape, weights.embedding.options()));
        v_.push_back(at::empty(shape, weights.embedding.options()));
    }
}

std::int64_t ReferenceCache::bytes() const
{
    std::int64_t sum = 0;
    for (std::size_t l = 0; l < k_.size(); ++l) sum += static_cast<std::int64_t>(k_[l].nbytes() + v_[l].nbytes());
    return sum;
}

Result<std::unique_ptr<KvCache>> ReferenceCache::clone() const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        const c10::InferenceMode inference;
        std::unique_ptr<ReferenceCache> copy(new ReferenceCache);
        copy->heads_ = heads_;
        copy->capacity_ = capacity_;
        copy->length_ = length_;
        for (std::size_t l = 0; l < k_.size(); ++l) {
            copy->k_.push_back(k_[l].clone());
            copy->v_.push_back(v_[l].clone());
        }
        return copy;
    });
}

reference::KeysValues ReferenceCache::append(int layer, const reference::KeysValues& fresh)
{
    const auto l = static_cast<std::size_t>(layer);
    const std::int64_t tokens = fresh.k.size(2);
    k_[l].narrow(2, length_, tokens).copy_(fresh.k);
    v_[l].narrow(2, length_, tokens).copy_(fresh.v);
    return {k_[l].narrow(2, 0, length_ + tokens), v_[l].narrow(2, 0, length_ + tokens)};
}

} // namespace flextron
