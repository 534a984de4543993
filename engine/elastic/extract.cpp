#include "engine/elastic/extract.h"

#include <numeric>

#include "engine/elastic/select_units_p.h"

namespace flextron {

namespace {

std::vector<int> prefix(int count)
{
    std::vector<int> units(static_cast<std::size_t>(count));
    std::iota(units.begin(), units.end(), 0);
    return units;
}

ModelConfig configOf(const SubNetwork& subnet, const ModelConfig& source)
{
    ModelConfig config = source;
    for (std::size_t l = 0; l < config.layers.size(); ++l)
        config.layers[l] = {subnet.heads[l], subnet.heads[l] / source.headsPerGroup(), subnet.mlp[l]};
    return config;
}

/// GPT-2, uniform, fewer heads than the width of the model is divided into: all that keeps it from the plain form.
bool needsZeroHeads(const ModelConfig& config)
{
    if (!config.isGpt() || config.plainHuggingFace()) return false;
    const LayerSizes sizes = config.maxSizes();
    return config.uniform() && sizes.num_attention_heads > 0 && sizes.intermediate_size > 0;
}

} // namespace

Result<Extraction> extractSubNetwork(const std::shared_ptr<const Checkpoint>& source, const SubNetwork& subnet)
{
    return guarded([&] {
        validateSubNetwork(subnet, source->config()).orThrow();
        Extraction extraction;
        ModelConfig config = configOf(subnet, source->config());
        std::vector<UnitSelection> selections;
        for (const LayerSizes& sizes : config.layers)
            selections.push_back({prefix(sizes.intermediate_size), prefix(sizes.num_key_value_heads)});

        if (needsZeroHeads(config)) {
            const int kept = config.maxSizes().num_attention_heads;
            const int all = config.hidden_size / config.head_dim;
            for (UnitSelection& selection : selections)
                selection.groups.resize(static_cast<std::size_t>(all), kZeroUnit);
            for (LayerSizes& sizes : config.layers) sizes.num_attention_heads = sizes.num_key_value_heads = all;
            extraction.notes.push_back("GPT-2's form ties the head size to the width of the model, so the " +
                                       std::to_string(all - kept) + " heads that are left out of each layer's " +
                                       std::to_string(all) +
                                       " were written as zeros: the same function, but attention saves nothing");
        }
        extraction.plain_hugging_face = config.plainHuggingFace();

        CheckpointContents& contents = extraction.contents;
        contents.config = config;
        contents.dtype = source->dtype();
        SelectedTensors selected = selectUnits(source, config, selections);
        contents.tensors = std::move(selected.tensors);
        contents.storage = std::move(selected.storage);
        contents.tokenizer_from = source->folder();
        if (!extraction.plain_hugging_face) {
            contents.record = FlextronRecord{};
            contents.record->choices = defaultChoiceSets(config);
            contents.record->base_training_tokens = source->record().base_training_tokens;
            contents.record->stages = source->record().stages;
            contents.record->layer_sizes = config.layers;
            extraction.notes.push_back("the layers differ, or leave a sub-block out, which a plain Hugging Face config "
                                       "cannot say: their sizes stand in flextron.json, and "
                                       "only Flextron Explorer loads this checkpoint");
        }
        return extraction;
    });
}

} // namespace flextron
