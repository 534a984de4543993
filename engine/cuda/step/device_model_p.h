// A model, texts' caches and routers in a device's memory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/cuda/kernels/views_p.h"
#include "engine/cuda/step/device_memory_p.h"

namespace flextron::cuda {

template <class Device> class DeviceModel final {
public:
    DeviceModel(int device_index, const FlextronCudaShape& given, const FlextronCudaLayer* sizes)
        : device(device_index)
        , given_(given)
    {
        ModelShape& shape = view.shape;
        shape.hidden = given.hidden;
        shape.head_dim = given.head_dim;
        shape.head_stride = static_cast<std::int32_t>(roundedUp(given.head_dim, 4));
        shape.heads_per_group = given.heads_per_group;
        shape.vocab = given.vocab;
        shape.sliding_window = given.sliding_window;
        shape.layer_norm = given.layer_norm;
        shape.gated = given.gated;
        shape.activation = given.activation;
        shape.rotary = given.rotary;
        shape.norm_eps = given.norm_eps;
        shape.hidden_stride = padded(given.hidden);
        for (int l = 0; l < given.layers; ++l) {
            LayerView layer;
            layer.heads = sizes[l].heads;
            layer.groups = sizes[l].groups;
            layer.neurons = sizes[l].neurons;
            layer.output_stride = padded(layer.heads * given.head_dim);
            layer.down_stride = padded(layer.neurons);
            shape.head_rows_stride = larger(shape.head_rows_stride, layer.output_stride);
            shape.neuron_stride = larger(shape.neuron_stride, layer.down_stride);
            most_groups = larger(most_groups, layer.groups);
            layers.push_back(layer);
        }
    }

    /// `bytes` of a tensor at `offset`. Memory for the whole of it is taken on the first call.
    void upload(int tensor, int layer, std::uint64_t offset, const void* data, std::uint64_t bytes)
    {
        if (layer < 0 || (layer > 0 && layer >= given_.layers)) throw std::runtime_error("no such layer");
        LayerView none;
        const Slot slot = slotOf(tensor, layers.empty() ? none : layers[static_cast<std::size_t>(layer)]);
        if (offset > slot.bytes || bytes > slot.bytes - offset)
            throw std::runtime_error("a tensor is larger than its place: " + std::to_string(offset + bytes) + " of " +
                                     std::to_string(slot.bytes) + " bytes");
        if (bytes == 0) return;
        const void* place = slot.place;
        if (!place) {
            tensors_.emplace_back(device, slot.bytes);
            place = tensors_.back().template as<void>();
            slot.set(place);
            if (tensor == FLEXTRON_CUDA_EMBEDDING && given_.tied) view.head = view.embedding;
        }
        // The views promise that kernels do not write here; uploads do.
        device.upload(static_cast<std::byte*>(const_cast<void*>(place)) + offset, data, bytes);
        device.wait();
    }

    [[nodiscard]] bool narrow() const { return given_.weight_bytes == 2; }
    [[nodiscard]] bool bfloat16() const { return given_.bfloat16 != 0; }

    Device device; ///< before everything that lies in its memory
    ModelView view;
    std::vector<LayerView> layers;
    std::int32_t most_groups = 0;

private:
    /// Where a tensor's address is kept.
    struct Slot {
        const void* place = nullptr;
        std::uint64_t bytes = 0;
        std::function<void(const void*)> set;
    };
    template <class T> static Slot slot(const T*& place, std::int64_t count, std::int64_t element_bytes)
    {
        return {place, static_cast<std::uint64_t>(count * element_bytes),
                [&place](const void* address) { place = static_cast<const T*>(address); }};
    }

    static std::int32_t padded(std::int32_t value) { return static_cast<std::int32_t>(roundedUp(value, 8)); }

    Slot slotOf(int tensor, LayerView& layer)
    {
        const auto matrix = [&](const void*& place, std::int64_t rows, std::int64_t stride) {
            return slot(place, rows * stride, given_.weight_bytes);
        };
        const auto floats = [&](const float*& place, std::int64_t count) { return slot(place, count, sizeof(float)); };
        const std::int64_t d = given_.hidden, stride = view.shape.hidden_stride;
        const std::int64_t query_rows = std::int64_t{layer.heads} * given_.head_dim;
        const std::int64_t group_rows = std::int64_t{layer.groups} * given_.head_dim;
        const std::int64_t neuron_rows = std::int64_t{layer.neurons} * (given_.gated ? 2 : 1);
        switch (tensor) {
        case FLEXTRON_CUDA_EMBEDDING: return matrix(view.embedding, given_.vocab, stride);
        case FLEXTRON_CUDA_POSITIONS: return matrix(view.positions, given_.positions, stride);
        case FLEXTRON_CUDA_HEAD: return matrix(view.head, given_.vocab, stride);
        case FLEXTRON_CUDA_FINAL_NORM: return floats(view.final_norm.weight, d);
        case FLEXTRON_CUDA_FINAL_NORM_BIAS: return floats(view.final_norm.bias, d);
        case FLEXTRON_CUDA_FREQUENCIES: return slot(view.frequencies, given_.head_dim / 2, sizeof(double));
        case FLEXTRON_CUDA_ATTENTION_NORM: return floats(layer.attention_norm.weight, d);
        case FLEXTRON_CUDA_ATTENTION_NORM_BIAS: return floats(layer.attention_norm.bias, d);
        case FLEXTRON_CUDA_MLP_NORM: return floats(layer.mlp_norm.weight, d);
        case FLEXTRON_CUDA_MLP_NORM_BIAS: return floats(layer.mlp_norm.bias, d);
        case FLEXTRON_CUDA_QUERIES: return matrix(layer.queries, query_rows, stride);
        case FLEXTRON_CUDA_KEYS: return matrix(layer.keys, group_rows, stride);
        case FLEXTRON_CUDA_VALUES: return matrix(layer.values, group_rows, stride);
        case FLEXTRON_CUDA_OUTPUT: return matrix(layer.output, d, layer.output_stride);
        case FLEXTRON_CUDA_UP_GATE: return matrix(layer.up_gate, neuron_rows, stride);
        case FLEXTRON_CUDA_DOWN: return matrix(layer.down, d, layer.down_stride);
        case FLEXTRON_CUDA_QUERY_BIAS: return floats(layer.query_bias, query_rows);
        case FLEXTRON_CUDA_KEY_BIAS: return floats(layer.key_bias, group_rows);
        case FLEXTRON_CUDA_VALUE_BIAS: return floats(layer.value_bias, group_rows);
        case FLEXTRON_CUDA_OUTPUT_BIAS: return floats(layer.output_bias, d);
        case FLEXTRON_CUDA_UP_GATE_BIAS: return floats(layer.up_gate_bias, neuron_rows);
        case FLEXTRON_CUDA_DOWN_BIAS: return floats(layer.down_bias, d);
        default: throw std::runtime_error("no such tensor: " + std::to_string(tensor));
        }
    }

    FlextronCudaShape given_;
    std::vector<DeviceMemory<Device>> tensors_;
};

/// Keys, values and ids of one text.
template <class Device> class DeviceCache final {
public:
    DeviceCache(DeviceModel<Device>& model, int capacity, const std::int32_t* groups)
        : model_(model)
        , capacity_(capacity)
        , layers_(model.layers.size())
    {
        const auto padded = static_cast<std::int32_t>(roundedUp(capacity, kKeyChunk));
        const auto lay = [&](Carver& carver) {
            view_.layers = carver.take<CacheLayer>(static_cast<std::int64_t>(layers_.size()));
            device_view_ = carver.take<CacheView>(1);
            view_.ids = carver.take<std::int32_t>(capacity);
            for (std::size_t l = 0; l < layers_.size(); ++l) {
                const ModelShape& shape = model.view.shape;
                const std::int64_t positions = std::int64_t{groups[l]} * padded;
                layers_[l].keys = carver.take<float>(positions * shape.head_dim);
                layers_[l].values = carver.take<float>(positions * shape.head_stride);
                layers_[l].groups = groups[l];
                layers_[l].padded = padded;
            }
        };
        Carver count;
        lay(count);
        memory_ = DeviceMemory<Device>(model.device, count.used());
        Carver carver(memory_.template as<void>());
        lay(carver);
        model.device.upload(view_.layers, layers_.data(), layers_.size() * sizeof(CacheLayer));
        model.device.upload(device_view_, &view_, sizeof view_);
        model.device.wait();
    }

    /// What kernels see.
    [[nodiscard]] const CacheView* view() const { return device_view_; }
    [[nodiscard]] int capacity() const { return capacity_; }

    void copyFrom(const DeviceCache& other)
    {
        if (memory_.bytes() != other.memory_.bytes()) throw std::runtime_error("caches of different sizes");
        // Everything but the addresses in front: those are each cache's own.
        const auto begin = reinterpret_cast<std::byte*>(view_.ids) - memory_.template as<std::byte>();
        model_.device.copy(memory_.template as<std::byte>() + begin, other.memory_.template as<std::byte>() + begin,
                           memory_.bytes() - static_cast<std::size_t>(begin));
        model_.device.wait();
    }

private:
    DeviceModel<Device>& model_;
    int capacity_;
    std::vector<CacheLayer> layers_;
    CacheView view_;
    CacheView* device_view_ = nullptr;
    DeviceMemory<Device> memory_;
};

/// Dynamic routers; the hidden layer's inputs apart: hidden state (rows padded to 8), target code.
template <class Device> class DeviceRouters final {
public:
    DeviceRouters(DeviceModel<Device>& model, int inner, int stops, const FlextronCudaRouter* routers,
                  const std::int32_t* const* widths, const std::int32_t* choices)
        : memory_(model.device, bytesFor(model, inner, stops, choices))
    {
        const std::int64_t count = static_cast<std::int64_t>(model.layers.size()) * 2;
        std::vector<RouterLayer> layers;
        Carver carver(memory_.template as<void>());
        device_view_ = carver.take<RouterView>(1);
        auto* device_layers = carver.take<RouterLayer>(count);
        RouterView view;
        view.layers = device_layers;
        view.inner = inner;
        view.stops = stops;
        for (int block = 0; block < 2; ++block) {
            auto* place = carver.take<std::int32_t>(choices[block]);
            model.device.upload(place, widths[block], static_cast<std::size_t>(choices[block]) * sizeof(std::int32_t));
            view.widths[block] = place;
            view.choices[block] = choices[block];
        }
        for (std::int64_t i = 0; i < count; ++i)
            layers.push_back(uploadLayer(model, carver, view, routers[i], choices[i % 2]));
        model.device.upload(device_layers, layers.data(), layers.size() * sizeof(RouterLayer));
        model.device.upload(device_view_, &view, sizeof view);
        model.device.wait();
        inner_ = inner;
        stops_ = stops;
        choices_ = larger(choices[0], choices[1]);
    }

    [[nodiscard]] const RouterView* view() const { return device_view_; }
    [[nodiscard]] int inner() const { return inner_; }
    [[nodiscard]] int stops() const { return stops_; }
    [[nodiscard]] int choices() const { return choices_; }

private:
    static std::size_t bytesFor(const DeviceModel<Device>& model, int inner, int stops, const std::int32_t* choices)
    {
        Carver count;
        count.take<RouterView>(1);
        count.take<RouterLayer>(static_cast<std::int64_t>(model.layers.size()) * 2);
        for (int block = 0; block < 2; ++block) {
            count.take<std::int32_t>(choices[block]);
            for (std::size_t l = 0; l < model.layers.size(); ++l) {
                count.take<float>(std::int64_t{inner} * model.view.shape.hidden_stride);
                count.take<float>(std::int64_t{inner} * stops);
                count.take<float>(inner);
                count.take<float>(std::int64_t{choices[block]} * inner);
                count.take<float>(choices[block]);
            }
        }
        return count.used();
    }

    static RouterLayer uploadLayer(DeviceModel<Device>& model, Carver& carver, const RouterView& view,
                                   const FlextronCudaRouter& router, int choices)
    {
        const std::int64_t d = model.view.shape.hidden, stride = model.view.shape.hidden_stride;
        std::vector<float> hidden(static_cast<std::size_t>(view.inner * stride), 0.0f);
        std::vector<float> code(static_cast<std::size_t>(view.inner) * static_cast<std::size_t>(view.stops));
        for (std::int64_t i = 0; i < view.inner; ++i) {
            const float* row = router.hidden + i * (d + view.stops);
            for (std::int64_t k = 0; k < d; ++k) hidden[static_cast<std::size_t>(i * stride + k)] = row[k];
            for (std::int64_t s = 0; s < view.stops; ++s)
                code[static_cast<std::size_t>(i * view.stops + s)] = row[d + s];
        }
        const auto put = [&](const float* from, std::int64_t floats) {
            auto* place = carver.take<float>(floats);
            model.device.upload(place, from, static_cast<std::size_t>(floats) * sizeof(float));
            return place;
        };
        RouterLayer layer;
        layer.hidden = put(hidden.data(), view.inner * stride);
        layer.code = put(code.data(), std::int64_t{view.inner} * view.stops);
        layer.hidden_bias = put(router.hidden_bias, view.inner);
        layer.output = put(router.output, std::int64_t{choices} * view.inner);
        layer.output_bias = put(router.output_bias, choices);
        model.device.wait(); // the vectors end here
        return layer;
    }

    DeviceMemory<Device> memory_;
    RouterView* device_view_ = nullptr;
    int inner_ = 0;
    int stops_ = 0;
    int choices_ = 0;
};

} // namespace flextron::cuda
