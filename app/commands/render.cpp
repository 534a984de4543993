#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "app/commands/commands.h"
#include "app/commands/options.h"

namespace flextron::cli {

namespace {

constexpr const char* kExplorer = "flextron-explorer";
constexpr double kNarrowestMm = 40;
constexpr double kWidestMm = 400;

struct Options {
    std::string view;
    std::string trace;
    std::string out;
    std::string model;
    std::string pane;
    std::string quantity = "mlp";
    std::string coloring = "surprisal";
    double width_mm = 84;
    int token = -1;
    int layer = 0;
    bool with_data = true;
};

/// The explorer draws: it stands beside this program in the build tree and where both are installed.
std::filesystem::path explorer()
{
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    auto program = self.parent_path() / kExplorer;
    if (error || !std::filesystem::exists(program, error))
        throw Failure(ErrorCode::Unsupported,
                      "figures are drawn by " + std::string(kExplorer) + ", and there is none beside this program in " +
                          self.parent_path().string(),
                      "this build has no window; build it with FLEXTRON_GUI=ON");
    return program;
}

std::vector<std::string> arguments(const Options& options, const std::string& command)
{
    std::vector<std::string> words{"flextron",
                                   "--render",
                                   options.view,
                                   "--trace",
                                   options.trace,
                                   "--out",
                                   options.out,
                                   "--width",
                                   fixedText(options.width_mm, 3),
                                   "--layer",
                                   std::to_string(options.layer),
                                   "--quantity",
                                   options.quantity,
                                   "--colour",
                                   options.coloring,
                                   "--command",
                                   command};
    if (options.token >= 0) words.insert(words.end(), {"--token", std::to_string(options.token)});
    if (!options.pane.empty()) words.insert(words.end(), {"--pane", options.pane});
    if (!options.model.empty()) words.insert(words.end(), {"--model", options.model});
    if (!options.with_data) words.emplace_back("--no-data");
    return words;
}

int run(Console& console, const Options& options)
{
    checkWritable(options.out);
    const auto program = explorer();
    auto words = arguments(options, console.commandLine());
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    ::execv(program.c_str(), pointers.data());
    throw Failure(ErrorCode::Io, program.string() + " could not be started: " + std::strerror(errno));
}

} // namespace

Run declareRender(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addChoice(command, "VIEW", options->view, "heatmap|layers|text|why|budget|anatomy|pareto", "what to draw")
        ->required();
    command.add_option("--trace", options->trace, "the run to draw from (--trace of generate, compare or score)")
        ->type_name("FILE")
        ->required();
    command.add_option("--out", options->out, "the figure: .svg, .pdf or .png (300 dots an inch)")
        ->type_name("FILE")
        ->required();
    rangeChecked(command.add_option("--width", options->width_mm, "in mm: 84 for a column, 174 for a page")
                     ->capture_default_str(),
                 kNarrowestMm, true, kWidestMm, "millimetres from 40 to 400")
        ->type_name("MM");
    command
        .add_option("--pane", options->pane,
                    "which of the trace's runs: its label or its number from 0 (default: the last)")
        ->type_name("NAME|N");
    addChoice(command, "--quantity", options->quantity, "mlp|heads|compute|time", "of heatmap: what the colours mean")
        ->capture_default_str();
    addChoice(command, "--colour,--color", options->coloring, "probability|surprisal|difference|compute|time|margin",
              "of text: what the colours mean")
        ->capture_default_str();
    rangeChecked(
        command.add_option("--token", options->token, "of why and anatomy (default: the first that was written)"), 0,
        true, 1e9, "a token's number from 0 on")
        ->type_name("N");
    rangeChecked(command.add_option("--layer", options->layer, "of why and anatomy")->capture_default_str(), 0, true,
                 1e9, "a layer's number from 0 on")
        ->type_name("N");
    command
        .add_option("--model", options->model,
                    "the model that made the trace, for what needs its shapes (budget, anatomy, compute)")
        ->type_name("MODEL");
    command.add_flag("!--no-data", options->with_data, "do not write NAME.csv and NAME.json beside the figure");
    command.footer("Example:\n  flextron render heatmap --trace run.safetensors --out widths.pdf --width 174");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
