#include "app/commands/comparing.h"

#include <CLI/CLI.hpp>

#include "app/commands/documents.h"
#include "app/commands/pane_list.h"
#include "app/commands/running.h"

namespace flextron::cli {

namespace {

/// Teacher-forced on the baseline's new tokens, against the full model. False when it was cancelled: the texts are
/// kept.
bool findAgreements(Compared& compared, Console& console)
{
    const auto& baseline = compared.traces[compared.baseline];
    const auto ids = baseline.ids();
    const int given = givenTokens(baseline);
    if (static_cast<std::size_t>(given) >= ids.size()) return true;
    WidthPlan full;
    full.subnet = fullSubNetwork(compared.model->config());
    for (std::size_t pane = 0; pane < compared.traces.size(); ++pane) {
        const auto agreement = compareOnText(*compared.model, ids, given, full, compared.targets[pane].plan,
                                             console.cancel());
        if (!agreement.ok() && agreement.error().code == ErrorCode::Cancelled) return false;
        compared.agreements[pane] = Result<Agreement>(agreement).orThrow();
    }
    return true;
}

} // namespace

void ComparingOptions::declare(CLI::App& command)
{
    addModel(command, run.model);
    command
        .add_option(
            panes_option, panes,
            "sub-networks apart by commas: full, a budget (0.6), or \"mlp 352*8; heads 4*8\"; each with :uniform, "
            ":static or :dynamic behind it where wanted")
        ->capture_default_str()
        ->type_name("LIST");
    prompt.declare(command);
    generate.declare(command);
    run.declare(command);
    target.declareRouting(command);
    command.add_option("--trace", trace, "write what happened in every pane, token by token (safetensors)")
        ->type_name("FILE");
}

Compared comparePanes(Console& console, const ComparingOptions& options)
{
    options.target.check();
    const auto items = splitPanes(options.panes, options.panes_option);
    checkWritable(options.trace);
    auto loaded = options.run.load(console, options.target.routers);
    Compared compared;
    compared.prompt = options.prompt.read(loaded);

    std::optional<std::size_t> full;
    bool fixed = true;
    for (const auto& item : items) {
        Target target = paneTarget(item, loaded.config(), options.panes_option);
        if (!target.routing && !options.target.routing.empty())
            target.routing = parseRouting(options.target.routing).orThrow();
        if (target.kind == Target::Kind::Full && !full) full = compared.panes.size();
        compared.targets.push_back(options.target.resolve(console, loaded, target));
        const auto& resolved = compared.targets.back();
        fixed = fixed && !resolved.plan.dynamic() && !resolved.plan.overrides;
        compared.panes.push_back({item, resolved.plan, resolved.routing});
    }
    compared.baseline = full.value_or(0);

    compared.model = std::make_shared<const LoadedModel>(std::move(loaded));
    compared.settings = options.generate.settings(console, options.run.seed);
    compared.settings.kv = options.target.kvPolicy(fixed);
    compared.generation =
        Generation::start(compared.model, compared.prompt, compared.panes, compared.settings).orThrow();
    compared.whole = runToEnd(*compared.generation, console, compared.settings.max_tokens);
    compared.traces = tracesOf(*compared.generation);
    if (!options.trace.empty()) writeTraces(options.trace, compared.traces).orThrow();
    compared.agreements.resize(compared.panes.size());
    compared.whole = compared.whole && findAgreements(compared, console);
    return compared;
}

Json compareDocument(const Compared& compared)
{
    Json document = Json::array();
    for (std::size_t pane = 0; pane < compared.traces.size(); ++pane) {
        const int index = static_cast<int>(pane);
        Json entry = paneDocument(*compared.model, compared.targets[pane], compared.traces[pane],
                                  compared.generation->text(index), compared.generation->timing(index));
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

} // namespace flextron::cli
