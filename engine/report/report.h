// What several sub-networks made of one prompt, as one page of HTML: for who has neither the program nor the model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/generate/agreement.h"
#include "engine/generate/generation.h"
#include "engine/generate/trace.h"
#include "engine/model/config.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// One stop of the page's slider.
struct ReportPane {
    std::string name; ///< "full", "0.6"
    Trace trace;
    /// What the full model makes of this pane's own text; of tokens that are not the same in both, nothing is compared.
    std::optional<Trace> reference;
    std::optional<PaneTiming> timing;   ///< of the run
    std::optional<double> alone_ms;     ///< a token, when nothing else writes beside it
    bool alone_measured = false;        ///< else predicted from the latency table
    std::optional<Agreement> agreement; ///< with the full model, teacher-forced on the baseline's text
    std::string command;                ///< for a shell, that writes this pane's text again; may be empty
};

struct Report {
    std::vector<ReportPane> panes;               ///< at least one
    std::size_t baseline = 0;                    ///< what texts part from
    std::optional<ModelConfig> config;           ///< without: no shares of compute
    std::shared_ptr<const Tokenizer> vocabulary; ///< without: alternatives are ids only
    std::string command;                         ///< for a shell, that makes the page again; may be empty
    std::string made_at;                         ///< ISO 8601, UTC; may be empty
};

inline constexpr std::size_t kLargestReport = 2'000'000; ///< bytes

/// The page: no other file, no network. Nothing that came from the model or the user can be anything but text in it.
/// What does not fit below kLargestReport is left out in steps (router margins, times by layer, alternatives), and the
/// page says so; InvalidArgument when the texts and widths alone do not fit. The same report gives the same page.
Result<std::string> reportPage(const Report& report);

/// Written whole or not at all.
Result<void> writeReport(const std::filesystem::path& file, const Report& report);

} // namespace flextron
