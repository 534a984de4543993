#include "engine/elastic/parity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/random.h"
#include "engine/compute/reference.h"

namespace flextron {

namespace {

/// Share of the largest logit by which sums in another order may differ; our choice, some ten times what is seen.
double tolerance(ComputeType type)
{
    switch (type) {
    case ComputeType::Float64: return 1e-9;
    case ComputeType::BFloat16: return 5e-2;
    default: return 1e-4;
    }
}

} // namespace

std::vector<TokenId> parityIds(const ModelConfig& config, std::uint64_t seed)
{
    std::vector<TokenId> ids(static_cast<std::size_t>(std::min(64, config.max_position_embeddings)));
    for (std::size_t index = 0; index < ids.size(); ++index)
        ids[index] = static_cast<TokenId>(mixBits(seed ^ mixBits(index)) %
                                          static_cast<std::uint64_t>(config.vocab_size));
    return ids;
}

std::vector<float> parityLogits(const Backend& backend, const SubNetwork& subnet, std::span<const TokenId> ids,
                                const CancelToken& cancel)
{
    WidthPlan plan;
    plan.subnet = subnet;
    const auto cache = backend.newCache(static_cast<int>(ids.size()), subnet.heads).orThrow();
    const std::array inputs{StepInput{cache.get(), ids, &plan, LogitsWanted::All}};
    std::array<StepOutput, 1> outputs;
    backend.step(inputs, outputs, cancel).orThrow();
    return std::move(outputs[0].logits);
}

Parity checkParity(const std::filesystem::path& folder, const Device& device, ComputeType type,
                   std::span<const TokenId> ids, const std::vector<float>& expected, const ProgressFn& progress,
                   const CancelToken& cancel)
{
    const auto checkpoint = Checkpoint::open(folder).orThrow();
    const auto backend = loadReferenceBackend(checkpoint, device, type, progress, cancel).orThrow();
    const auto found = parityLogits(*backend, fullSubNetwork(checkpoint->config()), ids, cancel);
    Parity parity;
    for (std::size_t index = 0; index < expected.size(); ++index) {
        parity.max_difference = std::max(parity.max_difference,
                                         std::abs(double(expected[index]) - double(found.at(index))));
        parity.largest_logit = std::max(parity.largest_logit, std::abs(double(expected[index])));
    }
    parity.allowed = tolerance(device.cuda && type == ComputeType::Auto ? ComputeType::BFloat16 : type) *
                     std::max(1.0, parity.largest_logit);
    if (!(parity.max_difference <= parity.allowed))
        throw Failure(ErrorCode::Internal,
                      "the new checkpoint does not compute what the old one does: logits differ by " +
                          std::to_string(parity.max_difference) + ", expected at most " +
                          std::to_string(parity.allowed),
                      "nothing was written; this is a bug in Flextron Explorer: please report it");
    return parity;
}

} // namespace flextron
