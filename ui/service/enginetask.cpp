#include "ui/service/enginetask.h"

#include <algorithm>

#include "engine/generate/alone.h"
#include "ui/service/modelinfo.h"
#include "ui/service/panesource.h"
#include "ui/service/readingtask.h"
#include "ui/service/writingtask.h"

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
    ResolvedTarget resolved = resolveTarget(target, model.targetContext()).orThrow();
    if (pane.slot != PaneSlot::Full) resolved.plan.overrides = pane.choice.overrides;
    return resolved;
}

double measureSoloMs(const std::shared_ptr<const LoadedModel>& model, const PaneRequest& pane, const RunInputs& inputs,
                     const CancelToken& cancel)
{
    const auto own = modelOf(pane.choice, model);
    const ResolvedTarget resolved = resolveChoice(pane, *own);
    AloneOptions options{inputs.sampler};
    options.tokens = std::min(options.tokens, inputs.max_tokens);
    return msAlone(own, pane.branch, {"", resolved.plan, resolved.routing}, options, cancel).orThrow();
}

std::unique_ptr<EngineTask> makeTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request)
{
    requireTokenizer(*model);
    if (request.inputs.mode == RunMode::Read) return std::make_unique<ReadingTask>(std::move(model), request);
    return std::make_unique<WritingTask>(std::move(model), request);
}

} // namespace flextron::ui
