// The memory that a step of at most `capacity` rows works in, on the device and on the host. Addresses never change.
#pragma once

#include <cstring>

#include "engine/cuda/kernels/attention_p.h"
#include "engine/cuda/kernels/ends_p.h"
#include "engine/cuda/step/device_model_p.h"

namespace flextron::cuda {

/// Room for the largest routers in use; grows, and then the buffers are made anew.
struct RouterRoom {
    int inner = 1;
    int stops = 1;
    int choices = 1;
    bool holds(const RouterRoom& other) const
    {
        return inner >= other.inner && stops >= other.stops && choices >= other.choices;
    }
    void widen(const RouterRoom& other)
    {
        inner = larger(inner, other.inner);
        stops = larger(stops, other.stops);
        choices = larger(choices, other.choices);
    }
};

template <class Device> class StepBuffers final {
public:
    static constexpr int kRingSlots = 4;

    StepBuffers(DeviceModel<Device>& model, int capacity, const RouterRoom& room)
    {
        Carver count_input, count_work;
        layInput(count_input, model, capacity, room);
        layWork(count_work, model, capacity);
        input_bytes_ = count_input.used();
        memory_ = DeviceMemory<Device>(model.device, count_input.used() + count_work.used());
        staging_ = SharedMemory<Device>(model.device, input_bytes_);
        Carver host(staging_.template as<void>());
        host_ = layInput(host, model, capacity, room);
        Carver carver(memory_.template as<void>());
        layInput(carver, model, capacity, room);
        layWork(carver, model, capacity);
        const std::int64_t groups = larger(model.most_groups, 1);
        model.device.clear(view_.arrivals, static_cast<std::size_t>(capacity * groups) * sizeof(std::uint32_t));
        // A layer without a sub-block has nothing to choose between: its probabilities stay 0.
        model.device.clear(view_.probabilities,
                           static_cast<std::size_t>(std::int64_t{view_.layers} * 2 * capacity * view_.choice_stride) *
                               sizeof(float));
        ring_words_ = Publish::slotOf(view_).words;
        ring_ = SharedMemory<Device>(model.device, static_cast<std::size_t>(kRingSlots * ring_words_) * 4);
        model.device.wait();
    }

    /// What the host writes before a step; copied to the device as one piece.
    struct Input {
        std::int32_t* counts;
        RowInput* rows;
        std::int32_t* logit_rows;
        FlextronCudaDraw* draws;
        std::int32_t* widths;
        float* codes;
    };
    [[nodiscard]] const Input& input() const { return host_; }
    [[nodiscard]] const StepView& view() const { return view_; }
    [[nodiscard]] std::uint32_t* ring() const { return ring_.template as<std::uint32_t>(); }
    [[nodiscard]] std::int64_t ringWords() const { return ring_words_; }
    [[nodiscard]] const std::uint32_t* slot(std::uint32_t sequence) const
    {
        return ring() + static_cast<std::int64_t>(sequence % kRingSlots) * ring_words_;
    }

    void uploadInput(Device& device) const
    {
        device.upload(memory_.template as<void>(), staging_.template as<void>(), input_bytes_);
    }

private:
    Input layInput(Carver& carver, const DeviceModel<Device>& model, int capacity, const RouterRoom& room)
    {
        const std::int64_t rows = capacity;
        view_.capacity = capacity;
        view_.layers = static_cast<std::int32_t>(model.layers.size());
        view_.code_stride = room.stops;
        view_.choice_stride = room.choices;
        view_.inner_stride = room.inner;
        Input input;
        input.counts = carver.take<std::int32_t>(kCounts);
        input.rows = carver.take<RowInput>(rows);
        input.logit_rows = carver.take<std::int32_t>(rows);
        input.draws = carver.take<FlextronCudaDraw>(rows);
        input.widths = carver.take<std::int32_t>(view_.layers * 2 * rows);
        input.codes = carver.take<float>(rows * room.stops);
        view_.counts = input.counts;
        view_.rows = input.rows;
        view_.logit_rows = input.logit_rows;
        view_.draws = input.draws;
        view_.widths = input.widths;
        view_.codes = input.codes;
        return input;
    }

    void layWork(Carver& carver, const DeviceModel<Device>& model, int capacity)
    {
        const ModelShape& shape = model.view.shape;
        const std::int64_t rows = capacity, groups = larger(model.most_groups, 1);
        view_.x = carver.take<float>(rows * shape.hidden_stride);
        view_.angles = carver.take<float>(rows * shape.head_dim);
        view_.queries = carver.take<float>(rows * shape.head_rows_stride);
        view_.outputs = carver.take<float>(rows * shape.head_rows_stride);
        view_.activations = carver.take<float>(rows * shape.neuron_stride);
        view_.inner = carver.take<float>(rows * view_.inner_stride);
        view_.partials = carver.take<float>(rows * groups * kKeySplits * Attention::partialFloats(shape));
        view_.arrivals = carver.take<std::uint32_t>(rows * groups);
        view_.seen = carver.take<std::uint32_t>(rows * dividedUp(shape.vocab, 32));
        view_.logits = carver.take<float>(rows * shape.vocab);
        view_.drawn = carver.take<FlextronCudaDrawn>(rows);
        view_.probabilities = carver.take<float>(std::int64_t{view_.layers} * 2 * rows * view_.choice_stride);
    }

    StepView view_; // of the device's memory
    Input host_{};
    std::size_t input_bytes_ = 0;
    std::int64_t ring_words_ = 0;
    DeviceMemory<Device> memory_;
    SharedMemory<Device> staging_;
    SharedMemory<Device> ring_;
};

} // namespace flextron::cuda
