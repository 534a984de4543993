// What a stage that goes on from a checkpoint opens, and how it writes its result. Not a public header.
#pragma once

#include <memory>
#include <optional>

#include "engine/routing/routers.h"
#include "engine/text/tokenizer.h"
#include "engine/training/training_loop_p.h"
#include "engine/training/weights_p.h"

namespace flextron {

struct StageSource {
    std::shared_ptr<const Checkpoint> checkpoint;
    std::shared_ptr<const Tokenizer> tokenizer;
    ReferenceWeights weights; ///< float32, our own copy
};

/// With the weights on `device`. Throws Failure as Checkpoint::open and openTokenizer.
StageSource openStageSource(const std::filesystem::path& folder, const Device& device, const CancelToken& cancel);

/// A frozen model that a stage learns from, or none.
class Teacher {
public:
    Teacher() = default;
    explicit Teacher(ReferenceWeights weights);
    /// [B, T, V] without a graph; undefined when there is none.
    [[nodiscard]] at::Tensor logits(const at::Tensor& ids) const;
    /// Of logits(ids).
    [[nodiscard]] double flops(const at::Tensor& ids) const;

private:
    std::optional<ReferenceWeights> weights_;
};
/// None where `weight` is 0; else the model in `folder`, or in `source` where that is empty.
Teacher teacherFor(double weight, const std::filesystem::path& folder, const std::filesystem::path& source,
                   const Device& device, const CancelToken& cancel);

/// Writes a trained checkpoint with its routers, if any, and metrics.jsonl: all of it or nothing, since a conversion
/// that goes on takes a folder that is there for finished.
void writeTrained(const std::filesystem::path& out, const CheckpointContents& contents, const Routers* routers,
                  const std::string& metrics);
/// Writes the result of a stage: the source's record with the stage added, `routers` where there are some.
void writeStageResult(const std::filesystem::path& out, const StageSource& source, const StageReport& report,
                      DType dtype, const Routers* routers, std::int64_t base_training_tokens,
                      const std::string& metrics);

/// Losses of the full, the smallest and the uniform sub-networks, widest first.
void validateUniform(const ReferenceWeights& weights, const ChoiceSets& choices, const std::vector<ValidationSet>& sets,
                     std::vector<ValidationLoss>& losses, const CancelToken& cancel);

/// The entry of `choices` for a share of the width: index i of n is share (i + 1) / n.
int choiceAt(const std::vector<int>& choices, double share);

} // namespace flextron
