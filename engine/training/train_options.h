// What every stage of training is told, and what it reports. Defaults are our choice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/compute/device.h"
#include "engine/model/tensor.h"
#include "engine/training/text_data.h"

namespace flextron {

struct TrainOptions {
    TextDataOptions data; ///< sequence_length 0: the model's context. `part`, `repeat` and `seed` are set by the stage
    std::vector<std::filesystem::path> validation_files; ///< none: the held-out part of the data, when there is a share
    int validation_sequences = 40;                       ///< of each file
    std::int64_t validation_every = 0;                   ///< steps; 0: at the end only

    std::int64_t tokens = 0; ///< to read; rounded up to whole steps
    int batch = 8;           ///< sequences that go through the model together
    int accumulation = 1;    ///< batches a step

    double learning_rate = 1e-3;   ///< at the end of the warm-up
    double final_rate_share = 0.1; ///< of learning_rate, reached by a cosine at the last step
    double warm_up_share = 0.05;   ///< of the steps, from 0 linearly
    double weight_decay = 0.1;     ///< of matrices and embeddings; norms and biases never decay
    double beta1 = 0.9;
    double beta2 = 0.95;
    double epsilon = 1e-8;
    double clip = 1.0; ///< largest norm of all gradients together

    std::uint64_t seed = 1;
    int threads = 0;       ///< 0: as LibTorch chooses
    Device device;         ///< where passes and the optimizer run; texts, random numbers and saved states are the CPU's
    bool bfloat16 = false; ///< on a GPU: products of the passes in bfloat16 (autocast); weights and sums stay float32

    std::filesystem::path job_folder; ///< state, metrics.jsonl; empty: the output folder's name + ".job"
    double checkpoint_minutes = 5;
    std::int64_t checkpoint_every = 0; ///< steps; 0: by the clock only
    bool resume = false;               ///< go on from the job folder's state, if there is one
    DType dtype = DType::Float32;      ///< of the checkpoint that is written
    /// Above 0: only so many steps are run and timed, nothing is written, and the report's seconds are those that all
    /// steps would take.
    int probe_steps = 0;
};

/// Mean loss over a validation file, nats a token.
struct ValidationLoss {
    std::string file;   ///< its name
    std::string widths; ///< "full", "smallest", "uniform", "static", "dynamic", "dynamic, shuffled"
    double target = 1;  ///< asked share of the full model's cost
    double cost = 1;    ///< share that it came to
    double loss = 0;
    double standard_error = 0;             ///< over sequences
    std::int64_t tokens = 0;               ///< predicted
    std::vector<double> choice_means = {}; ///< RecordedLoss; of "dynamic" and "static"
};

struct StageReport {
    std::string stage;
    std::int64_t tokens = 0; ///< training tokens read by the stage, however many sub-networks each went through
    std::int64_t steps = 0;
    double seconds = 0;        ///< of work, interruptions left out
    double training_flops = 0; ///< of all forward and backward passes, by the shapes (2 backward for 1 forward)
    std::vector<ValidationLoss> validation;
};

} // namespace flextron
