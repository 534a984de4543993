#include "app/commands/running.h"

namespace flextron::cli {

bool runToEnd(Generation& generation, Console& console, int max_tokens,
              const std::function<void(const PaneEvent&)>& seen)
{
    // Text that is streamed shows the progress by itself.
    const auto progress = seen ? ProgressFn{} : console.progress();
    while (!generation.finished()) {
        const auto events = generation.step(console.cancel());
        if (!events.ok()) {
            if (events.error().code == ErrorCode::Cancelled) return false;
            throw Failure(events.error());
        }
        if (seen)
            for (const auto& event : *events) seen(event);
        if (progress) {
            std::uint64_t done = 0;
            for (int pane = 0; pane < generation.panes(); ++pane)
                done += static_cast<std::uint64_t>(generation.timing(pane).new_tokens);
            progress({"writing", done,
                      static_cast<std::uint64_t>(max_tokens) * static_cast<std::uint64_t>(generation.panes()),
                      "tokens"});
        }
    }
    console.clearProgress();
    return true;
}

std::vector<Trace> tracesOf(const Generation& generation)
{
    std::vector<Trace> traces;
    for (int pane = 0; pane < generation.panes(); ++pane) {
        traces.push_back(generation.trace(pane));
        if (traces.back().stop_reason.empty()) traces.back().stop_reason = "cancelled";
    }
    return traces;
}

} // namespace flextron::cli
