#include "engine/generate/alone.h"

namespace flextron {

Result<double> msAlone(const std::shared_ptr<const LoadedModel>& model, const std::vector<TokenId>& prompt,
                       const PaneSpec& pane, const AloneOptions& options, const CancelToken& cancel)
{
    return guarded([&] {
        GenerationSettings settings;
        settings.sampler = options.sampler;
        settings.max_tokens = options.tokens;
        settings.stop_at_eos = false;
        settings.top_tokens = 0;
        settings.kv = options.kv;
        const auto generation = Generation::start(model, prompt, {pane}, settings).orThrow();
        while (!generation->finished()) static_cast<void>(generation->step(cancel).orThrow());
        return generation->timing(0).p50_ms;
    });
}

} // namespace flextron
