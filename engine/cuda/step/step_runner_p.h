// Steps of one model: fills the input, replays a captured graph or launches kernel by kernel, and waits once.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/cuda/step/step_program_p.h"

namespace flextron::cuda {

template <class Device> class StepRunner final {
public:
    explicit StepRunner(DeviceModel<Device>& model) : model_(model) {}

    void run(const FlextronCudaStep& step)
    {
        if (step.row_count < 1 || step.row_count > FLEXTRON_CUDA_MAX_ROWS || step.logit_count < 0 ||
            step.logit_count > step.row_count)
            throw std::runtime_error("a step of " + std::to_string(step.row_count) + " rows");
        const RouterRoom needed = roomFor(step);
        if (!room_.holds(needed)) {
            room_.widen(needed);
            graphs_.clear();
            few_.reset();
            many_.reset();
        }
        const bool few = step.row_count <= kTileRows;
        std::optional<StepBuffers<Device>>& buffers = few ? few_ : many_;
        if (!buffers) buffers.emplace(model_, few ? kTileRows : FLEXTRON_CUDA_MAX_ROWS, room_);
        const std::uint32_t sequence = ++sequence_;
        fill(step, *buffers, sequence);
        StepExtent extent;
        extent.routed = routed(step);
        extent.router_inner = room_.inner;
        if (few && step.by_graph) {
            replay(*buffers, extent);
        } else {
            extent.rows = step.row_count;
            extent.splits = splitsFor(step);
            start(*buffers, extent);
        }
        // Whole logits are fetched only where they are asked for, and then waited for in place of the ring's word.
        if (step.logits && step.logit_count > 0) {
            model_.device.download(step.logits, buffers->view().logits,
                                   static_cast<std::size_t>(step.logit_count) *
                                       static_cast<std::size_t>(model_.view.shape.vocab) * sizeof(float));
            model_.device.wait();
        } else {
            model_.device.waitFor(buffers->slot(sequence), sequence);
        }
        take(step, *buffers, sequence);
    }

private:
    static bool routed(const FlextronCudaStep& step)
    {
        for (int r = 0; r < step.row_count; ++r)
            if (step.rows[r].routers) return true;
        return false;
    }
    static const DeviceRouters<Device>* routersOf(const FlextronCudaRow& row)
    {
        return reinterpret_cast<const DeviceRouters<Device>*>(row.routers);
    }
    static const DeviceCache<Device>& cacheOf(const FlextronCudaRow& row)
    {
        return *reinterpret_cast<const DeviceCache<Device>*>(row.cache);
    }

    static RouterRoom roomFor(const FlextronCudaStep& step)
    {
        RouterRoom room;
        for (int r = 0; r < step.row_count; ++r)
            if (const auto* routers = routersOf(step.rows[r]))
                room.widen({routers->inner(), routers->stops(), routers->choices()});
        return room;
    }

    static int splitsFor(const FlextronCudaStep& step)
    {
        int last = 0;
        for (int r = 0; r < step.row_count; ++r) last = larger(last, step.rows[r].position);
        return smaller(kKeySplits, last / kKeyChunk + 1);
    }

    void fill(const FlextronCudaStep& step, const StepBuffers<Device>& buffers, std::uint32_t sequence) const
    {
        const auto& input = buffers.input();
        const StepView& view = buffers.view();
        input.counts[kRowCount] = step.row_count;
        input.counts[kLogitCount] = step.logit_count;
        input.counts[kDrawCount] = step.draws ? step.logit_count : 0;
        input.counts[kSequence] = static_cast<std::int32_t>(sequence);
        for (int r = 0; r < step.row_count; ++r) {
            const FlextronCudaRow& row = step.rows[r];
            const auto* routers = routersOf(row);
            if (row.position < 0 || row.position >= cacheOf(row).capacity())
                throw std::runtime_error("a token outside its cache");
            input.rows[r] = {cacheOf(row).view(), routers ? routers->view() : nullptr, row.id, row.position};
            if (routers)
                std::memcpy(input.codes + std::int64_t{r} * view.code_stride,
                            step.codes + std::int64_t{r} * step.code_stride,
                            static_cast<std::size_t>(routers->stops()) * sizeof(float));
        }
        for (int i = 0; i < step.logit_count; ++i) {
            input.logit_rows[i] = step.logit_rows[i];
            if (step.draws) input.draws[i] = step.draws[i];
        }
        for (int choice = 0; choice < view.layers * 2; ++choice)
            std::memcpy(input.widths + std::int64_t{choice} * view.capacity,
                        step.widths + std::int64_t{choice} * step.row_count,
                        static_cast<std::size_t>(step.row_count) * sizeof(std::int32_t));
    }

    void start(const StepBuffers<Device>& buffers, const StepExtent& extent)
    {
        if (!model_.narrow()) StepProgram<Device, float>(model_, buffers, extent).run();
        else if (model_.bfloat16()) StepProgram<Device, BFloat16>(model_, buffers, extent).run();
        else StepProgram<Device, Float16>(model_, buffers, extent).run();
    }

    /// Two graphs at most: with routers in the step, and without. The first step of either kind is launched kernel by
    /// kernel: the driver loads (or even compiles) a kernel when it is first started, and that is not for a capture.
    void replay(const StepBuffers<Device>& buffers, const StepExtent& extent)
    {
        const auto [place, first] = graphs_.try_emplace(extent.routed);
        if (first) return start(buffers, extent);
        std::optional<typename Device::Graph>& graph = place->second;
        if (!graph) graph.emplace(model_.device.capture([&] { start(buffers, extent); }));
        model_.device.replay(*graph);
    }

    void take(const FlextronCudaStep& step, const StepBuffers<Device>& buffers, std::uint32_t sequence)
    {
        const StepView& view = buffers.view();
        const std::uint32_t* words = buffers.slot(sequence);
        const Publish::Slot slot = Publish::slotOf(view);
        if (step.drawn && step.draws)
            std::memcpy(step.drawn, words + slot.drawn,
                        static_cast<std::size_t>(step.logit_count) * sizeof(FlextronCudaDrawn));
        const bool by_router = routed(step);
        for (std::int64_t choice = 0; choice < view.layers * 2; ++choice) {
            const auto rows = static_cast<std::size_t>(step.row_count);
            if (step.chosen)
                std::memcpy(step.chosen + choice * step.row_count,
                            by_router
                                ? reinterpret_cast<const std::int32_t*>(words) + slot.widths + choice * view.capacity
                                : step.widths + choice * step.row_count,
                            rows * sizeof(std::int32_t));
            if (!step.probabilities || !by_router) continue;
            for (std::int64_t r = 0; r < step.row_count; ++r)
                std::memcpy(step.probabilities + (choice * step.row_count + r) * step.choice_stride,
                            words + slot.probabilities + (choice * view.capacity + r) * view.choice_stride,
                            static_cast<std::size_t>(smaller(step.choice_stride, view.choice_stride)) * sizeof(float));
        }
    }

    DeviceModel<Device>& model_;
    RouterRoom room_;
    std::optional<StepBuffers<Device>> few_, many_;
    std::map<bool, std::optional<typename Device::Graph>> graphs_; ///< by routed
    std::uint32_t sequence_ = 0;
};

} // namespace flextron::cuda
