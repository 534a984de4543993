// The program `flextron`: understands the command line, runs one sub-command, and turns its end into an exit code.
#include "app/commands/commands.h"
#include "engine/base/version.h"
#include "engine/compute/torch_version.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <string_view>

#include <CLI/CLI.hpp>

namespace {

using namespace flextron;
using namespace flextron::cli;

constexpr std::array kCommands{
    Command{"models", "bundled and recent models", declareModels},
    Command{"info", "what a model is; with a target, what that sub-network is", declareInfo},
    Command{"generate", "write text", declareGenerate},
    Command{"compare", "the same prompt and seed through several sub-networks at once", declareCompare},
    Command{"report", "the same as an interactive page of HTML", declareReport},
    Command{"render", "a view of a trace as a figure for print", declareRender},
    Command{"score", "read a given text: its loss", declareScore},
    Command{"evaluate", "a task's questions, or the loss on a text", declareEvaluate},
    Command{"routers", "what the routers do on given texts", declareRouters},
    Command{"pareto", "quality against latency", declarePareto},
    Command{"search", "the best sub-network for a target, by the surrogate", declareSearch},
    Command{"tokenize", "ids and pieces of a text, and back", declareTokenize},
    Command{"train", "train a base model from scratch", declareTrain},
    Command{"train-tokenizer", "make a tokenizer from text", declareTrainTokenizer},
    Command{"convert", "make a model elastic", declareConvert},
    Command{"profile", "measure the latency table on this device", declareProfile},
    Command{"export", "a sub-network as an ordinary Hugging Face checkpoint", declareExport},
    Command{"bench", "speed against the memory limit of this machine", declareBench},
    Command{"completion", "a completion script for bash, zsh or fish", declareCompletion},
};

/// A signal handler has no other way to reach it. Set once, before the handlers are.
CancelSource* interrupted = nullptr;

/// The first signal asks for an orderly end, the second one finds the default action and kills.
extern "C" void onInterrupt(int signal)
{
    interrupted->cancel();
    std::signal(signal, SIG_DFL);
}

std::string shellQuoted(const std::string& word)
{
    if (!word.empty() &&
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=+%@") ==
            std::string::npos)
        return word;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string commandLine(int argc, char** argv)
{
    std::string line = "flextron";
    for (int index = 1; index < argc; ++index) line += " " + shellQuoted(argv[index]);
    return line;
}

/// The first word, when it is no command: the parser would only say that a command is missing.
void checkCommandName(int argc, char** argv)
{
    if (argc < 2 || argv[1][0] == '-') return;
    const std::string word = argv[1];
    std::string known;
    for (const auto& command : kCommands) {
        if (word == command.name) return;
        known += known.empty() ? "" : ", ";
        known += command.name;
    }
    throw UsageError("there is no command \"" + word + "\"", "the commands are " + known);
}

int runGuarded(const Run& run, Console& console)
{
    try {
        return run(console);
    } catch (const OutputClosed&) {
        return kDone;
    } catch (const UsageError& error) {
        console.error(error.what(), error.hint());
        return kUsage;
    } catch (...) {
        const Error error = currentExceptionAsError();
        if (error.code == ErrorCode::Cancelled) {
            console.error("cancelled", "");
            return kCancelled;
        }
        console.error(error.message, error.hint);
        return kFailed;
    }
}

/// Every command understands it; looked for before the parser does, so that its errors come as JSON lines, too.
constexpr const char* kProgressJson = "--progress-json";

int runProgram(int argc, char** argv, Console& console)
{
    CLI::App program("Elastic language models from the command line", "flextron");
    program.set_version_flag("--version", [] {
        return std::string("flextron ") + version + ", LibTorch " + torchVersion() + ", " + torchCpuCapability();
    });
    program.require_subcommand(1);
    program.footer("flextron COMMAND --help tells about a command.\nExample:\n  flextron generate -p \"Once upon a "
                   "time\" --budget 0.6");

    std::vector<std::pair<CLI::App*, Run>> runs;
    for (const auto& command : kCommands) {
        auto* declared = program.add_subcommand(command.name, command.summary);
        declared->add_flag(kProgressJson)->description("progress, errors and the end as JSON lines on standard error");
        runs.emplace_back(declared, command.declare(*declared));
    }
    try {
        checkCommandName(argc, argv);
        program.parse(argc, argv);
    } catch (const UsageError& error) {
        console.error(error.what(), error.hint());
        return kUsage;
    } catch (const CLI::Success& success) { // --help and --version
        return runGuarded([&](Console&) { return program.exit(success); }, console);
    } catch (const CLI::ParseError& error) {
        std::string called = "flextron";
        for (const auto* command : program.get_subcommands()) called += " " + command->get_name();
        console.error(error.what(), called + " --help tells what there is");
        return kUsage;
    }
    for (const auto& [command, run] : runs)
        if (command->parsed()) return runGuarded(run, console);
    return kUsage;
}

} // namespace

int main(int argc, char** argv)
{
    CancelSource cancel;
    interrupted = &cancel;
    std::signal(SIGINT, onInterrupt);
    std::signal(SIGTERM, onInterrupt);
    std::signal(SIGPIPE, SIG_IGN); // a write that fails says so itself

    Console console(cancel.token(), commandLine(argc, argv));
    if (std::find(argv, argv + argc, std::string_view(kProgressJson)) != argv + argc) console.setProgressJson();
    const int code = runProgram(argc, argv, console);
    console.end(code);
    return code;
}
