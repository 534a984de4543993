// What a run does on the engine's thread, a step at a time: writing panes together, or reading a text.
#pragma once

#include <memory>

#include "engine/generate/loaded_model.h"
#include "ui/service/rundata.h"

namespace flextron::ui {

/// Used on the engine's thread only. Functions throw.
class EngineTask {
public:
    virtual ~EngineTask() = default;

    /// What the panes are before the first step.
    [[nodiscard]] virtual RunStart start() const = 0;
    /// One step of every pane that is not finished, or one window of a text.
    virtual void advance(const CancelToken& cancel) = 0;
    [[nodiscard]] virtual bool finished() const = 0;
    /// What has come since the last call.
    virtual RunBatch takeBatch() = 0;
    /// Other widths for the live pane from the next token on; nothing when it is not in the run.
    virtual std::optional<PlanInfo> retarget(const PaneChoice& choice) = 0;
    [[nodiscard]] virtual std::int64_t kvBytes() const = 0;
};

/// Fails when the prompt cannot be read or a target cannot be met.
std::unique_ptr<EngineTask> makeTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request);

/// Median milliseconds of a token of a short text that this pane writes alone. `pane.branch` is what is given.
double measureSoloMs(const std::shared_ptr<const LoadedModel>& model, const PaneRequest& pane, const RunInputs& inputs,
                     const CancelToken& cancel);

/// A choice as the engine takes it; `model` is what it runs (modelOf).
ResolvedTarget resolveChoice(const PaneRequest& pane, const LoadedModel& model);
/// Fails with the reason when the model has no tokenizer.
void requireTokenizer(const LoadedModel& model);

} // namespace flextron::ui
