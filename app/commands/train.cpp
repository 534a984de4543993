#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/options.h"
#include "app/commands/training.h"
#include "engine/base/files.h"
#include "engine/training/trainer.h"

namespace flextron::cli {

namespace {

struct Options {
    TrainingOptions training;
    std::string config;
    std::string tokenizer;
    std::string out;
    std::string tokens;
    std::string dtype = "float32";
    std::string device = "auto";
    std::string precision = "auto";
    double learning_rate = 1e-3;
    int threads = 0;
    std::uint64_t seed = 42;
    bool json = false;
};

/// --tokenizer is a file or its folder; the trained checkpoint gets a copy of the files.
std::filesystem::path tokenizerFolder(const std::string& path)
{
    return std::filesystem::is_directory(path) ? std::filesystem::path(path)
                                               : std::filesystem::absolute(path).parent_path();
}

int run(Console& console, const Options& options)
{
    const auto config = parseConfig(readFile(options.config).orThrow(), options.config).orThrow();
    const auto folder = tokenizerFolder(options.tokenizer);
    TrainOptions training = options.training.options(options.seed, options.threads);
    training.tokens = parseCount(options.tokens, "--tokens");
    training.learning_rate = options.learning_rate;
    training.device = chooseDevice(requestedDevice(options.device)).orThrow();
    training.bfloat16 = options.precision == "bfloat16";
    training.dtype = options.dtype == "float16"    ? DType::Float16
                     : options.dtype == "bfloat16" ? DType::BFloat16
                                                   : DType::Float32;
    const auto report = trainBase(config, folder, openTokenizer(folder).orThrow(), options.out, training,
                                  console.progress(), console.cancel())
                            .orThrow();
    console.clearProgress();
    if (options.json) {
        Json document = reportDocument(report);
        document["out"] = options.out;
        console.printJson(document);
    } else {
        console.print(reportText(report) + options.out + "\n");
    }
    return kDone;
}

} // namespace

Run declareTrain(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    command.add_option("--config", options->config, "a Hugging Face config.json: the model's family and sizes")
        ->type_name("CONFIG.json")
        ->required();
    command.add_option("--tokenizer", options->tokenizer, "a tokenizer's file or folder")->type_name("T")->required();
    command
        .add_option("--data", options->training.data,
                    "text files, compressed or not; documents apart by a line <|endoftext|>, or JSON Lines")
        ->type_name("FILE...")
        ->required();
    command.add_option("--out", options->out, "the new checkpoint folder")->type_name("DIR")->required();
    command.add_option("--tokens", options->tokens, "to read (2M)")->type_name("N")->required();
    command.add_option("--learning-rate", options->learning_rate, "at the end of the warm-up")
        ->capture_default_str()
        ->type_name("F");
    command
        .add_option("--sequence-length", options->training.sequence_length,
                    "tokens of each (default: the model's context)")
        ->check(CLI::Range(2, 1 << 30).description(""))
        ->type_name("N");
    options->training.declare(command);
    addChoice(command, "--dtype", options->dtype, "float32|float16|bfloat16", "of the weights that are written");
    command.add_option("--device", options->device, "where it runs")->type_name("auto|cpu|cuda[:N]");
    addChoice(command, "--precision", options->precision, "auto|float32|bfloat16",
              "of the products on a GPU (auto: float32)");
    command.add_option("--threads", options->threads, "(default: all cores)")->type_name("N");
    command.add_option("--seed", options->seed, "")->capture_default_str()->type_name("N");
    addJsonFlag(command, options->json);
    command.footer("Example:\n  flextron train --config config.json --tokenizer tokenizer.model --data stories.txt.xz "
                   "--tokens 2M --out base");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
