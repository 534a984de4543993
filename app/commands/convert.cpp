#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>

#include "app/commands/commands.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "app/commands/training.h"
#include "engine/base/system.h"
#include "engine/training/conversion.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    TrainingOptions training; ///< its data and sequence length are the importance's too
    ConversionOptions conversion;
    std::string out;
    std::string tokens, base_tokens, elastic_tokens, router_tokens, joint_tokens;
    std::string gradient = "straight-through", sampling = "mixed", out_type = "base";
    bool dry_run = false;

    [[nodiscard]] ConversionOptions asked() const
    {
        ConversionOptions result = conversion;
        result.training = training.options(run.seed, run.threads);
        const auto count = [](const std::string& text, const char* option) {
            return text.empty() ? 0 : parseCount(text, option);
        };
        result.tokens = count(tokens, "--tokens");
        result.base_training_tokens = count(base_tokens, "--base-tokens");
        result.elastic_tokens = count(elastic_tokens, "--elastic-tokens");
        result.router_tokens = count(router_tokens, "--router-tokens");
        result.joint_tokens = count(joint_tokens, "--joint-tokens");
        result.elastic.sampling = sampling == "uniform"     ? ElasticSampling::Uniform
                                  : sampling == "per-layer" ? ElasticSampling::PerLayer
                                                            : ElasticSampling::Mixed;
        result.routers.gradient = gradient == "surrogate" ? RouterGradient::Surrogate : RouterGradient::StraightThrough;
        if (out_type != "base")
            result.out_dtype = out_type == "float16"    ? DType::Float16
                               : out_type == "bfloat16" ? DType::BFloat16
                                                        : DType::Float32;
        result.joint.targets_a_batch = result.routers.targets_a_batch;
        result.joint.lambda = result.routers.lambda;
        const auto load = run.loadOptions(BackendKind::Reference);
        result.device = load.device;
        result.type = load.type;
        return result;
    }
};

void checkOptions(const Options& options)
{
    const auto& all = conversionStages();
    bool reads = options.conversion.stages.empty();
    for (const auto& stage : options.conversion.stages) {
        if (std::find(all.begin(), all.end(), stage) == all.end())
            throw UsageError("--stages: there is no stage \"" + stage + "\" in this version",
                             "the stages are importance, permute, elastic, routers, joint, surrogate");
        reads = reads || stage != "permute";
    }
    if (reads && options.training.data.empty())
        throw UsageError("a stage needs a text to measure or to train on", "give one or more text files with --data");
}

Json stagesDocument(const FlextronRecord& record)
{
    Json stages = Json::array();
    for (const auto& stage : record.stages)
        stages.push_back(
            {{"name", stage.name},
             {"tokens", stage.tokens},
             {"share_of_base_tokens", record.base_training_tokens > 0
                                          ? Json(double(stage.tokens) / double(record.base_training_tokens))
                                          : Json()},
             {"seconds", stage.seconds}});
    return stages;
}

std::string shareText(std::int64_t tokens, std::int64_t base_tokens)
{
    if (base_tokens <= 0) return {};
    return " (" + fixedText(100.0 * double(tokens) / double(base_tokens), 2) + " % of the base's)";
}

std::string stagesText(const FlextronRecord& record)
{
    std::string text;
    std::int64_t sum = 0;
    for (const auto& stage : record.stages) {
        text += stage.name + ": " + countText(double(stage.tokens)) + " tokens" +
                shareText(stage.tokens, record.base_training_tokens) + ", " + durationText(stage.seconds) + "\n";
        sum += stage.tokens;
    }
    if (record.stages.size() > 2)
        text += "in all: " + countText(double(sum)) + " tokens" + shareText(sum, record.base_training_tokens) + "\n";
    return text;
}

Json lossesDocument(const FlextronRecord& record)
{
    Json losses = Json::array();
    for (const auto& loss : record.losses)
        losses.push_back({{"text", loss.text},
                          {"routing", loss.routing},
                          {"budget", loss.budget},
                          {"cost", loss.cost},
                          {"loss", loss.loss},
                          {"standard_error", loss.standard_error},
                          {"tokens", loss.tokens}});
    return losses;
}

/// A table a text: asked budget, cost that it came to, loss.
std::string lossesText(const FlextronRecord& record)
{
    std::string text, of;
    for (const auto& loss : record.losses) {
        if (loss.text != of)
            text += "\n" + loss.text + ", " + std::to_string(loss.tokens) + " tokens\n" +
                    "routing   budget   cost     loss\n";
        of = loss.text;
        const bool routed = loss.routing == "static" || loss.routing == "dynamic";
        std::string line = loss.routing;
        line.resize(10, ' ');
        line += routed ? fixedText(loss.budget, 2) : "    ";
        line.resize(19, ' ');
        line += fixedText(loss.cost, 3) + "    " + fixedText(loss.loss, 4) + " +- " + fixedText(loss.standard_error, 4);
        text += line + "\n";
    }
    return text.empty() ? text : text + "\n";
}

