#include "ui/enginetask.h"

#include <algorithm>

#include "engine/generate/generation.h"
#include "ui/modelinfo.h"
#include "ui/panesource.h"
#include "ui/readingtask.h"
#include "ui/writingtask.h"

namespace flextron::ui {

void requireTokenizer(const LoadedModel& model)
{
    if (model.tokenizer) return;
    throw Failure(ErrorCode::Unsupported,
                  model.name + ": text cannot be read without a tokenizer: " +
                      (model.tokenizer_problem.empty() ? "none was found" : model.tokenizer_problem),
                  "Put the model's tokenizer.model or tokenizer.json into its folder and open it again.");
}

ResolvedTarget resolveChoice(const PaneRequest& pane, const LoadedModel& model)
{
    Target target = pane.choice.target;
    if (pane.slot == PaneSlot::Full) {
        target = {};
        target.routing = Routing::Uniform;
    }
    TargetContext context = model.targetContext();
    // What was recorded of the open model's routers says nothing of others.
    if (pane.choice.source && pane.choice.source->shares_weights) context.losses = nullptr;
    ResolvedTarget resolved = resolveTarget(target, context).orThrow();
    if (pane.slot != PaneSlot::Full) resolved.plan.overrides = pane.choice.overrides;
    return resolved;
}

double measureSoloMs(const std::shared_ptr<const LoadedModel>& model, const PaneRequest& pane, const RunInputs& inputs,
                     const CancelToken& cancel)
{
    constexpr int kTokens = 24;
    const auto own = modelOf(pane.choice, model);
    const ResolvedTarget resolved = resolveChoice(pane, *own);
    GenerationSettings settings;
    settings.sampler = inputs.sampler;
    settings.max_tokens = std::min(kTokens, inputs.max_tokens);
    settings.stop_at_eos = false;
    settings.top_tokens = 0;
    const auto generation =
        Generation::start(own, pane.branch, {{"", resolved.plan, resolved.routing}}, settings).orThrow();
    while (!generation->finished()) static_cast<void>(generation->step(cancel).orThrow());
    return generation->timing(0).p50_ms;
}

std::unique_ptr<EngineTask> makeTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request)
{
    requireTokenizer(*model);
    if (request.inputs.mode == RunMode::Read) return std::make_unique<ReadingTask>(std::move(model), request);
    return std::make_unique<WritingTask>(std::move(model), request);
}

} // namespace flextron::ui
