#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/comparing.h"
#include "app/commands/documents.h"

namespace flextron::cli {

namespace {

void printPane(Console& console, const Compared& compared, std::size_t pane)
{
    const int index = static_cast<int>(pane);
    const auto timing = compared.generation->timing(index);
    std::string text = (pane == 0 ? "== " : "\n== ") + compared.traces[pane].label + ": " +
                       resolvedText(*compared.model, compared.targets[pane], /*with_source=*/false) + "\n" +
                       compared.generation->text(index) + "\n-- " + fixedText(timing.tokens_per_second, 1) +
                       " tokens a second, " + fixedText(timing.p50_ms, 2) + " ms a token; ";
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

int run(Console& console, const ComparingOptions& options)
{
    const Compared compared = comparePanes(console, options);
    if (options.run.json) {
        console.printJson(compareDocument(compared));
    } else {
        for (std::size_t pane = 0; pane < compared.panes.size(); ++pane) printPane(console, compared, pane);
        console.print("\nshares: of the full model's " + costBasis(*compared.model) + "\n");
    }
    return compared.whole ? kDone : kCancelled;
}

} // namespace

Run declareCompare(CLI::App& command)
{
    auto options = std::make_shared<ComparingOptions>();
    options->declare(command);
    command.footer("Example:\n  flextron compare -p \"Once upon a time\" --panes full,0.8,0.6:uniform --max-tokens 40");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
