#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/corpus.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/evaluate/scoring.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    TargetOptions target;
    std::string text;
    std::vector<TokenId> ids;
    std::string ids_file;
    bool per_token = false;
    int top_k = 0;
    std::string trace;
};

std::vector<TokenId> idsToScore(const Options& options, const LoadedModel& model, Console& console)
{
    if (int(!options.text.empty()) + int(!options.ids.empty()) + int(!options.ids_file.empty()) != 1)
        throw UsageError("exactly one text is needed", "give --text FILE, --ids 1,2,3 or --ids-file FILE");
    if (!options.ids.empty()) return options.ids;
    if (!options.ids_file.empty()) return readIdsFile(options.ids_file);
    return encodeDocuments(readTextFile(options.text), options.text, tokenizerOf(model), console);
}

Json scoreDocument(const LoadedModel& model, const ResolvedTarget& resolved, const Score& score, const Options& options)
{
    Json document = {{"model", runDocument(model)},
                     {"target", targetDocument(resolved)},
                     {"tokens", score.tokens},
                     {"text_bytes", score.text_bytes},
                     {"nll_sum", score.nll_sum},
                     {"nll_mean", score.mean()},
                     {"perplexity", score.perplexity()},
                     {"bits_per_byte", score.text_bytes > 0 ? Json(score.bitsPerByte()) : Json()}};
    if (options.per_token) document["nll"] = score.nll;
    if (options.top_k > 0) {
        Json top = Json::array();
        for (std::size_t index = 1; index < score.trace.records.size(); ++index)
            top.push_back(topDocument(score.trace.records[index].top, model.tokenizer.get()));
        document["top"] = top;
    }
    return document;
}

std::string scoreText(const LoadedModel& model, const ResolvedTarget& resolved, const Score& score,
                      const Options& options)
{
    std::string text;
    const auto& records = score.trace.records;
    if (options.per_token || options.top_k > 0)
        for (std::size_t index = 1; index < records.size(); ++index) {
            const auto name = [&](TokenId id) {
                const bool known = model.tokenizer && id < model.tokenizer->vocabSize();
                return known ? model.tokenizer->piece(id) : std::to_string(id);
            };
            text += fixedText(-double(records[index].logprob), 4) + "\t" + name(records[index].id);
            for (const auto& entry : records[index].top)
                text += "\t" + name(entry.id) + " " + fixedText(-double(entry.logprob), 3);
            text += "\n";
        }
    text += std::to_string(score.tokens) + " tokens, " + fixedText(score.mean(), 4) + " nats a token, perplexity " +
            fixedText(score.perplexity(), 3);
    if (score.text_bytes > 0) text += ", " + fixedText(score.bitsPerByte(), 4) + " bits a byte";
    if (options.target.given()) text += "\n" + resolvedText(model, resolved);
    return text + "\n";
}

int run(Console& console, const Options& options)
{
    options.target.check();
    checkWritable(options.trace);
    auto model = options.run.load(console, options.target.routers);
    const auto ids = idsToScore(options, model, console);
    const auto resolved = options.target.resolve(console, model);
    ScoreOptions settings;
    settings.top_tokens = options.top_k;
    settings.keep_records = options.per_token || options.top_k > 0 || !options.trace.empty();
    settings.routing = resolved.routing;
    auto score =
        flextron::scoreText(model, ids, resolved.plan, settings, console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    if (!options.trace.empty()) {
        score.trace.command = console.commandLine();
        writeTraces(options.trace, {score.trace}).orThrow();
    }
    if (options.run.json) console.printJson(scoreDocument(model, resolved, score, options));
    else console.print(scoreText(model, resolved, score, options));
    return kDone;
}

} // namespace

Run declareScore(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command
        .add_option("--text", options->text,
                    "the text to read, - for standard input; documents apart by a line <|endoftext|>")
        ->type_name("FILE")
        ->group("Text");
    command.add_option("--ids", options->ids, "its token ids, apart by commas")
        ->delimiter(',')
        ->type_name("1,2,3")
        ->group("Text");
    command.add_option("--ids-file", options->ids_file, "a file of token ids")->type_name("FILE")->group("Text");
    command.add_flag("--per-token", options->per_token, "the loss of every token");
    command.add_option("--top-k", options->top_k, "the N most probable tokens at every position")
        ->type_name("N")
        ->check(CLI::Range(0, 1000000));
    options->run.declare(command);
    options->target.declare(command);
    command.add_option("--trace", options->trace, "write every choice, token by token (safetensors)")
        ->type_name("FILE");
    command.footer("Examples:\n  flextron score MODEL --text story.txt\n  flextron score MODEL --ids 1,403,407 "
                   "--per-token --json");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
