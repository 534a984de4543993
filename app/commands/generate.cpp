#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "app/commands/running.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    TargetOptions target;
    PromptOptions prompt;
    GenerateOptions generate;
    std::string trace;
};

int run(Console& console, const Options& options)
{
    options.target.check();
    checkWritable(options.trace);
    auto loaded = options.run.load(console, options.target.routers);
    const auto prompt = options.prompt.read(loaded);
    const auto resolved = options.target.resolve(console, loaded);
    const auto model = std::make_shared<const LoadedModel>(std::move(loaded));

    auto settings = options.generate.settings(console, options.run.seed);
    settings.kv = options.target.kvPolicy(!resolved.plan.dynamic() && !resolved.plan.overrides);
    const PaneSpec pane{std::string(routingName(resolved.routing)), resolved.plan, resolved.routing};
    const auto generation = Generation::start(model, prompt, {pane}, settings).orThrow();
    const bool whole = runToEnd(*generation, console, settings.max_tokens, [&](const PaneEvent& event) {
        if (!options.run.json && !event.text.empty()) console.print(event.text);
    });

    const auto traces = tracesOf(*generation);
    if (!options.trace.empty()) writeTraces(options.trace, traces).orThrow();
    const auto timing = generation->timing(0);
    if (options.run.json) {
        console.printJson(paneDocument(*model, resolved, traces[0], generation->text(0), timing));
    } else {
        console.print("\n");
        console.note(resolvedText(*model, resolved) + "; " + std::to_string(timing.new_tokens) + " tokens, " +
                     fixedText(timing.tokens_per_second, 1) + " tokens a second, first after " +
                     fixedText(timing.ttft_ms, 0) + " ms");
    }
    return whole ? kDone : kCancelled;
}

} // namespace

Run declareGenerate(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    options->prompt.declare(command);
    options->generate.declare(command);
    options->run.declare(command);
    options->target.declare(command);
    command.add_option("--trace", options->trace, "write what happened, token by token (safetensors)")
        ->type_name("FILE");
    command.footer("Example:\n  flextron generate -p \"Once upon a time\" --budget 0.6 --max-tokens 60");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
