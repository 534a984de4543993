#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/base/files.h"
#include "engine/elastic/extract.h"
#include "engine/elastic/parity.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    TargetOptions target;
    std::string out;
};

/// One sub-network for any text: a router that chooses by token has none.
ResolvedTarget fixedTarget(Console& console, const Options& options, LoadedModel& model)
{
    if (options.target.routing == "dynamic")
        throw UsageError("--routing dynamic: a choice that changes with the token is no checkpoint",
                         "use --routing uniform or static");
    if (!options.target.overrides.empty())
        throw UsageError("--overrides: a checkpoint has the same widths for every token",
                         "say the widths with --subnet");
    Target target = options.target.target(model.config());
    if (!target.routing) target.routing = Routing::Uniform;
    return options.target.resolve(console, model, target);
}

struct Choice {
    SubNetwork subnet;
    std::string found; ///< what to say of it
};

/// Found on the backend that other commands run on: a budget is the same network here and there. (Weights are copied,
/// and logits compared, by the reference, which has a latency table of its own.)
Choice choose(Console& console, const Options& options)
{
    const bool given = !options.target.subnet.empty();
    auto model = options.run.load(console, options.target.routers, given ? BackendKind::Reference : BackendKind::Auto);
    const auto resolved = fixedTarget(console, options, model);
    return {resolved.plan.subnet, given ? "" : resolvedText(model, resolved) + "\n"};
}

int run(Console& console, const Options& options)
{
    options.target.check();
    const auto type = options.run.loadOptions(BackendKind::Reference).type;
    auto folder = AtomicFolder::create(options.out).orThrow();
    const auto [subnet, found] = choose(console, options);
    auto model = options.run.load(console, options.target.routers, BackendKind::Reference);
    auto extraction = extractSubNetwork(model.checkpoint, subnet).orThrow();
    writeCheckpoint(folder.path(), extraction.contents, console.progress()).orThrow();
    console.clearProgress();

    const auto ids = parityIds(model.config(), options.run.seed);
    const auto expected = parityLogits(*model.backend, subnet, ids, console.cancel());
    model.backend.reset();
    const auto parity = checkParity(folder.path(), model.device, type, ids, expected, console.progress(),
                                    console.cancel());
    console.clearProgress();
    const auto written = Checkpoint::open(folder.path()).orThrow();
    console.cancel().throwIfCancelled();
    folder.commit().orThrow();

    const std::string form = extraction.plain_hugging_face
                                 ? "plain Hugging Face (" + std::string(familyName(model.config().family)) + ")"
                                 : "per-layer sizes in flextron.json, for this program only";
    if (options.run.json) {
        console.printJson({{"out", options.out},
                           {"form", extraction.plain_hugging_face ? "hugging_face" : "layer_sizes"},
                           {"notes", extraction.notes},
                           {"subnet", toString(subnet)},
                           {"mlp", subnet.mlp},
                           {"heads", subnet.heads},
                           {"parameters", written->parameters()},
                           {"files", filesDocument(*written)},
                           {"max_logit_difference", parity.max_difference},
                           {"parity_tokens", ids.size()}});
    } else {
        std::string text = options.out + ": " + form + ", " + countText(double(written->parameters())) +
                           " parameters, " + toString(subnet) + "\n" + found;
        for (const auto& note : extraction.notes) text += note + "\n";
        char difference[32];
        std::snprintf(difference, sizeof difference, "%.3g", parity.max_difference);
        console.print(text + "logits agree with the sub-network's: largest difference " + difference + " over " +
                      std::to_string(ids.size()) + " tokens\n");
    }
    return kDone;
}

} // namespace

Run declareExport(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command.add_option("--out", options->out, "the new checkpoint folder")->type_name("DIR")->required();
    options->run.declare(command);
    options->target.declare(command);
    command.footer("Examples:\n  flextron export MODEL --params 0.6 --out small\n  flextron export MODEL --subnet "
                   "\"mlp 352*8; heads 4*8\" --out half");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
