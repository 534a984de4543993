#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>

#include "app/commands/commands.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "app/commands/pane_list.h"
#include "app/commands/running.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    TargetOptions target; // routing, context, routers, overrides and kv; the targets stand in the panes
    PromptOptions prompt;
    GenerateOptions generate;
    std::string panes = "full,0.8,0.6";
    std::string trace;
};

struct Compared {
    std::vector<ResolvedTarget> targets;
    std::vector<Trace> traces;
    std::size_t baseline = 0;
    std::vector<std::optional<Agreement>> agreements; ///< none where it was cancelled or nothing was written
};

/// Teacher-forced on the baseline's new tokens, against the full model. False when it was cancelled: the texts are
/// kept.
bool findAgreements(const LoadedModel& model, Compared& compared, Console& console)
{
    const auto& baseline = compared.traces[compared.baseline];
    const auto ids = baseline.ids();
    const auto given = std::count_if(baseline.records.begin(), baseline.records.end(),
                                     [](const TokenRecord& record) { return record.given; });
    if (static_cast<std::size_t>(given) >= ids.size()) return true;
    WidthPlan full;
    full.subnet = fullSubNetwork(model.config());
    for (std::size_t pane = 0; pane < compared.traces.size(); ++pane) {
        const auto agreement = compareOnText(model, ids, static_cast<int>(given), full, compared.targets[pane].plan,
                                             console.cancel());
        if (!agreement.ok() && agreement.error().code == ErrorCode::Cancelled) return false;
        compared.agreements[pane] = Result<Agreement>(agreement).orThrow();
    }
    return true;
}

Json compareDocument(const LoadedModel& model, const Generation& generation, const Compared& compared)
{
    Json document = Json::array();
    for (std::size_t pane = 0; pane < compared.traces.size(); ++pane) {
        const int index = static_cast<int>(pane);
        Json entry = paneDocument(model, compared.targets[pane], compared.traces[pane], generation.text(index),
                                  generation.timing(index));
        entry["baseline"] = pane == compared.baseline;
        const int divergence = firstDivergence(compared.traces[compared.baseline], compared.traces[pane]);
        entry["first_divergence"] = divergence < 0 ? Json() : Json(divergence);
        const auto& agreement = compared.agreements[pane];
        entry["agreement"] = agreement ? Json(agreement->agreement) : Json();
        entry["agreement_stderr"] = agreement ? Json(agreement->agreement_stderr) : Json();
        entry["kl_to_full"] = agreement ? Json(agreement->kl_to_full) : Json();
        entry["kl_stderr"] = agreement ? Json(agreement->kl_stderr) : Json();
        entry["n"] = agreement ? Json(agreement->tokens) : Json(0);
        document.push_back(entry);
    }
    return document;
}

void printPane(Console& console, const LoadedModel& model, const Generation& generation, const Compared& compared,
               std::size_t pane)
{
    const int index = static_cast<int>(pane);
    const auto timing = generation.timing(index);
    std::string text = (pane == 0 ? "== " : "\n== ") + compared.traces[pane].label + ": " +
                       resolvedText(model, compared.targets[pane]) + "\n" + generation.text(index) + "\n-- " +
                       fixedText(timing.tokens_per_second, 1) + " tokens a second, " + fixedText(timing.p50_ms, 2) +
                       " ms a token; ";
    if (pane == compared.baseline) {
        text += "the baseline";
    } else {
        const int divergence = firstDivergence(compared.traces[compared.baseline], compared.traces[pane]);
        text += divergence < 0 ? "the same text" : "first differs at new token " + std::to_string(divergence + 1);
    }
    if (const auto& agreement = compared.agreements[pane])
        text += "\n-- on the baseline's text: the full model's best token in " +
                fixedText(100 * agreement->agreement, 1) + " ± " + fixedText(100 * agreement->agreement_stderr, 1) +
                " %, KL to full " + fixedText(agreement->kl_to_full, 3) + " ± " + fixedText(agreement->kl_stderr, 3) +
                " nats (n = " + std::to_string(agreement->tokens) + ", standard errors)";
    console.print(text + "\n");
}

int run(Console& console, const Options& options)
{
    const auto items = splitPanes(options.panes);
    checkWritable(options.trace);
    auto loaded = options.run.load(console, options.target.routers);
    const auto prompt = options.prompt.read(loaded);

    Compared compared;
    std::vector<PaneSpec> panes;
    std::optional<std::size_t> full;
    bool fixed = true;
    for (const auto& item : items) {
        Target target = paneTarget(item, loaded.config());
        if (!target.routing && !options.target.routing.empty())
            target.routing = parseRouting(options.target.routing).orThrow();
        if (target.kind == Target::Kind::Full && !full) full = panes.size();
        compared.targets.push_back(options.target.resolve(console, loaded, target));
        const auto& resolved = compared.targets.back();
        fixed = fixed && !resolved.plan.dynamic() && !resolved.plan.overrides;
        panes.push_back({item, resolved.plan, resolved.routing});
    }
    compared.baseline = full.value_or(0);

    const auto model = std::make_shared<const LoadedModel>(std::move(loaded));
    auto settings = options.generate.settings(console, options.run.seed);
    settings.kv = options.target.kvPolicy(fixed);
    const auto generation = Generation::start(model, prompt, panes, settings).orThrow();
    bool whole = runToEnd(*generation, console, settings.max_tokens);
    compared.traces = tracesOf(*generation);
    if (!options.trace.empty()) writeTraces(options.trace, compared.traces).orThrow();
    compared.agreements.resize(panes.size());
    whole = whole && findAgreements(*model, compared, console);

    if (options.run.json) console.printJson(compareDocument(*model, *generation, compared));
    else
        for (std::size_t pane = 0; pane < panes.size(); ++pane) printPane(console, *model, *generation, compared, pane);
    return whole ? kDone : kCancelled;
}

} // namespace

Run declareCompare(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command
        .add_option(
            "--panes", options->panes,
            "sub-networks apart by commas: full, a budget (0.6), or \"mlp 352*8; heads 4*8\"; each with :uniform, "
            ":static or :dynamic behind it where wanted")
        ->capture_default_str()
        ->type_name("LIST");
    options->prompt.declare(command);
    options->generate.declare(command);
    options->run.declare(command);
    options->target.declareRouting(command);
    command.add_option("--trace", options->trace, "write what happened in every pane, token by token (safetensors)")
        ->type_name("FILE");
    command.footer("Example:\n  flextron compare -p \"Once upon a time\" --panes full,0.8,0.6:uniform --max-tokens 40");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
