// Losses on validation texts. Not a public header.
#pragma once

#include "engine/training/passes_p.h"
#include "engine/training/training_loop_p.h"

namespace flextron {

/// [rows, length] int64. Precondition: there are rows, all of one length.
at::Tensor idsTensor(const std::vector<std::vector<TokenId>>& rows);

/// The first sequences of each validation file, or of the held-out part of each training file.
/// Precondition: options.data.sequence_length is set. Throws Failure where a text is shorter than one sequence.
std::vector<ValidationSet> validationSets(const TrainOptions& options, std::shared_ptr<const Tokenizer> tokenizer);

/// The widths of one batch of sequences, [B, T].
using WidthsFor = std::function<std::unique_ptr<WidthSource>(const at::Tensor& ids)>;

/// Mean loss of `set`, without a graph. `cost` is what the widths came to, `target` is left at 1. Throws
/// Failure(Cancelled) between two batches.
ValidationLoss validationLoss(const ReferenceWeights& weights, const ValidationSet& set, const WidthsFor& widths,
                              const std::string& name, const CancelToken& cancel);

/// The same for a fixed sub-network; `cost` is its share of the full model's FLOPs (KvRule::All).
ValidationLoss validateSubNetwork(const ReferenceWeights& weights, const ValidationSet& set, const SubNetwork& subnet,
                                  const std::string& name, const CancelToken& cancel);

/// FLOPs of a forward and a backward pass of `ids` [B, T] through `subnet`: three times the forward.
double trainingFlops(const ModelConfig& config, const SubNetwork& subnet, const at::Tensor& ids);

/// Throws Failure(InvalidArgument) when `out` is there and not an empty folder: better now than after the training.
void refuseExisting(const std::filesystem::path& out);

} // namespace flextron
