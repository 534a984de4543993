#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/document_list.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/evaluate/router_report.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    std::vector<std::string> data;
    std::string routers;
    CountingOptions counting;
    RouterReportOptions report;
    int limit = 50;
};

/// A report and whose it is.
struct Named {
    std::string name;
    RouterReport report;
};

std::vector<NamedDocuments> readTexts(const Options& options, const Tokenizer& tokenizer, Console& console)
{
    std::vector<NamedDocuments> texts;
    for (const std::string& argument : options.data) {
        const auto equals = argument.find('=');
        const std::string file = equals == std::string::npos ? argument : argument.substr(equals + 1);
        NamedDocuments text;
        text.name = equals == std::string::npos ? std::filesystem::path(file).stem().string()
                                                : argument.substr(0, equals);
        if (text.name.empty() || file.empty())
            throw UsageError("--data: expected NAME=FILE, found " + argument, "write --data stories=stories.txt");
        for (const NamedDocuments& other : texts)
            if (other.name == text.name)
                throw UsageError("--data: the name " + text.name + " is given twice", "name each text differently");
        text.documents = readDocumentList({file}, tokenizer, options.limit, console);
        texts.push_back(std::move(text));
    }
    return texts;
}

Json comparedDocument(const PairedComparison& compared)
{
    return {{"difference", compared.difference},
            {"low", compared.low},
            {"high", compared.high},
            {"p", compared.p_value},
            {"documents", compared.documents},
            {"resamples", compared.resamples}};
}

Json lossDocument(const TextLoss& loss)
{
    return {{"nll", loss.mean()}, {"stderr", loss.standardError()}, {"tokens", loss.tokens}};
}

Json controlDocument(const Control& control)
{
    Json document = lossDocument(control.loss);
    document["cost"] = control.share;
    document["against_routers"] = comparedDocument(control.compared);
    return document;
}

Json stopDocument(const StopUse& stop)
{
    Json document = {{"text", stop.text}, {"asked", stop.asked}};
    if (stop.dynamic) {
        const DynamicUse& use = *stop.dynamic;
        document["dynamic"] = lossDocument(use.loss);
        document["dynamic"]["cost"] = use.got;
        document["dynamic"]["uses_its_input"] = use.usesItsInput();
        document["dynamic"]["uniform"] = controlDocument(use.uniform);
        document["dynamic"]["uniform"]["subnet"] = toString(use.uniform_subnet);
        document["dynamic"]["shuffled"] = controlDocument(use.shuffled);
    }
    if (stop.fixed) {
        document["static"] = lossDocument(stop.fixed->loss);
        document["static"]["cost"] = stop.fixed->got;
        document["static"]["subnet"] = toString(stop.fixed->subnet);
        document["static"]["uniform"] = controlDocument(stop.fixed->uniform);
    }
    return document;
}

Json reportDocument(const Named& named)
{
    Json rows = Json::array(), stops = Json::array();
    for (const StopUse& stop : named.report.stops) {
        stops.push_back(stopDocument(stop));
        if (!stop.dynamic) continue;
        for (const RouterCell& cell : stop.dynamic->cells) {
            const bool mlp = cell.block == SubBlock::Mlp;
            rows.push_back({{"text", stop.text},
                            {"asked", stop.asked},
                            {"layer", cell.layer},
                            {"block", mlp ? "mlp" : "heads"},
                            {"choices", mlp ? named.report.choices.mlp_int_list : named.report.choices.head_int_list},
                            {"shares", cell.shares},
                            {"dead", cell.dead},
                            {"entropy_between_tokens", cell.entropy_between_tokens},
                            {"router_entropy", cell.router_entropy},
                            {"margin", cell.margin}});
        }
    }
    return {{"routers", named.name},
            {"cost_basis", named.report.cost_basis},
            {"rows", rows},
            {"stops", stops},
            {"verdicts", named.report.verdicts}};
}