std::string sortText(const SortReport& sort)
{
    if (sort.parity_tokens == 0) return {};
    char difference[32];
    std::snprintf(difference, sizeof difference, "%.3g", sort.max_logit_difference);
    return std::string("logits before and after sorting agree: largest difference ") + difference + " over " +
           std::to_string(sort.parity_tokens) + " tokens\n";
}

Json reportDocument(const Options& options, const ConversionReport& report)
{
    const auto written = Checkpoint::open(options.out).orThrow();
    const FlextronRecord& record = report.record;
    Json document{
        {"out", options.out},
        {"stages", stagesDocument(record)},
        {"base_training_tokens", record.base_training_tokens > 0 ? Json(record.base_training_tokens) : Json()},
        {"losses", lossesDocument(record)},
        {"sorted", record.importance && record.importance->sorted},
        {"choice_sets", choiceSetsDocument(record.choices)},
        {"files", filesDocument(*written)}};
    if (report.sort.parity_tokens > 0) {
        document["max_logit_difference"] = report.sort.max_logit_difference;
        document["parity_tokens"] = report.sort.parity_tokens;
    }
    Json trained = Json::array();
    for (const auto& stage : report.stages) trained.push_back(cli::reportDocument(stage));
    document["trained"] = trained;
    return document;
}

/// What does not fit, and what would.
std::vector<std::string> shortages(const ConversionEstimate& estimate, int batch)
{
    std::vector<std::string> found;
    if (estimate.memory_bytes > estimate.available_memory_bytes)
        found.push_back("memory does not suffice: --batch " + std::to_string(std::max(1, batch / 2)) +
                        " takes about half, and --accumulation 2 keeps the steps as they are");
    if (estimate.disk_bytes > estimate.available_disk_bytes)
        found.push_back("the disk does not suffice: give an --out on another one");
    return found;
}

