// What a pane runs when it is not the open model: routers of another run over the same weights, or another checkpoint.
#pragma once

#include <memory>

#include <QString>

#include "engine/generate/loaded_model.h"
#include "ui/service/rundata.h"

namespace flextron::ui {

/// Immutable; opened on the engine's thread, any thread may hold it.
struct PaneSource {
    QString file;                             ///< the routers' file, or the checkpoint's folder
    std::shared_ptr<const LoadedModel> model; ///< complete: of routers the open model with those in place of its own
    bool shares_weights = true;               ///< with the open model
};

/// What the choice runs: `open`, unless it has a source.
std::shared_ptr<const LoadedModel> modelOf(const PaneChoice& choice, const std::shared_ptr<const LoadedModel>& open);

/// `choice` run by the source. A model without such routers, a plain one among them, takes the widths that are the same
/// everywhere.
PaneChoice choiceWith(PaneChoice choice, std::shared_ptr<const PaneSource> source);

/// What opening a checkpoint beside the open model would take, and whether the two can be compared token by token.
struct SourceEstimate {
    std::uint64_t bytes = 0;     ///< of weights
    std::uint64_t available = 0; ///< of memory, without swapping
};
/// Fails for a checkpoint of another shape or vocabulary. The weights are not read.
Result<SourceEstimate> estimateSource(const LoadedModel& open, const QString& folder);

/// A routers file, or a checkpoint's folder (that is loaded whole).
Result<std::shared_ptr<const PaneSource>> openSource(const std::shared_ptr<const LoadedModel>& open,
                                                     const QString& file, const ProgressFn& progress,
                                                     const CancelToken& cancel);

} // namespace flextron::ui
