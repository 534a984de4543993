// The kernels of a step, in their order. What is launched depends on the model and on whether any row has a router,
// never on widths, positions or the number of rows: that is why one captured graph serves every sub-network and every
// mix.
#pragma once

#include <cmath>

#include "engine/cuda/kernels/attention_p.h"
#include "engine/cuda/kernels/draw_p.h"
#include "engine/cuda/kernels/ends_p.h"
#include "engine/cuda/kernels/layer_p.h"
#include "engine/cuda/kernels/routing_p.h"
#include "engine/cuda/step/step_buffers_p.h"

namespace flextron::cuda {

/// How many blocks the parts of a step get.
struct StepExtent {
    int rows = kTileRows;    ///< at least those of the step
    int splits = kKeySplits; ///< at least min(kKeySplits, chunks of the longest text)
    bool routed = false;     ///< any row has a router
    int router_inner = 0;    ///< the widest hidden layer of a router
};

template <class Device, class Weight> class StepProgram final {
public:
    StepProgram(DeviceModel<Device>& model, const StepBuffers<Device>& buffers, const StepExtent& extent)
        : model_(model)
        , device_(model.device)
        , buffers_(buffers)
        , step_(buffers.view())
        , extent_(extent)
        , tiles_(dividedUp(extent.rows, kTileRows))
    {
    }

    void run()
    {
        buffers_.uploadInput(device_);
        device_.template launch<EmbedRows<Weight>>(extent_.rows, 1, 0, {model_.view, step_});
        for (int l = 0; l < step_.layers; ++l) {
            attention(l);
            mlp(l);
        }
        const ModelShape& shape = model_.view.shape;
        launchUnits<Logits<Weight>>(Logits<Weight>::units(shape), {model_.view, step_});
        device_.template launch<DrawTokens>(extent_.rows, 1, sizeof(DrawTokens::Shared), {shape.vocab, step_});
        Publish::Arguments publish;
        publish.step = step_;
        publish.ring = buffers_.ring();
        publish.slots = StepBuffers<Device>::kRingSlots;
        publish.slot_words = static_cast<std::int32_t>(buffers_.ringWords());
        publish.routed = extent_.routed ? 1 : 0;
        device_.template launch<Publish>(1, 1, 0, publish);
    }

private:
    template <class Kernel> void launchUnits(int units, const typename Kernel::Arguments& arguments)
    {
        device_.template launch<Kernel>(dividedUp(units, kProjectionWarps), tiles_, sizeof(ProjectionShared),
                                        arguments);
    }

    void route(int l, int block, const NormView& norm, int most_width)
    {
        if (!extent_.routed) return;
        RoutingArguments a;
        a.shape = model_.view.shape;
        a.norm = norm;
        a.step = step_;
        a.layer = l;
        a.block = block;
        a.most_width = most_width;
        launchUnits<RouterHidden>(dividedUp(extent_.router_inner, 2), a);
        device_.template launch<ChooseWidths>(extent_.rows, 1, ChooseWidths::sharedBytes(step_.choice_stride), a);
    }

    void attention(int l)
    {
        const ModelShape& shape = model_.view.shape;
        const LayerView& layer = model_.layers[static_cast<std::size_t>(l)];
        if (layer.groups == 0) return;
        route(l, 0, layer.attention_norm, layer.heads);
        const LayerArguments a{shape, layer, step_, l, extent_.routed ? 1 : 0};
        launchUnits<QueriesKeysValues<Weight>>(QueriesKeysValues<Weight>::units(shape, layer), a);
        const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
        device_.template launch<Attention>(extent_.splits, extent_.rows * layer.groups, Attention::sharedBytes(shape),
                                           {shape, layer, step_, l, scale});
        launchUnits<BackProjection<Weight, 0>>(BackProjection<Weight, 0>::units(shape), a);
    }

    void mlp(int l)
    {
        const ModelShape& shape = model_.view.shape;
        const LayerView& layer = model_.layers[static_cast<std::size_t>(l)];
        if (layer.neurons == 0) return;
        route(l, 1, layer.mlp_norm, layer.neurons);
        const LayerArguments a{shape, layer, step_, l, extent_.routed ? 1 : 0};
        launchUnits<UpGate<Weight>>(UpGate<Weight>::units(shape, layer), a);
        launchUnits<BackProjection<Weight, 1>>(BackProjection<Weight, 1>::units(shape), a);
    }

    DeviceModel<Device>& model_;
    Device& device_;
    const StepBuffers<Device>& buffers_;
    const StepView& step_;
    const StepExtent extent_;
    const int tiles_;
};

} // namespace flextron::cuda
