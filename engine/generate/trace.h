// What happened, token by token: the one record that views, files and reports read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/generate/sampler.h"
#include "engine/model/choice_sets.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// One token of a text. It is made in two moments: when the token is predicted (given, for a prompt) and when it is
/// read, one step later. The widths are those with which this token was *read*: the router's choice from this token's
/// hidden state.
struct TokenRecord {
    int position = 0; ///< index in the text, BOS included
    TokenId id = 0;
    std::string bytes;  ///< Tokenizer::tokenBytes
    bool given = false; ///< of a prompt or a scored text, not generated
    // Predicted, by reading the token before:
    float logprob = 0;                 ///< nats under the plain softmax; NaN for the first token of a text
    int rank = -1;                     ///< 0 = was the most probable; -1 for the first token
    std::vector<TokenProbability> top; ///< the distribution it was drawn from, most probable first
    // Read:
    bool read = false;                     ///< the fields below are filled
    std::vector<std::int32_t> heads;       ///< [L] query heads
    std::vector<std::int32_t> mlp;         ///< [L] MLP neurons
    std::vector<float> head_probabilities; ///< [L][head choices]; empty without dynamic routers
    std::vector<float> mlp_probabilities;  ///< [L][mlp choices]; empty without dynamic routers
    std::vector<float> head_margin;        ///< [L] routerMargin; this and the next three: empty without dynamic routers
    std::vector<float> mlp_margin;         ///< [L]
    std::vector<float> head_entropy;       ///< [L] routerEntropy, nats
    std::vector<float> mlp_entropy;        ///< [L]
    std::vector<float> layer_ns;           ///< [L] nanoseconds; shared equally among tokens read together
    float ns = 0;                          ///< the whole step's time, shared likewise
};

/// One pane's text, with what is needed to read it without the model.
struct Trace {
    static constexpr int kSchemaVersion = 1;
    std::vector<TokenRecord> records;
    std::string label;     ///< "full", "0.60 dynamic"
    std::string subnet;    ///< toString of the plan's sub-network; with dynamic routing the fallback
    std::string routing;   ///< "uniform", "static", "dynamic"
    double budget = 1.0;   ///< what dynamic routers were asked for (WidthPlan)
    std::string overrides; ///< JSON, empty without
    ChoiceSets choices;
    int layers = 0;
    int full_heads = 0;
    int full_mlp = 0;
    std::string model;         ///< folder name
    std::string model_hash;    ///< of configuration and weights' sizes and names: tells two models apart
    std::string backend;       ///< Backend::description()
    std::string latency_table; ///< fingerprint, empty without
    SamplerSettings sampler;
    std::string command;     ///< that makes it again
    std::string stop_reason; ///< "", "max_tokens", "stop_id", "stop_text", "context", "cancelled"

    [[nodiscard]] ModelSizes sizes() const { return {layers, full_mlp, full_heads}; }
    /// The text's ids.
    [[nodiscard]] std::vector<TokenId> ids() const;
};

/// Text by token, from the bytes: UTF-8 throughout. What is part of a character goes to the token that completes it,
/// and a beginning that nothing completes is left out; other bytes that are no UTF-8 become U+FFFD.
std::vector<std::string> tokenTexts(const Trace& trace);
/// Records of a prompt or of a text that was read, from the first on.
int givenTokens(const Trace& trace);
/// Tokens, from the first on, that are the same in both.
int commonTokens(const Trace& a, const Trace& b);

/// One safetensors file; arrays of pane i are named "i/ids", "i/mlp", ... (docs/file-formats.md). Written whole or not
/// at all.
Result<void> writeTraces(const std::filesystem::path& file, const std::vector<Trace>& traces);
/// Unsupported for a newer schema; Corrupt names the array.
Result<std::vector<Trace>> readTraces(const std::filesystem::path& file);

} // namespace flextron
