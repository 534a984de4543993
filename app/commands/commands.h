// The sub-commands. Each declares its options at once and returns what is to be done when the whole command line was
// understood.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/commands/console.h"

namespace CLI {
class App;
} // namespace CLI

namespace flextron::cli {

/// Gives the exit code; throws Failure, UsageError or OutputClosed.
using Run = std::function<int(Console&)>;

struct Command {
    const char* name;
    const char* summary;
    Run (*declare)(CLI::App& command);
};

Run declareModels(CLI::App& command);
Run declareInfo(CLI::App& command);
Run declareGenerate(CLI::App& command);
Run declareCompare(CLI::App& command);
Run declareReport(CLI::App& command);
Run declareRender(CLI::App& command);
Run declareScore(CLI::App& command);
Run declareEvaluate(CLI::App& command);
Run declareRouters(CLI::App& command);
Run declarePareto(CLI::App& command);
Run declareSearch(CLI::App& command);
Run declareTokenize(CLI::App& command);
Run declareTrain(CLI::App& command);
Run declareTrainTokenizer(CLI::App& command);
Run declareConvert(CLI::App& command);
Run declareProfile(CLI::App& command);
Run declareExport(CLI::App& command);
Run declareBench(CLI::App& command);
Run declareCompletion(CLI::App& command);

} // namespace flextron::cli
