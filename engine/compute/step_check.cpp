#include "engine/compute/step_check_p.h"

#include <algorithm>
#include <string>

namespace flextron {
namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint)
{
    throw Failure(ErrorCode::InvalidArgument, message, hint);
}

void checkText(const StepInput& input, const ModelConfig& config)
{
    const auto tokens = static_cast<std::int64_t>(input.tokens.size());
    const std::int64_t length = input.cache->length() + tokens;
    if (length > input.cache->capacity())
        refuse("the text would have " + std::to_string(length) + " tokens, but the cache holds " +
                   std::to_string(input.cache->capacity()),
               "shorten the text, or make the cache larger (at most " + std::to_string(config.max_position_embeddings) +
                   ")");
    for (const TokenId id : input.tokens)
        if (id < 0 || id >= config.vocab_size)
            refuse("token id " + std::to_string(id) + " is outside the vocabulary of " +
                       std::to_string(config.vocab_size),
                   "the tokenizer belongs to another model, or the ids were mistyped");
}

void checkDraw(const StepInput& input, const ModelConfig& config)
{
    const std::size_t rows = input.logitRows();
    const auto& given = input.draw->given;
    const auto fits = [&](TokenId id) { return id == DrawInput::kDraw || (id >= 0 && id < config.vocab_size); };
    if (given.size() != rows || !std::all_of(given.begin(), given.end(), fits) || input.draw->top < 0)
        refuse("tokens are to be drawn for " + std::to_string(given.size()) + " rows of " + std::to_string(rows) +
                   ", or after ids outside the vocabulary",
               "");
}

void checkHeads(const std::vector<int>& widest, const std::vector<int>& held)
{
    for (std::size_t l = 0; l < held.size(); ++l)
        if (widest[l] > held[l])
            refuse("layer " + std::to_string(l) + " may use " + std::to_string(widest[l]) +
                       " heads, but keys and values are kept for " + std::to_string(held[l]) + " only",
                   "start with the K/V rule \"all\", or read the text again at the new widths (\"recompute\")");
}

bool holdsEveryHead(const std::vector<int>& held, const ModelConfig& config)
{
    for (std::size_t l = 0; l < held.size(); ++l)
        if (held[l] < config.layers[l].num_attention_heads) return false;
    return true;
}

} // namespace

void checkStep(const StepInput& input, const ModelConfig& config)
{
    if (!input.cache || !input.plan) refuse("a pane has no cache or no plan", "");
    if (input.tokens.empty()) refuse("a pane was given no token to read", "give at least one token");
    checkText(input, config);
    if (input.draw) checkDraw(input, config);
    const WidthPlan& plan = *input.plan;
    validatePlan(plan, config).orThrow();
    // widestOf() makes a sub-network; the two common cases do without.
    if (holdsEveryHead(input.cache->heads(), config)) return;
    if (!plan.dynamic() && !plan.overrides) checkHeads(plan.subnet.heads, input.cache->heads());
    else checkHeads(widestOf(plan, config).heads, input.cache->heads());
}

void checkCacheRequest(int capacity, const std::vector<int>& heads, const ModelConfig& config)
{
    if (capacity < 1 || capacity > config.max_position_embeddings)
        refuse("a context of " + std::to_string(capacity) + " tokens was asked for, but the model's is " +
                   std::to_string(config.max_position_embeddings),
               "choose from 1 to " + std::to_string(config.max_position_embeddings));
    SubNetwork widths = fullSubNetwork(config);
    widths.heads = heads;
    validateSubNetwork(widths, config).orThrow();
}

} // namespace flextron