std::string padded(std::string text, std::size_t width)
{
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string sharesText(const RouterCell& cell, const std::vector<int>& choices)
{
    std::string text;
    for (std::size_t i = 0; i < choices.size(); ++i)
        text += "  " + std::to_string(choices[i]) + " " + padded(fixedText(100 * cell.shares[i], 1), 5) + " %";
    return text + "  entropy " + fixedText(cell.entropy_between_tokens, 3) + "  margin " + fixedText(cell.margin, 3) +
           "\n";
}

std::string comparedText(const char* name, const PairedComparison& compared)
{
    return std::string(", ") + name + " " + (compared.difference < 0 ? "" : "+") + fixedText(compared.difference, 4) +
           " (p " + (compared.p_value < 1e-4 ? "< 0.0001" : "= " + fixedText(compared.p_value, 4)) + ")";
}

std::string reportText(const LoadedModel& model, const Named& named)
{
    const RouterReport& report = named.report;
    std::string text = named.name + "; cost: share of the full model's " + costBasis(model) +
                       "; differences in nats a token\n";
    for (const StopUse& stop : report.stops) {
        text += "\n" + stop.text + ", asked for " + fixedText(stop.asked, 3) + "\n";
        if (stop.fixed)
            text += "  static   cost " + fixedText(stop.fixed->got, 3) + ", loss " +
                    fixedText(stop.fixed->loss.mean(), 4) + comparedText("uniform", stop.fixed->uniform.compared) +
                    ": " + toString(stop.fixed->subnet) + "\n";
        if (!stop.dynamic) continue;
        const DynamicUse& use = *stop.dynamic;
        text += "  dynamic  cost " + fixedText(use.got, 3) + ", loss " + fixedText(use.loss.mean(), 4) +
                comparedText("uniform", use.uniform.compared) + comparedText("shuffled", use.shuffled.compared) + "\n";
        for (const RouterCell& cell : use.cells) {
            const bool mlp = cell.block == SubBlock::Mlp;
            text += "    layer " + padded(std::to_string(cell.layer), 2) + (mlp ? " MLP  " : " heads") +
                    sharesText(cell, mlp ? report.choices.mlp_int_list : report.choices.head_int_list);
        }
    }
    text += "\n";
    for (const std::string& verdict : report.verdicts) text += verdict + "\n";
    return text;
}

/// Two sets of routers on the same texts: `difference` is the second's loss less the first's.
Json comparisonDocument(const RouterReport& first, const RouterReport& second, const RouterReportOptions& options)
{
    Json rows = Json::array();
    for (const StopUse& a : first.stops)
        for (const StopUse& b : second.stops) {
            if (a.text != b.text || a.asked != b.asked || !a.dynamic || !b.dynamic) continue;
            rows.push_back({{"text", a.text},
                            {"asked", a.asked},
                            {"cost", {a.dynamic->got, b.dynamic->got}},
                            {"nll", {a.dynamic->loss.mean(), b.dynamic->loss.mean()}},
                            {"second_less_first", comparedDocument(comparePaired(b.dynamic->loss, a.dynamic->loss,
                                                                                 options.resamples, options.seed))}});
        }
    return rows;
}

std::string comparisonText(const Json& rows)
{
    std::string text = "\nboth, dynamic: cost and loss of the first and of the second\n";
    for (const Json& row : rows) {
        const Json& compared = row["second_less_first"];
        text += "  " + row["text"].get<std::string>() + " at " + fixedText(row["asked"], 3) + ": cost " +
                fixedText(row["cost"][0], 3) + " and " + fixedText(row["cost"][1], 3) + ", loss " +
                fixedText(row["nll"][0], 4) + " and " + fixedText(row["nll"][1], 4) + ", difference " +
                fixedText(compared["difference"], 4) + " (95 % from " + fixedText(compared["low"], 4) + " to " +
                fixedText(compared["high"], 4) + ")\n";
    }
    return text;
}

int run(Console& console, const Options& options)
{
    // Stops are shares of FLOPs: so they are met or missed in FLOPs, on every machine alike.
    CountingOptions counting = options.counting;
    if (counting.cost == "auto" && counting.table.empty()) counting.cost = "flops";
    counting.check(/*needs_ms=*/false);
    auto model = options.run.load(console);
    const auto texts = readTexts(options, tokenizerOf(model), console);
    counting.apply(console, model, /*needs_ms=*/false);
    auto settings = options.report;
    settings.seed = options.run.seed;
    std::vector<Named> reports;
    const auto report = [&](const std::string& name) {
        reports.push_back(
            {name, reportRouters(model, texts, settings, console.progress(), console.cancel()).orThrow()});
        console.clearProgress();
    };
    if (model.routers || options.routers.empty()) report("routers of " + model.name);
    if (!options.routers.empty()) {
        // The same budgets for both, or nothing could be compared.
        if (settings.budgets.empty() && model.routers)
            for (const StopUse& stop : reports.front().report.stops)
                if (stop.text == texts.front().name) settings.budgets.push_back(stop.asked);
        model.routers = readRouters(options.routers, model.config(), model.checkpoint->choices()).orThrow();
        report(options.routers);
    }
    const Json compared = reports.size() == 2 ? comparisonDocument(reports[0].report, reports[1].report, settings)
                                              : Json();
    if (options.run.json) {
        Json document = {{"model", runDocument(model)}};
        document.update(reportDocument(reports.front()));
        if (reports.size() == 2) {
            document["other"] = reportDocument(reports.back());
            document["compared"] = compared;
        }
        console.printJson(document);
        return kDone;
    }
    for (const Named& named : reports)
        console.print((&named == &reports.front() ? "" : "\n") + reportText(model, named));
    if (reports.size() == 2) console.print(comparisonText(compared));
    return kDone;
}

} // namespace

Run declareRouters(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command
        .add_option("--data", options->data,
                    "texts by name, plain text, documents apart by a line <|endoftext|>; may be given again")
        ->required()
        ->type_name("NAME=FILE...");
    command.add_option("--routers", options->routers, "routers of another run, to compare with the model's own")
        ->type_name("FILE");
    command
        .add_option("--stops", options->report.budgets,
                    "budgets to look at, shares of FLOPs (default: the trained ones below 1)")
        ->delimiter(',')
        ->check(CLI::Range(1e-6, 1.0).description(""))
        ->type_name("F,F,...");
    command.add_option("--limit", options->limit, "the first N documents of each text; 0 = all")
        ->capture_default_str()
        ->check(CLI::Range(0, 1 << 30).description(""))
        ->type_name("N");
    command.add_option("--resamples", options->report.resamples, "of the bootstrap")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000).description(""))
        ->type_name("N");
    command.add_option("--context", options->report.context, "length in tokens at which costs are counted")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000).description(""))
        ->type_name("N");
    options->counting.declare(command, "Cost", "flops, as the stops of routers are");
    options->run.declare(command);
    command.footer("Example:\n  flextron routers MODEL --data stories=stories.txt books=books.txt --stops 0.8,0.6");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
