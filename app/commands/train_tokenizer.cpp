#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/options.h"
#include "engine/training/tokenizer_training.h"

namespace flextron::cli {

namespace {

struct Options {
    std::vector<std::string> data;
    std::string out;
    std::string text_field = "text";
    int vocab_size = 4096;
    int threads = 0;
    bool json = false;
};

int run(Console& console, const Options& options)
{
    checkWritable(options.out);
    TokenizerTrainingOptions training;
    training.files.assign(options.data.begin(), options.data.end());
    training.text_field = options.text_field;
    training.vocab_size = options.vocab_size;
    training.threads = options.threads;
    const auto report = trainTokenizer(training, options.out).orThrow();
    if (options.json)
        console.printJson({{"out", options.out},
                           {"vocab_size", report.vocab_size},
                           {"text_bytes", report.text_bytes},
                           {"bytes_per_token", report.bytes_per_token}});
    else
        console.print(std::to_string(report.vocab_size) + " pieces, " + fixedText(report.bytes_per_token, 2) +
                      " bytes a token\n" + options.out + "\n");
    return kDone;
}

} // namespace

Run declareTrainTokenizer(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    command.add_option("--data", options->data, "text files, compressed or not")->type_name("FILE...")->required();
    command.add_option("--vocab-size", options->vocab_size, "with 3 control tokens and 256 bytes")
        ->capture_default_str()
        ->type_name("N");
    command.add_option("--out", options->out, "the model file; name it tokenizer.model")->type_name("T")->required();
    command.add_option("--text-field", options->text_field, "of JSON Lines")->capture_default_str()->type_name("NAME");
    command.add_option("--threads", options->threads, "(default: all cores)")->type_name("N");
    addJsonFlag(command, options->json);
    command.footer(
        "Example:\n  flextron train-tokenizer --data stories.txt.xz --vocab-size 4096 --out tokenizer.model");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
