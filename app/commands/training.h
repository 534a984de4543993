// What the commands that train share: options, and how a stage's result is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/commands/console.h"
#include "engine/training/train_options.h"

namespace CLI {
class App;
} // namespace CLI

namespace flextron::cli {

struct TrainingOptions {
    std::vector<std::string> data;
    std::vector<double> shares;
    std::string text_field = "text";
    std::vector<std::string> validation;
    double held_out = 0.05;
    int validation_sequences = 40;
    std::int64_t validate_every = 0;
    int sequence_length = 0;
    int shuffle_window = 1024;
    int batch = 8;
    int accumulation = 1;
    double weight_decay = 0.1;
    double checkpoint_minutes = 5;
    bool resume = false;

    /// Everything but --data and --sequence-length, which the commands word for themselves.
    void declare(CLI::App& command);
    /// UsageError where shares and files do not fit together.
    [[nodiscard]] TrainOptions options(std::uint64_t seed, int threads) const;
};

Json reportDocument(const StageReport& report);
/// "elastic: 655.4k tokens, 12 min 05 s", then a line for every validation loss.
std::string reportText(const StageReport& report);

} // namespace flextron::cli
