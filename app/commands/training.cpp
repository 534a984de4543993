#include "app/commands/training.h"

#include <CLI/CLI.hpp>

namespace flextron::cli {

void TrainingOptions::declare(CLI::App& command)
{
    const auto positive = CLI::Range(1, 1 << 30).description("");
    command.add_option("--shares", shares, "how much of each --data file is drawn (default: by their sizes)")
        ->delimiter(',')
        ->type_name("F,F,...");
    command.add_option("--text-field", text_field, "of JSON Lines")->capture_default_str()->type_name("NAME");
    command
        .add_option("--validation", validation, "texts to report the loss on (default: a held-out share of the data)")
        ->type_name("FILE...");
    command
        .add_option("--held-out", held_out, "share of the documents kept for validation where there is no --validation")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 0.5).description(""))
        ->type_name("F");
    command.add_option("--validation-sequences", validation_sequences, "of each text")
        ->capture_default_str()
        ->check(positive)
        ->type_name("N");
    command.add_option("--validate-every", validate_every, "steps (0: at the end of a stage)")
        ->capture_default_str()
        ->check(CLI::Range(0, 1 << 30).description(""))
        ->type_name("N");
    command.add_option("--shuffle-window", shuffle_window, "sequences from which the next one is drawn")
        ->capture_default_str()
        ->check(positive)
        ->type_name("N");
    command.add_option("--batch", batch, "sequences that go through the model together")
        ->capture_default_str()
        ->check(positive)
        ->type_name("N");
    command.add_option("--accumulation", accumulation, "batches a step")
        ->capture_default_str()
        ->check(positive)
        ->type_name("N");
    command.add_option("--weight-decay", weight_decay, "of matrices and embeddings")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 10.0).description(""))
        ->type_name("F");
    command.add_option("--checkpoint-minutes", checkpoint_minutes, "between two saved states of the job")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1e6).description(""))
        ->type_name("F");
    command.add_flag("--resume", resume, "go on with an interrupted job");
}

TrainOptions TrainingOptions::options(std::uint64_t seed, int threads) const
{
    if (!shares.empty() && shares.size() != data.size())
        throw UsageError("--shares: " + std::to_string(shares.size()) + " shares for " + std::to_string(data.size()) +
                             " files",
                         "give one share for every --data file, or none");
    TrainOptions result;
    for (std::size_t i = 0; i < data.size(); ++i)
        result.data.files.push_back({data[i], shares.empty() ? 0.0 : shares[i]});
    result.data.text_field = text_field;
    result.data.sequence_length = sequence_length;
    result.data.shuffle_window = shuffle_window;
    result.data.held_out_share = validation.empty() ? held_out : 0.0;
    result.validation_files.assign(validation.begin(), validation.end());
    result.validation_sequences = validation_sequences;
    result.validation_every = validate_every;
    result.batch = batch;
    result.accumulation = accumulation;
    result.weight_decay = weight_decay;
    result.checkpoint_minutes = checkpoint_minutes;
    result.resume = resume;
    result.seed = seed;
    result.threads = threads;
    return result;
}

Json reportDocument(const StageReport& report)
{
    Json validation = Json::array();
    for (const auto& loss : report.validation)
        validation.push_back({{"file", loss.file},
                              {"widths", loss.widths},
                              {"target", loss.target},
                              {"cost", loss.cost},
                              {"loss", loss.loss},
                              {"standard_error", loss.standard_error},
                              {"tokens", loss.tokens}});
    return {{"stage", report.stage},
            {"tokens", report.tokens},
            {"steps", report.steps},
            {"seconds", report.seconds},
            {"training_flops", report.training_flops},
            {"validation", validation}};
}

std::string reportText(const StageReport& report)
{
    std::string text = report.stage + ": " + countText(double(report.tokens)) + " tokens, " +
                       durationText(report.seconds) + "\n";
    for (const auto& loss : report.validation) {
        text += "  " + loss.file + ", " + loss.widths;
        if (loss.widths.starts_with("dynamic") || loss.widths == "static")
            text += ", asked " + fixedText(loss.target, 3);
        text += ": cost " + fixedText(loss.cost, 3) + ", loss " + fixedText(loss.loss, 4) + " +- " +
                fixedText(loss.standard_error, 4) + "\n";
    }
    return text;
}

} // namespace flextron::cli
