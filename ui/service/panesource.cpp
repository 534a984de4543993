#include "ui/service/panesource.h"

#include <QFileInfo>

#include "engine/base/system.h"

namespace flextron::ui {

namespace {

/// Tokens of one must be tokens of the other, and layers have the same places: texts are held against each other id by
/// id, widths layer by layer.
void requireSameShape(const LoadedModel& open, const ModelConfig& other, const std::string& name)
{
    const ModelConfig& own = open.config();
    if (own.vocab_size == other.vocab_size && own.numLayers() == other.numLayers() &&
        own.maxSizes() == other.maxSizes())
        return;
    throw Failure(ErrorCode::InvalidArgument,
                  name + " has another shape than " + open.name +
                      ": a pane compares models token by token and layer by "
                      "layer",
                  "Choose a checkpoint of the same base model: before or after a conversion, or of another run.");
}

void requireSameVocabulary(const LoadedModel& open, const LoadedModel& other)
{
    bool same = open.tokenizer && other.tokenizer && open.tokenizer->vocabSize() == other.tokenizer->vocabSize();
    for (TokenId id = 0; same && id < open.tokenizer->vocabSize(); ++id)
        same = open.tokenizer->tokenBytes(id) == other.tokenizer->tokenBytes(id);
    if (same) return;
    throw Failure(ErrorCode::InvalidArgument, other.name + " has another vocabulary than " + open.name,
                  "Choose a checkpoint with the same tokenizer.");
}

} // namespace

std::shared_ptr<const LoadedModel> modelOf(const PaneChoice& choice, const std::shared_ptr<const LoadedModel>& open)
{
    if (!choice.source) return open;
    if (!choice.source->shares_weights) return choice.source->model;
    // A latency table may have been measured since.
    auto model = std::make_shared<LoadedModel>(*open);
    model->routers = choice.source->model->routers;
    model->own_routers = false;
    return model;
}

PaneChoice choiceWith(PaneChoice choice, std::shared_ptr<const PaneSource> source)
{
    const auto& routers = source->model->routers;
    const Routing routing = choice.target.routing.value_or(Routing::Uniform);
    const bool there = routing == Routing::Dynamic  ? routers && routers->dynamic()
                       : routing == Routing::Static ? routers && routers->fixed
                                                    : true;
    if (!there) choice.target.routing = Routing::Uniform;
    choice.source = std::move(source);
    return choice;
}

Result<SourceEstimate> estimateSource(const LoadedModel& open, const QString& folder)
{
    return guarded([&] {
        const auto checkpoint = Checkpoint::open(folder.toStdString()).orThrow();
        requireSameShape(open, checkpoint->config(), folder.toStdString());
        SourceEstimate estimate;
        estimate.bytes = static_cast<std::uint64_t>(checkpoint->parameters()) *
                         static_cast<std::uint64_t>(open.backend->bytesPerWeight());
        estimate.available = static_cast<std::uint64_t>(availableMemory());
        return estimate;
    });
}

Result<std::shared_ptr<const PaneSource>> openSource(const std::shared_ptr<const LoadedModel>& open,
                                                     const QString& file, const ProgressFn& progress,
                                                     const CancelToken& cancel)
{
    return guarded([&]() -> std::shared_ptr<const PaneSource> {
        auto source = std::make_shared<PaneSource>();
        source->file = file;
        auto model = std::make_shared<LoadedModel>();
        if (QFileInfo(file).isDir()) {
            source->shares_weights = false;
            *model = loadModel(file.toStdString(), {}, progress, cancel).orThrow();
            requireSameShape(*open, model->config(), model->name);
            requireSameVocabulary(*open, *model);
        } else {
            *model = *open;
            model->routers = readRouters(file.toStdString(), open->config(), open->checkpoint->choices()).orThrow();
            model->own_routers = false;
        }
        source->model = std::move(model);
        return source;
    });
}

} // namespace flextron::ui
