// What a token costs on a sub-network: counted exactly from the shapes, not estimated.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/model/config.h"
#include "engine/model/subnetwork.h"

namespace flextron {

/// Which keys and values a session computes and stores (method: section 3, our choice).
enum class KvRule {
    Own, ///< only the sub-network's own heads: cheapest, cannot widen later without recomputing the prefix
    All, ///< every group for every token: needed by dynamic routing and by targets that change in mid-text
};
std::string_view kvRuleName(KvRule rule); ///< "own", "all"

/// Every number is of one decoded token on one pane. A sub-block of width 0 is skipped: nothing of it is touched, its
/// norm and output bias included. Only under KvRule::All is a layer with 0 heads still read in part: its norm and the K
/// and V of every group.
struct Cost {
    /// Weights a token touches: all the sub-network has; embeddings counted once when tied. Under KvRule::All the K and
    /// V of every group.
    std::int64_t parameters = 0;
    /// Multiply-adds times two for one token at the given context: products with weights, attention over the context (a
    /// sliding window bounds it), output head. Norms, biases, activations and the softmax are left out, as usual.
    std::int64_t flops_per_token = 0;
    /// Bytes of weights read for one decoded token: one row of each embedding, everything else whole. A tied embedding
    /// counts as both: its row and, for the output head, the whole.
    std::int64_t weight_bytes = 0;
    /// Bytes of K/V for one decoded token at the given context: those of the heads in use read over the context, those
    /// of the new token written.
    std::int64_t kv_bytes = 0;
    [[nodiscard]] std::int64_t bytes() const { return weight_bytes + kv_bytes; }
};

struct CostOptions {
    int context = 256;        ///< tokens in the K/V cache, the new one included
    int bytes_per_weight = 4; ///< 4 float32, 2 float16 and bfloat16
    int bytes_per_kv = 4;
    KvRule kv = KvRule::Own;
};

/// Precondition: `subnet` fits `config`.
Cost costOf(const SubNetwork& subnet, const ModelConfig& config, const CostOptions& options = {});

/// Share of the full model's FLOPs a token: what stands in for latency until a table is measured.
double flopShare(const SubNetwork& subnet, const ModelConfig& config, const CostOptions& options = {});

} // namespace flextron
