#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/document_list.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/evaluate/choice.h"
#include "engine/evaluate/documents.h"
#include "engine/evaluate/tasks.h"

namespace flextron::cli {

namespace {

constexpr const char* kPerplexity = "perplexity";

struct Options {
    RunOptions run;
    TargetOptions target;
    std::string task;
    std::vector<std::string> data;
    std::string labels;
    std::string examples;
    int shots = 0;
    int limit = 0;
    bool per_item = false;
};

Json optionalNumber(const std::optional<double>& value)
{
    return value ? Json(*value) : Json();
}

Json itemsDocument(const Task& task, const TaskResult& result)
{
    Json items = Json::array();
    for (std::size_t i = 0; i < result.items.size(); ++i) {
        const ItemResult& item = result.items[i];
        items.push_back({{"gold", task.items[i].gold},
                         {"chosen", item.chosen},
                         {"chosen_norm", item.chosen_norm},
                         {"greedy", item.greedy},
                         {"truncated", item.truncated},
                         {"logprobs", item.logprobs}});
    }
    return items;
}

std::string withError(double value, double standard_error, int decimals)
{
    return fixedText(value, decimals) + " +- " + fixedText(standard_error, decimals);
}

void printTask(Console& console, const Options& options, const LoadedModel& model, const ResolvedTarget& resolved,
               const Task& task, const TaskResult& result)
{
    if (options.run.json) {
        Json document = {{"model", runDocument(model)},
                         {"target", targetDocument(resolved)},
                         {"task", options.task},
                         {"n", result.items.size()},
                         {"shots", task.shots},
                         {"accuracy", result.accuracy},
                         {"stderr", result.accuracy_stderr},
                         {"accuracy_norm", optionalNumber(result.accuracy_norm)},
                         {"accuracy_norm_stderr", optionalNumber(result.accuracy_norm_stderr)},
                         {"perplexity", optionalNumber(result.perplexity)},
                         {"perplexity_stderr", optionalNumber(result.perplexity_stderr)},
                         {"truncated", result.truncated},
                         {"tokens", result.tokens}};
        if (options.per_item) document["items"] = itemsDocument(task, result);
        return console.printJson(document);
    }
    std::string text = options.task + ", " + std::to_string(result.items.size()) + " questions, " +
                       std::to_string(task.shots) + " shots: accuracy " +
                       withError(result.accuracy, result.accuracy_stderr, 4);
    if (result.accuracy_norm)
        text += ", by length " + withError(*result.accuracy_norm, *result.accuracy_norm_stderr, 4);
    if (result.perplexity) text += ", perplexity " + withError(*result.perplexity, *result.perplexity_stderr, 3);
    if (result.truncated > 0)
        text += "\n" + std::to_string(result.truncated) + " questions were cut at their beginning to fit the context";
    if (options.target.given()) text += "\n" + resolvedText(model, resolved);
    console.print(text + "\n");
}

void printLoss(Console& console, const Options& options, const LoadedModel& model, const ResolvedTarget& resolved,
               const TextLoss& loss)
{
    const double error = loss.standardError();
    if (!options.run.json)
        return console.print(std::to_string(loss.documents.size()) + " documents, " + std::to_string(loss.tokens) +
                             " tokens: " + withError(loss.mean(), error, 4) + " nats a token, perplexity " +
                             withError(loss.perplexity(), loss.perplexity() * error, 3) + ", " +
                             fixedText(loss.bitsPerByte(), 4) + " bits a byte\n" +
                             (options.target.given() ? resolvedText(model, resolved) + "\n" : ""));
    Json document = {{"model", runDocument(model)},
                     {"target", targetDocument(resolved)},
                     {"task", options.task},
                     {"n", loss.documents.size()},
                     {"tokens", loss.tokens},
                     {"nll_mean", loss.mean()},
                     {"stderr", error},
                     {"perplexity", loss.perplexity()},
                     {"perplexity_stderr", loss.perplexity() * error},
                     {"bits_per_byte", loss.bitsPerByte()}};
    if (options.per_item) {
        Json items = Json::array();
        for (const DocumentLoss& each : loss.documents)
            items.push_back({{"tokens", each.tokens}, {"bytes", each.bytes}, {"nll_sum", each.nll_sum}});
        document["items"] = items;
    }
    console.printJson(document);
}

Task readWanted(const Options& options)
{
    TaskFiles files;
    files.data.assign(options.data.begin(), options.data.end());
    files.labels = options.labels;
    files.examples = options.examples;
    files.shots = options.shots;
    files.limit = options.limit;
    return readTask(parseTaskName(options.task).orThrow(), files).orThrow();
}

int run(Console& console, const Options& options)
{
    options.target.check();
    if (options.task == kPerplexity) {
        if (options.shots > 0) throw UsageError("a text has no shots", "leave --shots out");
        auto model = options.run.load(console, options.target.routers);
        const auto documents = readDocumentList(options.data, tokenizerOf(model), options.limit, console);
        const auto resolved = options.target.resolve(console, model);
        const auto loss =
            scoreDocuments(model, documents, resolved.plan, console.progress(), console.cancel()).orThrow();
        console.clearProgress();
        printLoss(console, options, model, resolved, loss);
        return kDone;
    }
    const Task task = readWanted(options); // before the model: a wrong file shall not wait for it
    auto model = options.run.load(console, options.target.routers);
    const auto resolved = options.target.resolve(console, model);
    const auto result = evaluateTask(model, resolved.plan, task, console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    printTask(console, options, model, resolved, task, result);
    return kDone;
}

} // namespace

Run declareEvaluate(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    addChoice(command, "--task", options->task, "arc_easy|lambada|piqa|winogrande|hellaswag|mmlu|perplexity",
              "what to do; perplexity reads a text, document by document")
        ->required();
    command
        .add_option("--data", options->data,
                    "the task's official file (mmlu: one or more SUBJECT_test.csv), or plain text")
        ->required()
        ->type_name("FILE...");
    command.add_option("--labels", options->labels, "piqa: a label a line (default: beside the data)")
        ->type_name("FILE");
    command
        .add_option("--examples", options->examples,
                    "answered examples in the task's format (mmlu: ../dev/SUBJECT_dev.csv)")
        ->type_name("FILE");
    command.add_option("--shots", options->shots, "examples in front of every question")
        ->capture_default_str()
        ->check(CLI::Range(0, 100).description(""))
        ->type_name("N");
    command.add_option("--limit", options->limit, "the first N questions or documents of each file; 0 = all")
        ->check(CLI::Range(0, 1 << 30).description(""))
        ->type_name("N");
    command.add_flag("--per-item", options->per_item, "with --json: every question or document");
    options->run.declare(command);
    options->target.declare(command);
    command.footer("Examples:\n  flextron evaluate MODEL --task hellaswag --data hellaswag_val.jsonl --budget 0.6\n  "
                   "flextron evaluate MODEL --task mmlu --data mmlu/test/anatomy_test.csv --shots 5\n  flextron "
                   "evaluate MODEL --task perplexity --data stories.valid.txt --routing dynamic --budget 0.5");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
