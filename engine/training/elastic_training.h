// Elastic continued training: a trained model becomes a family of nested sub-networks.
//
// Source: Flextron section 3.1 (one continued training, 7.63 % of the original tokens). Which sub-networks a step
// trains is our choice: the sandwich rule of slimmable networks (Yu and Huang, 2019), method section 4.2.
#pragma once

#include <filesystem>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/model/subnetwork.h"
#include "engine/training/train_options.h"

namespace flextron {

/// How the random sub-networks of a step are drawn.
enum class ElasticSampling {
    Mixed,    ///< by turns as the two others
    Uniform,  ///< one share of the width in all layers
    PerLayer, ///< a width for every layer and sub-block
};

struct ElasticOptions {
    int sub_networks = 4; ///< that every batch goes through: the full one, the smallest one, then random ones
    ElasticSampling sampling = ElasticSampling::Mixed;
    double full_share = 0;   ///< of the full one in the loss, below 1; 0: as much as each other one
    double distill = 0;      ///< weight of KL(full logits, detached || sub logits) in the loss of all but the full one
    double distill_base = 0; ///< weight of KL(frozen base || logits) in the loss of every one, the full one too
    std::filesystem::path base;            ///< the frozen base; empty: `source` as it is before the stage
    std::int64_t base_training_tokens = 0; ///< for the record; 0 keeps what the record has
};

/// The sub-networks of one step: the full one, the smallest one, then random ones. A function of (seed, step) alone.
std::vector<SubNetwork> sandwich(const ModelConfig& config, const ChoiceSets& choices, int sub_networks,
                                 std::uint64_t seed, std::int64_t step,
                                 ElasticSampling sampling = ElasticSampling::Mixed);

/// Trains all weights of the checkpoint `source` (best after importance and permutation) so that its sub-networks work,
/// and writes the result to `out` with the stage in its record. Every batch goes through the sub-networks of the step,
/// really sliced; the loss is the mean of their cross-entropies, with distillation added. Metrics hold the
/// cross-entropy of each. Job, errors and
/// determinism as in trainBase; validation reports the full, the smallest and the uniform sub-networks.
Result<StageReport> trainElastic(const std::filesystem::path& source, const std::filesystem::path& out,
                                 const TrainOptions& options, const ElasticOptions& elastic,
                                 const ProgressFn& progress = {}, const CancelToken& cancel = {});

} // namespace flextron
