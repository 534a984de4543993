#include <CLI/CLI.hpp>

#include <cmath>

#include "app/commands/commands.h"
#include "app/commands/document_list.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/evaluate/search.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    SearchOptions search;
    std::optional<double> budget, latency_ms, quality;
    std::vector<std::string> data;
    std::string routers;
    CountingOptions counting;
    int limit = 50;
};

SearchGoal goalOf(const Options& options)
{
    if (int(options.budget.has_value()) + int(options.latency_ms.has_value()) + int(options.quality.has_value()) != 1)
        throw UsageError("exactly one goal is needed", "give --budget, --latency or --quality");
    options.counting.check(options.latency_ms.has_value());
    if (options.budget) return {SearchGoal::Kind::Share, *options.budget};
    if (options.latency_ms) return {SearchGoal::Kind::LatencyMs, *options.latency_ms};
    return {SearchGoal::Kind::Quality, *options.quality};
}

Json searchDocument(const LoadedModel& model, const SearchResult& result)
{
    Json candidates = Json::array();
    for (const SearchCandidate& candidate : result.candidates)
        candidates.push_back({{"subnet", toString(candidate.subnet)},
                              {"mlp", candidate.subnet.mlp},
                              {"heads", candidate.subnet.heads},
                              {"share", candidate.share},
                              {"ms", candidate.ms ? Json(*candidate.ms) : Json()},
                              {"parameters", candidate.parameters},
                              {"predicted_rise", candidate.predicted_rise},
                              {"measured_rise", candidate.measured_rise},
                              {"nll", candidate.measured.mean()},
                              {"stderr", candidate.measured.standardError()}});
    return {{"model", runDocument(model)},
            {"cost_basis", model.latency ? "latency table" : "FLOPs"},
            {"device", model.latency ? Json(model.latency->device) : Json()},
            {"full_nll", result.full.mean()},
            {"met", result.met},
            {"surrogate_error", model.routers->surrogate->relative_error},
            {"candidates", candidates}};
}

std::string signedText(double value)
{
    return (value < 0 ? "" : "+") + fixedText(value, 4);
}

std::string searchText(const LoadedModel& model, const SearchResult& result)
{
    std::string text;
    for (const SearchCandidate& candidate : result.candidates)
        text += "cost " + fixedText(candidate.share, 3) +
                (candidate.ms ? " (" + fixedText(*candidate.ms, 4) + " ms)" : "") + ", " +
                countText(double(candidate.parameters)) + " parameters, loss " + signedText(candidate.measured_rise) +
                " nats (foretold " + signedText(candidate.predicted_rise) + "): " + toString(candidate.subnet) + "\n";
    if (!result.met)
        text += "none of those read keeps within the goal; the nearest is the first, " +
                fixedText(result.candidates.front().measured_rise, 4) + " nats above the full model\n";
    const SearchCandidate& best = result.candidates.front();
    const double error = (best.measured_rise - best.predicted_rise) / best.measured.mean();
    const double stated = model.routers->surrogate->relative_error;
    if (std::abs(error) > stated)
        text +=
            "the surrogate foretold the first one's loss " + fixedText(100 * std::abs(error), 1) + " % too " +
            (error > 0 ? "low" : "high") + ", beyond the " + fixedText(100 * stated, 1) +
            " % that it errs by on random sub-networks: a search finds where it errs, and what was measured counts\n";
    return text + "cost: share of the full model's " + costBasis(model) + "\n";
}

int run(Console& console, const Options& options)
{
    const SearchGoal goal = goalOf(options);
    auto model = options.run.load(console, options.routers);
    const auto documents = readDocumentList(options.data, tokenizerOf(model), options.limit, console);
    options.counting.apply(console, model, goal.kind == SearchGoal::Kind::LatencyMs);
    auto settings = options.search;
    settings.seed = options.run.seed;
    const auto result =
        searchSubNetwork(model, goal, documents, settings, console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    if (options.run.json) console.printJson(searchDocument(model, result));
    else console.print(searchText(model, result));
    return kDone;
}

} // namespace

Run declareSearch(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    const std::string group = "Goal (one)";
    addModel(command, options->run.model);
    command.add_option("--budget", options->budget, "least loss for this share of the full model's cost")
        ->check(CLI::Range(1e-9, 1.0).description(""))
        ->type_name("F")
        ->group(group);
    command.add_option("--latency", options->latency_ms, "least loss in so many milliseconds a token")
        ->check(CLI::Range(1e-9, 1e9).description(""))
        ->type_name("MS")
        ->group(group);
    command
        .add_option("--quality", options->quality, "least cost with a loss at most so many nats above the full model's")
        ->check(CLI::Range(1e-9, 1e9).description(""))
        ->type_name("F")
        ->group(group);
    command
        .add_option("--data", options->data, "the text on which the best are read, documents apart by <|endoftext|>")
        ->required()
        ->type_name("FILE...");
    command.add_option("--limit", options->limit, "its first N documents; 0 = all")
        ->capture_default_str()
        ->check(CLI::Range(0, 1 << 30).description(""))
        ->type_name("N");
    command.add_option("--candidates", options->search.candidates, "how many are read")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000).description(""))
        ->type_name("N");
    command.add_option("--context", options->search.context, "length in tokens at which cost is counted")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000).description(""))
        ->type_name("N");
    command.add_option("--routers", options->routers, "routers of another run, with their surrogate")
        ->type_name("FILE");
    options->counting.declare(command);
    options->run.declare(command);
    command.footer("Examples:\n  flextron search MODEL --latency 0.4 --data stories.valid.txt\n  flextron search MODEL "
                   "--quality 0.1 --data stories.valid.txt --table other-machine.json");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
