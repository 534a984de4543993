// Training a base model from scratch.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/model/config.h"
#include "engine/training/train_options.h"

namespace flextron {

/// Trains a model of `config` (any family) and writes it to `out` as a plain Hugging Face checkpoint, with the
/// tokenizer files of `tokenizer_folder` and metrics.jsonl. Weights start at random as GPT-2 and Llama do; AdamW,
/// cosine schedule with warm-up; mean cross-entropy over packed sequences. Deterministic for a seed and a number of
/// threads.
///
/// The job's folder holds a state, replaced whole every checkpoint_minutes; an interrupted run goes on from it with the
/// numbers that an uninterrupted one would have had. Errors: Cancelled (the state is saved first); InvalidArgument for
/// a loss that is not a number, or options that make no sense; Io for a full disk, with the last state intact. Blocks;
/// progress and cancel as everywhere.
Result<StageReport> trainBase(const ModelConfig& config, const std::filesystem::path& tokenizer_folder,
                              std::shared_ptr<const Tokenizer> tokenizer, const std::filesystem::path& out,
                              const TrainOptions& options, const ProgressFn& progress = {},
                              const CancelToken& cancel = {});

} // namespace flextron
