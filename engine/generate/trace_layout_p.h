// Where things lie in a trace file (docs/file-formats.md). Reading and writing share these names.
#pragma once

#include <string>

namespace flextron::trace_layout {

inline constexpr const char* kMetadataKey = "flextron_trace";

// Arrays of pane i are named "i/..." . T tokens, L layers, K listed tokens.
inline constexpr const char* kIds = "ids";                  // I32  [T]
inline constexpr const char* kGiven = "given";              // BOOL [T]
inline constexpr const char* kRead = "read";                // BOOL [T]
inline constexpr const char* kLogprobs = "logprobs";        // F32  [T], NaN for the first
inline constexpr const char* kLoss = "loss";                // F32  [T], -logprobs
inline constexpr const char* kRanks = "ranks";              // I32  [T], -1 for the first
inline constexpr const char* kTopIds = "top_ids";           // I32  [T, K], -1 where fewer
inline constexpr const char* kTopLogprobs = "top_logprobs"; // F32  [T, K], NaN where fewer
inline constexpr const char* kHeads = "heads";              // I32  [T, L], -1 where not read
inline constexpr const char* kMlp = "mlp";                  // I32  [T, L], -1 where not read
inline constexpr const char* kNs = "ns";                    // F32  [T], NaN where not read
inline constexpr const char* kLayerNs = "layer_ns"; // F32  [T, L]; here and below: optional, NaN where a token has none
inline constexpr const char* kHeadProbabilities = "head_probabilities"; // F32 [T, L, head choices]
inline constexpr const char* kMlpProbabilities = "mlp_probabilities";   // F32 [T, L, MLP choices]
// Worked out from the probabilities, for readers of other programs: ours works them out again.
inline constexpr const char* kHeadMargin = "head_margin";   // F32 [T, L]
inline constexpr const char* kMlpMargin = "mlp_margin";     // F32 [T, L]
inline constexpr const char* kHeadEntropy = "head_entropy"; // F32 [T, L], nats
inline constexpr const char* kMlpEntropy = "mlp_entropy";   // F32 [T, L], nats
inline constexpr const char* kByteSpans = "byte_spans";     // I64  [T, 2]: token t is bytes[from, to)
inline constexpr const char* kBytes = "bytes";              // U8   [bytes of all tokens]

inline std::string arrayName(std::size_t pane, const char* array)
{
    return std::to_string(pane) + "/" + array;
}

} // namespace flextron::trace_layout
