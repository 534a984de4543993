#include "engine/report/report.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "app/commands/commands.h"
#include "app/commands/comparing.h"
#include "engine/base/system.h"
#include "engine/generate/alone.h"

namespace flextron::cli {

namespace {

struct Options {
    ComparingOptions comparing;
    std::string out;
    bool measure = true;
};

/// The answer, or none from a cancelled question on: what was written by then is kept.
template <class T> std::optional<T> unlessCancelled(const Result<T>& answer, bool& asking)
{
    asking = answer.ok() || answer.error().code != ErrorCode::Cancelled;
    if (!asking) return std::nullopt;
    return Result<T>(answer).orThrow();
}

/// What the full model makes of each pane's own text, so that losses can be compared behind the split as well.
Result<Trace> readByFull(const Compared& compared, const Trace& trace, Console& console)
{
    WidthPlan full;
    full.subnet = fullSubNetwork(compared.model->config());
    ScoreOptions options;
    options.top_tokens = compared.settings.top_tokens;
    auto score = scoreText(*compared.model, trace.ids(), full, options, console.progress(), console.cancel());
    if (!score.ok()) return score.error();
    return std::move(score->trace);
}

Report reportOf(Compared& compared, const Options& options, Console& console)
{
    Report report;
    report.baseline = compared.baseline;
    report.config = compared.model->config();
    report.vocabulary = compared.model->tokenizer;
    report.command = console.commandLine();
    report.made_at = nowInUtc();
    AloneOptions alone{compared.settings.sampler};
    alone.tokens = std::min(alone.tokens, compared.settings.max_tokens);
    alone.kv = compared.settings.kv;
    for (std::size_t index = 0; index < compared.panes.size(); ++index) {
        ReportPane pane;
        pane.name = compared.panes[index].label;
        pane.trace = compared.traces[index];
        pane.timing = compared.generation->timing(static_cast<int>(index));
        pane.agreement = compared.agreements[index];
        if (compared.whole) pane.reference = unlessCancelled(readByFull(compared, pane.trace, console), compared.whole);
        if (compared.whole && options.measure && alone.tokens > 1) {
            pane.alone_ms = unlessCancelled(
                msAlone(compared.model, compared.prompt, compared.panes[index], alone, console.cancel()),
                compared.whole);
            pane.alone_measured = true;
        }
        report.panes.push_back(std::move(pane));
    }
    return report;
}

int run(Console& console, const Options& options)
{
    checkWritable(options.out);
    Compared compared = comparePanes(console, options.comparing);
    writeReport(options.out, reportOf(compared, options, console)).orThrow();
    console.clearProgress();
    if (options.comparing.run.json) {
        console.printJson({{"file", options.out}, {"panes", compareDocument(compared)}});
    } else {
        console.print(options.out + "\n");
    }
    return compared.whole ? kDone : kCancelled;
}

} // namespace

Run declareReport(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    options->comparing.panes_option = "--stops";
    options->comparing.declare(command);
    command.add_option("--out", options->out, "the page to write (HTML, one file)")->type_name("FILE")->required();
    command.add_flag("!--no-alone", options->measure, "do not measure what each stop takes alone");
    command.footer("Example:\n  flextron report -p \"Once upon a time\" --stops full,0.8,0.6:dynamic --out story.html");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
