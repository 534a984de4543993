#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>

#include "app/commands/commands.h"
#include "app/commands/corpus.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "app/commands/parity.h"
#include "engine/base/files.h"
#include "engine/elastic/importance.h"
#include "engine/elastic/permutation.h"

namespace flextron::cli {

namespace {

constexpr std::array kStages{"importance", "permute"};

struct Options {
    RunOptions run;
    std::vector<std::string> data;
    std::string out;
    std::vector<std::string> stages{kStages.begin(), kStages.end()};
    ImportanceOptions importance;
    std::vector<int> choices_mlp;
    std::vector<int> choices_heads;
    std::string base_tokens;

    [[nodiscard]] bool wants(const std::string& stage) const
    {
        return std::find(stages.begin(), stages.end(), stage) != stages.end();
    }
};

void checkOptions(const Options& options)
{
    for (const auto& stage : options.stages)
        if (std::find(kStages.begin(), kStages.end(), stage) == kStages.end())
            throw UsageError("--stages: there is no stage \"" + stage + "\" in this version",
                             "the stages are importance and permute");
    if (options.wants("importance") && options.data.empty())
        throw UsageError("the stage importance needs a text to measure on",
                         "give one or more plain text files with --data");
}

/// The record to start from: the base's own, with what the command line says.
FlextronRecord startRecord(const Checkpoint& base, const Options& options)
{
    FlextronRecord record = base.record();
    if (!options.choices_mlp.empty()) record.choices.mlp_int_list = options.choices_mlp;
    if (!options.choices_heads.empty()) record.choices.head_int_list = options.choices_heads;
    const auto valid = validateChoiceSets(record.choices, base.config());
    if (!valid.ok()) throw UsageError(valid.error().message, valid.error().hint);
    if (!options.base_tokens.empty()) record.base_training_tokens = parseCount(options.base_tokens, "--base-tokens");
    return record;
}

double secondsSince(std::chrono::steady_clock::time_point began)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void measureStage(Console& console, const LoadedModel& model, const Options& options, FlextronRecord& record)
{
    const auto began = std::chrono::steady_clock::now();
    const auto ids = readDocuments(options.data, tokenizerOf(model), console);
    auto report =
        measureImportance(*model.backend, ids, options.importance, console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    for (const auto& file : options.data)
        report.text += (report.text.empty() ? "" : ", ") + std::filesystem::path(file).filename().string();
    record.stages.push_back({"importance", report.tokens, secondsSince(began)});
    record.importance = std::move(report);
}

/// Tensors of the new checkpoint: sorted, or those of the base as they are.
CheckpointContents permuteStage(const LoadedModel& model, const Options& options, FlextronRecord& record)
{
    if (!options.wants("permute")) {
        CheckpointContents contents;
        contents.config = model.config();
        contents.dtype = model.checkpoint->dtype();
        for (const auto& [name, tensor] : model.checkpoint->tensors()) contents.tensors.push_back({name, tensor});
        contents.tokenizer_from = model.checkpoint->folder();
        return contents;
    }
    if (!record.importance)
        throw Failure(ErrorCode::InvalidArgument,
                      model.checkpoint->folder().string() + ": the stage permute needs the importance of every unit",
                      "run --stages importance,permute with a text");
    const auto began = std::chrono::steady_clock::now();
    const auto order = permutationByImportance(*record.importance).orThrow();
    auto contents = permuteCheckpoint(model.checkpoint, order).orThrow();
    record.importance = permuteReport(*record.importance, order);
    record.stages.push_back({"permute", 0, secondsSince(began)});
    return contents;
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

std::string summary(const FlextronRecord& record, const Options& options, const Parity& parity, std::size_t tokens)
{
    std::string text;
    for (const auto& stage : record.stages) {
        text += stage.name + ": " + countText(double(stage.tokens)) + " tokens";
        if (record.base_training_tokens > 0)
            text += " (" + fixedText(100.0 * double(stage.tokens) / double(record.base_training_tokens), 2) +
                    " % of the base's)";
        text += ", " + fixedText(stage.seconds, 1) + " s\n";
    }
    char difference[32];
    std::snprintf(difference, sizeof difference, "%.3g", parity.max_difference);
    return text + "logits before and after agree: largest difference " + difference + " over " +
           std::to_string(tokens) + " tokens\n" + options.out + "\n";
}

int run(Console& console, const Options& options)
{
    checkOptions(options);
    const auto type = options.run.loadOptions(BackendKind::Reference).type;
    auto folder = AtomicFolder::create(options.out).orThrow();
    auto model = options.run.load(console, {}, BackendKind::Reference); // importance looks inside
    auto record = startRecord(*model.checkpoint, options);
    const auto ids = parityIds(model.config(), options.run.seed);
    const auto before = parityLogits(*model.backend, fullSubNetwork(model.config()), ids, console.cancel());

    if (options.wants("importance")) measureStage(console, model, options, record);
    model.backend.reset();
    auto contents = permuteStage(model, options, record);
    contents.record = record;
    contents.tokenizer_from = model.checkpoint->folder();
    console.cancel().throwIfCancelled();
    writeCheckpoint(folder.path(), contents, console.progress()).orThrow();
    console.clearProgress();
    const auto parity = checkParity(folder.path(), model.device, type, ids, before, console);
    const auto written = Checkpoint::open(folder.path()).orThrow();
    console.cancel().throwIfCancelled();
    folder.commit().orThrow();

    if (options.run.json)
        console.printJson(
            {{"out", options.out},
             {"stages", stagesDocument(record)},
             {"base_training_tokens", record.base_training_tokens > 0 ? Json(record.base_training_tokens) : Json()},
             {"sorted", record.importance && record.importance->sorted},
             {"choice_sets", choiceSetsDocument(record.choices)},
             {"max_logit_difference", parity.max_difference},
             {"parity_tokens", ids.size()},
             {"files", filesDocument(*written)}});
    else console.print(summary(record, options, parity, ids.size()));
    return kDone;
}

} // namespace

Run declareConvert(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    command.add_option("BASE", options->run.model, "the checkpoint folder to convert")->type_name("")->required();
    command.add_option("--data", options->data, "plain text files; documents apart by a line <|endoftext|>")
        ->type_name("FILE...");
    command.add_option("--out", options->out, "the new checkpoint folder")->type_name("DIR")->required();
    command.add_option("--stages", options->stages, "what to do")
        ->delimiter(',')
        ->capture_default_str()
        ->type_name("LIST");
    command
        .add_option("--sequences", options->importance.sequences, "calibration sequences, spread evenly over the text")
        ->capture_default_str()
        ->check(CLI::Range(1, 1 << 30).description(""))
        ->type_name("N");
    command
        .add_option("--sequence-length", options->importance.sequence_length,
                    "tokens of each (default: the model's context)")
        ->check(CLI::Range(1, 1 << 30).description(""))
        ->type_name("N");
    command.add_option("--choices-mlp", options->choices_mlp, "MLP widths, ascending, the last one full")
        ->delimiter(',')
        ->type_name("N,N,...");
    command.add_option("--choices-heads", options->choices_heads, "head counts, ascending, the last one full")
        ->delimiter(',')
        ->type_name("N,N,...");
    command
        .add_option("--base-tokens", options->base_tokens, "tokens that the base was trained on, for the share (26.8M)")
        ->type_name("N");
    options->run.declare(command);
    command.footer("Example:\n  flextron convert BASE --data stories.txt --out elastic --stages importance,permute");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
