#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/document_list.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "app/commands/svg_plot.h"
#include "engine/base/files.h"
#include "engine/evaluate/pareto.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    ParetoOptions pareto;
    std::vector<std::string> data;
    std::string routers;
    CountingOptions counting;
    std::string svg;
    int limit = 0;
};

Json paretoDocument(const LoadedModel& model, const Pareto& pareto)
{
    Json points = Json::array();
    for (const ParetoPoint& point : pareto.points)
        points.push_back({{"routing", point.routing},
                          {"budget", point.budget},
                          {"share", point.share},
                          {"ms", point.ms ? Json(*point.ms) : Json()},
                          {"parameters", point.parameters},
                          {"nll", point.loss.mean()},
                          {"stderr", point.loss.standardError()},
                          {"perplexity", point.loss.perplexity()},
                          {"bits_per_byte", point.loss.bitsPerByte()},
                          {"tokens", point.loss.tokens},
                          {"documents", point.loss.documents.size()},
                          {"on_front", point.on_front},
                          {"subnet", point.subnet.empty() ? Json() : Json(point.subnet)}});
    return {{"model", runDocument(model)},
            {"cost_basis", pareto.cost_basis},
            {"device", model.latency ? Json(model.latency->device) : Json()},
            {"points", points},
            {"left_out", pareto.left_out}};
}

std::string column(std::string text, std::size_t width)
{
    return text.append(text.size() < width ? width - text.size() : 1, ' ');
}

std::string paretoText(const LoadedModel& model, const Pareto& pareto)
{
    const bool ms = pareto.points.front().ms.has_value();
    std::string text = column("routing", 10) + column("asked", 8) + column("cost", 8) + (ms ? column("ms", 9) : "") +
                       column("parameters", 12) + column("loss", 9) + column("+-", 8) + column("perplexity", 12) + "\n";
    for (const ParetoPoint& point : pareto.points)
        text += column(point.routing, 10) + column(fixedText(point.budget, 3), 8) +
                column(fixedText(point.share, 3), 8) + (ms ? column(fixedText(*point.ms, 4), 9) : "") +
                column(countText(point.parameters), 12) + column(fixedText(point.loss.mean(), 4), 9) +
                column(fixedText(point.loss.standardError(), 4), 8) +
                column(fixedText(point.loss.perplexity(), 3), 12) + (point.on_front ? "*" : "") + "\n";
    text += "cost: share of the full model's " + costBasis(model) + "; * nothing is cheaper and better\n";
    for (const std::string& left_out : pareto.left_out) text += "left out: " + left_out + "\n";
    return text;
}

Plot plotOf(const LoadedModel& model, const Pareto& pareto)
{
    Plot plot;
    plot.title = model.name;
    const bool ms = pareto.points.front().ms.has_value();
    plot.x_label = ms ? "milliseconds a token (predicted)" : "share of the full model's FLOPs";
    plot.y_label = "loss, nats a token";
    const ParetoPoint& full = pareto.points.front();
    const auto place = [&](const ParetoPoint& point) {
        return PlotPoint{ms ? *point.ms : point.share, point.loss.mean(), point.loss.standardError()};
    };
    for (const ParetoPoint& point : pareto.points) {
        if (point.routing == "full") continue;
        // Every curve begins at the full model.
        if (plot.series.empty() || plot.series.back().name != point.routing)
            plot.series.push_back({point.routing, {place(full)}});
        plot.series.back().points.push_back(place(point));
    }
    if (plot.series.empty()) plot.series.push_back({"full", {place(full)}});
    return plot;
}

int run(Console& console, const Options& options)
{
    options.counting.check(/*needs_ms=*/false);
    checkWritable(options.svg);
    auto model = options.run.load(console, options.routers);
    const auto documents = readDocumentList(options.data, tokenizerOf(model), options.limit, console);
    options.counting.apply(console, model, options.counting.cost != "flops");
    auto settings = options.pareto;
    settings.seed = options.run.seed;
    const auto pareto = measurePareto(model, documents, settings, console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    if (!options.svg.empty()) writeFile(options.svg, svgPlot(plotOf(model, pareto))).orThrow();
    if (options.run.json) console.printJson(paretoDocument(model, pareto));
    else console.print(paretoText(model, pareto));
    return kDone;
}

} // namespace

Run declarePareto(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command.add_option("--data", options->data, "plain text, documents apart by a line <|endoftext|>")
        ->required()
        ->type_name("FILE...");
    command.add_option("--budgets", options->pareto.budgets, "shares of the full model's cost")
        ->delimiter(',')
        ->capture_default_str()
        ->check(CLI::Range(1e-6, 1.0).description(""))
        ->type_name("F,F,...");
    command.add_flag("--searched", options->pareto.searched,
                     "also the best sub-network that the surrogate finds for each budget");
    command.add_option("--limit", options->limit, "the first N documents of each file; 0 = all")
        ->check(CLI::Range(0, 1 << 30).description(""))
        ->type_name("N");
    command.add_option("--context", options->pareto.context, "length in tokens at which cost is counted")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000).description(""))
        ->type_name("N");
    command.add_option("--routers", options->routers, "routers of another run")->type_name("FILE");
    options->counting.declare(command);
    command.add_option("--svg", options->svg, "draw the points into a file")->type_name("FILE");
    options->run.declare(command);
    command.footer("Example:\n  flextron pareto MODEL --data stories.valid.txt --limit 100 --svg pareto.svg");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