int dryRun(Console& console, const Options& options)
{
    const auto base = findModel(options.run.model).orThrow();
    const auto estimate =
        estimateConversion(base, options.out, options.asked(), console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    const auto problems = shortages(estimate, options.training.batch);
    if (options.run.json) {
        Json stages = Json::array();
        for (const auto& stage : estimate.stages)
            stages.push_back({{"name", stage.name}, {"tokens", stage.tokens}, {"seconds", stage.seconds}});
        console.printJson(
            {{"stages", stages},
             {"base_training_tokens", estimate.base_training_tokens > 0 ? Json(estimate.base_training_tokens) : Json()},
             {"memory_bytes", estimate.memory_bytes},
             {"available_memory_bytes", estimate.available_memory_bytes},
             {"disk_bytes", estimate.disk_bytes},
             {"available_disk_bytes", estimate.available_disk_bytes},
             {"fits", problems.empty()},
             {"problems", problems}});
        return kDone;
    }
    std::string text;
    double seconds = 0;
    for (const auto& stage : estimate.stages) {
        text += stage.name + ": " + countText(double(stage.tokens)) + " tokens" +
                shareText(stage.tokens, estimate.base_training_tokens) + ", about " + durationText(stage.seconds) +
                "\n";
        seconds += stage.seconds;
    }
    text += "time: about " + durationText(seconds) + ", from measured steps; validation comes on top\n" +
            "memory: " + formatBytes(estimate.memory_bytes) + " of " + formatBytes(estimate.available_memory_bytes) +
            "\n" + "disk: " + formatBytes(estimate.disk_bytes) + " of " + formatBytes(estimate.available_disk_bytes) +
            "\n";
    for (const auto& problem : problems) text += problem + "\n";
    console.print(text + "nothing was written\n");
    return kDone;
}

int run(Console& console, const Options& options)
{
    checkOptions(options);
    if (options.dry_run) return dryRun(console, options);
    const auto base = findModel(options.run.model).orThrow();
    const auto report =
        convertModel(base, options.out, options.asked(), console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    if (options.run.json) console.printJson(reportDocument(options, report));
    else
        console.print(stagesText(report.record) + sortText(report.sort) + lossesText(report.record) + options.out +
                      "\n");
    return kDone;
}

void declareStages(CLI::App& command, Options& options)
{
    ConversionOptions& conversion = options.conversion;
    const auto tokens = [&](const char* name, std::string& value, const char* stage) {
        command.add_option(name, value, std::string("of the stage ") + stage + " (default: a share of --tokens)")
            ->type_name("N");
    };
    const auto number = [&](const char* name, double& value, const std::string& what, double least, double most) {
        command.add_option(name, value, what)
            ->capture_default_str()
            ->check(CLI::Range(least, most).description(""))
            ->type_name("F");
    };
    tokens("--elastic-tokens", options.elastic_tokens, "elastic");
    number("--elastic-rate", conversion.elastic_rate, "learning rate of the stage elastic", 1e-12, 1e3);
    tokens("--router-tokens", options.router_tokens, "routers");
    number("--router-rate", conversion.router_rate, "learning rate of the stage routers", 1e-12, 1e3);
    tokens("--joint-tokens", options.joint_tokens, "joint");
    number("--joint-rate", conversion.joint_rate, "learning rate of the stage joint", 1e-12, 1e3);
    number("--joint-router-rate", conversion.joint.router_rate, "the routers' rate in the stage joint over the model's",
           0, 1e6);
    command
        .add_option("--sub-networks", conversion.elastic.sub_networks, "that a batch of the stage elastic goes through")
        ->capture_default_str()
        ->check(CLI::Range(1, 64).description(""))
        ->type_name("N");
    addChoice(command, "--elastic-sampling", options.sampling, "mixed|uniform|per-layer",
              "widths of the random ones: one in all layers, one for each, or by turns");
    number("--elastic-full-share", conversion.elastic.full_share,
           "of the full model in the loss of the stage elastic (0: as each other)", 0, 0.99);
    number("--joint-full-share", conversion.joint.full_share, "of the full model in the loss of the stage joint", 0,
           0.99);
    number("--distill", conversion.elastic.distill, "weight of KL(full || sub-network) in the stage elastic", 0, 100);
    number("--distill-base", conversion.elastic.distill_base, "weight of KL(frozen base || model) in the stage elastic",
           0, 100);
    number("--joint-distill-base", conversion.joint.distill_base, "the same in the stage joint", 0, 100);
    number("--lambda", conversion.routers.lambda, "weight of |cost - target| where routers are trained", 0, 1e6);
    command
        .add_option("--targets-a-batch", conversion.routers.targets_a_batch,
                    "targets that share a batch of routed text")
        ->capture_default_str()
        ->check(CLI::Range(1, 1 << 20).description(""))
        ->type_name("N");
    addChoice(command, "--router-gradient", options.gradient, "straight-through|surrogate",
              "what routers learn from in the stage routers");
    command
        .add_option("--static-rounds", conversion.surrogate.static_rounds,
                    "in which the stage surrogate refines the static router (0: leaves it)")
        ->capture_default_str()
        ->check(CLI::Range(0, 20).description(""))
        ->type_name("N");
    addChoice(command, "--out-type", options.out_type, "base|float32|float16|bfloat16",
              "of the weights that are written, where a stage trains");
    command
        .add_option("--budgets", conversion.routers.budget_list,
                    "stops of the routers, descending from 1 (default: 1,0.9,... where reachable)")
        ->delimiter(',')
        ->type_name("F,F,...");
}

} // namespace

Run declareConvert(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    ConversionOptions& conversion = options->conversion;
    command.add_option("BASE", options->run.model, "the checkpoint folder to convert")->type_name("")->required();
    command
        .add_option("--data", options->training.data,
                    "text files, compressed or not; documents apart by a line <|endoftext|>, or JSON Lines")
        ->type_name("FILE...");
    command.add_option("--out", options->out, "the new checkpoint folder")->type_name("DIR")->required();
    command
        .add_option("--stages", conversion.stages,
                    "what to do (default: importance,permute,elastic,routers,joint,surrogate)")
        ->delimiter(',')
        ->type_name("LIST");
    command.add_flag("--dry-run", options->dry_run, "only say what memory, disk and time it takes, from three steps");
    command.add_option("--sequences", conversion.importance_sequences, "of the calibration text")
        ->capture_default_str()
        ->check(CLI::Range(1, 1 << 30).description(""))
        ->type_name("N");
    command
        .add_option("--sequence-length", options->training.sequence_length,
                    "tokens of each (default: the model's context)")
        ->check(CLI::Range(2, 1 << 30).description(""))
        ->type_name("N");
    command.add_option("--choices-mlp", conversion.choices.mlp_int_list, "MLP widths, ascending, the last one full")
        ->delimiter(',')
        ->type_name("N,N,...");
    command
        .add_option("--choices-heads", conversion.choices.head_int_list, "head counts, ascending, the last one full")
        ->delimiter(',')
        ->type_name("N,N,...");
    command
        .add_option("--base-tokens", options->base_tokens, "tokens that the base was trained on, for the share (26.8M)")
        ->type_name("N");
    command
        .add_option("--tokens", options->tokens,
                    "that all stages together read (default: 7.63 % of --base-tokens; a quarter of the parameters)")
        ->type_name("N");
    declareStages(command, *options);
    options->training.declare(command);
    options->run.declare(command);
    command.footer("Example:\n  flextron convert BASE --data stories.txt --out elastic --base-tokens 26.9M");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
