// The kernels of a layer that read weights: Q, K and V; the projection of the heads' outputs; up and gate; down.
//
// A block computes the norms of its rows itself: that costs a few reads from the cache and saves a launch. blockY is
// the tile of kTileRows rows. Widths that are given stand in the step's input, those of routers only after await().
#pragma once

#include "engine/cuda/kernels/projection_p.h"

namespace flextron::cuda {

/// The tile of rows that a block works on.
struct RowTile {
    int first = 0;
    int rows = 0;
};
template <class Exec> FLEXTRON_KERNEL RowTile tileOf(const Exec& exec, int rows)
{
    const int first = exec.blockY() * kTileRows;
    return {first, larger(0, smaller(kTileRows, rows - first))};
}

/// The widest of the tile's rows in one sub-block.
template <class Exec> FLEXTRON_KERNEL int widestOf(const StepView& step, int layer, int block, const RowTile& tile)
{
    int widest = 0;
    for (int r = 0; r < tile.rows; ++r)
        widest = larger(widest, step.widths[widthIndex(step, layer, block, tile.first + r)]);
    return widest;
}

FLEXTRON_HD float* rowOf(float* buffer, std::int64_t stride, int row)
{
    return buffer + row * stride;
}

struct LayerArguments {
    ModelShape shape;
    LayerView layer;
    StepView step;
    std::int32_t index = 0;  ///< of the layer
    std::int32_t routed = 0; ///< widths are those of a kernel of this step
};

/// Q of every row at its width, rotated, into step.queries; K and V of every group that the row's cache keeps, rotated,
/// into the cache. A warp has elements i and i + dh/2 of a head, which rotate together.
template <class Weight> struct QueriesKeysValues {
    static constexpr int kThreads = kProjectionThreads, kResident = kProjectionResident;
    using Arguments = LayerArguments;

    struct Unit {
        int part = 0; ///< 0: Q, 1: K, 2: V; 3: none
        int head = 0; ///< or group
        int element = 0;
    };

    FLEXTRON_HD static int halfHead(const ModelShape& shape) { return dividedUp(shape.head_dim, 2); }
    FLEXTRON_HD static int units(const ModelShape& shape, const LayerView& layer)
    {
        return (layer.heads + 2 * layer.groups) * halfHead(shape);
    }
    FLEXTRON_HD static Unit unitOf(const Arguments& a, int index)
    {
        const int half = halfHead(a.shape);
        const int head = index / half;
        if (head < a.layer.heads) return {0, head, index % half};
        if (head < a.layer.heads + a.layer.groups) return {1, head - a.layer.heads, index % half};
        if (head < a.layer.heads + 2 * a.layer.groups) return {2, head - a.layer.heads - a.layer.groups, index % half};
        return {3, 0, 0};
    }
    FLEXTRON_HD static int groupsKept(const Arguments& a, int row)
    {
        return a.step.rows[row].cache->layers[a.index].groups;
    }

    /// What the rows of a tile want of the matrices.
    struct Wanted {
        int heads = 0, groups = 0;
        FLEXTRON_HD bool operator()(const Unit& unit) const
        {
            return unit.part == 0 ? unit.head < heads : unit.part < 3 && unit.head < groups;
        }
    };
    FLEXTRON_HD static Wanted wantedBy(const Arguments& a, const RowTile& tile)
    {
        Wanted wanted;
        for (int r = 0; r < tile.rows; ++r) {
            wanted.heads = larger(wanted.heads, a.step.widths[widthIndex(a.step, a.index, 0, tile.first + r)]);
            wanted.groups = larger(wanted.groups, groupsKept(a, tile.first + r));
        }
        return wanted;
    }
    template <class Exec> static FLEXTRON_KERNEL Unit unitOfWarp(const Exec& exec, const Arguments& a, int warp)
    {
        return unitOf(a, exec.blockX() * kProjectionWarps + warp);
    }
    template <class Exec>
    static FLEXTRON_KERNEL WeightPair<Weight> pairOf(const Exec& exec, const Arguments& a, const Wanted& wanted,
                                                     int warp)
    {
        const Unit unit = unitOfWarp(exec, a, warp);
        return wanted(unit) ? weightsOf(a, unit) : WeightPair<Weight>{};
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        if (a.routed) exec.await();
        const RowTile tile = tileOf(exec, a.step.counts[kRowCount]);
        const Wanted wanted = wantedBy(a, tile);
        bool any = false;
        for (int warp = 0; warp < kProjectionWarps; ++warp) any = any || wanted(unitOfWarp(exec, a, warp));
        if (!any) return;
        withRows(tile.rows, [&](auto rows) { runRows<decltype(rows)::value>(exec, a, tile, wanted); });
    }

    template <int kRows, class Exec>
    static FLEXTRON_KERNEL void runRows(Exec& exec, const Arguments& a, const RowTile& tile, const Wanted& wanted)
    {
        auto& shared = *reinterpret_cast<ProjectionShared*>(exec.shared());
        const auto x = [&](int r) { return rowOf(a.step.x, a.shape.hidden_stride, tile.first + r); };
        typename Exec::template PerThread<PairSums<kRows>> sums(exec);
        project<kRows, Weight>(
            exec, shared, sums, tile.rows, a.shape.hidden, [&](int warp) { return pairOf(exec, a, wanted, warp); },
            [&] {
                exec.await();
                rowStatistics<kRows>(exec, shared, a.shape, tile.rows, x);
            },
            [&](int r, int i) {
                return normalised(a.layer.attention_norm, shared.statistics[r], x(r), i, a.shape.hidden);
            });
        exec.each([&](int thread) {
            const Unit unit = unitOfWarp(exec, a, thread / kWarp);
            const int r = thread % kWarp;
            if (r >= tile.rows || !wanted(unit)) return;
            store(a, unit, tile.first + r, sumOf<kRows>(sums[thread], 0, r), sumOf<kRows>(sums[thread], 1, r));
        });
    }

    FLEXTRON_HD static bool hasSecond(const Arguments& a, const Unit& unit)
    {
        return unit.element + halfHead(a.shape) < a.shape.head_dim;
    }

    FLEXTRON_HD static WeightPair<Weight> weightsOf(const Arguments& a, const Unit& unit)
    {
        const void* matrix = unit.part == 0 ? a.layer.queries : unit.part == 1 ? a.layer.keys : a.layer.values;
        const std::int64_t row = static_cast<std::int64_t>(unit.head) * a.shape.head_dim + unit.element;
        const Weight* first = static_cast<const Weight*>(matrix) + row * a.shape.hidden_stride;
        const std::int64_t half = hasSecond(a, unit) ? halfHead(a.shape) : 0;
        return {first, first + half * a.shape.hidden_stride};
    }

    FLEXTRON_HD static void store(const Arguments& a, const Unit& unit, int row, float first, float second)
    {
        const RowInput& input = a.step.rows[row];
        const CacheLayer& cache = input.cache->layers[a.index];
        const int width = unit.part == 0 ? a.step.widths[widthIndex(a.step, a.index, 0, row)] : cache.groups;
        if (unit.head >= width) return;
        const int dh = a.shape.head_dim, half = halfHead(a.shape);
        const std::int64_t begin = static_cast<std::int64_t>(unit.head) * dh;
        const float* bias = unit.part == 0   ? a.layer.query_bias
                            : unit.part == 1 ? a.layer.key_bias
                                             : a.layer.value_bias;
        const bool both = hasSecond(a, unit);
        if (bias) {
            first += bias[begin + unit.element];
            if (both) second += bias[begin + unit.element + half];
        }
        if (unit.part < 2 && a.shape.rotary) {
            const float* angle = a.step.angles + (static_cast<std::int64_t>(row) * half + unit.element) * 2;
            rotatePair(first, second, angle[0], angle[1]);
        }
        float* to = nullptr;
        std::int64_t apart = half;
        if (unit.part == 0) {
            to = rowOf(a.step.queries, a.shape.head_rows_stride, row) + begin + unit.element;
        } else if (unit.part == 1) {
            to = cache.keys + begin * cache.padded +
                 (static_cast<std::int64_t>(input.position / kKeyChunk) * dh + unit.element) * kKeyChunk +
                 input.position % kKeyChunk;
            apart = static_cast<std::int64_t>(half) * kKeyChunk;
        } else {
            const std::int64_t position = std::int64_t{unit.head} * cache.padded + input.position;
            to = cache.values + position * a.shape.head_stride + unit.element;
        }
        to[0] = first;
        if (both) to[apart] = second;
    }
};

/// A projection back to the residual stream, added to it: of the heads' outputs (kBlock 0) or of the MLP's activations
/// (kBlock 1). A row of width 0 adds nothing, neither the bias.
template <class Weight, int kBlock> struct BackProjection {
    static constexpr int kThreads = kProjectionThreads, kResident = kProjectionResident;
    using Arguments = LayerArguments;

    FLEXTRON_HD static int units(const ModelShape& shape) { return dividedUp(shape.hidden, 2); }
    FLEXTRON_HD static int inputsOf(const Arguments& a, int width)
    {
        return kBlock == 0 ? width * a.shape.head_dim : width;
    }
    template <class Exec> static FLEXTRON_KERNEL int firstOutput(const Exec& exec, int warp)
    {
        return (exec.blockX() * kProjectionWarps + warp) * 2;
    }
    template <class Exec>
    static FLEXTRON_KERNEL WeightPair<Weight> pairOf(const Exec& exec, const Arguments& a, int warp)
    {
        const std::int64_t output = firstOutput(exec, warp),
                           stride = kBlock == 0 ? a.layer.output_stride : a.layer.down_stride;
        if (output >= a.shape.hidden) return {};
        const auto* weights = static_cast<const Weight*>(kBlock == 0 ? a.layer.output : a.layer.down);
        return {weights + output * stride, weights + smaller<std::int64_t>(output + 1, a.shape.hidden - 1) * stride};
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        if (a.routed) exec.await();
        const RowTile tile = tileOf(exec, a.step.counts[kRowCount]);
        const int inputs = inputsOf(a, widestOf<Exec>(a.step, a.index, kBlock, tile));
        if (inputs == 0) return;
        withRows(tile.rows, [&](auto rows) { runRows<decltype(rows)::value>(exec, a, tile, inputs); });
    }

    template <int kRows, class Exec>
    static FLEXTRON_KERNEL void runRows(Exec& exec, const Arguments& a, const RowTile& tile, int inputs)
    {
        auto& shared = *reinterpret_cast<ProjectionShared*>(exec.shared());
        const int stride = kBlock == 0 ? a.shape.head_rows_stride : a.shape.neuron_stride;
        const float* bias = kBlock == 0 ? a.layer.output_bias : a.layer.down_bias;
        float* buffer = kBlock == 0 ? a.step.outputs : a.step.activations;
        const auto widthOf = [&](int r) { return a.step.widths[widthIndex(a.step, a.index, kBlock, tile.first + r)]; };
        typename Exec::template PerThread<PairSums<kRows>> sums(exec);
        project<kRows, Weight>(
            exec, shared, sums, tile.rows, inputs, [&](int warp) { return pairOf(exec, a, warp); },
            [&] { exec.await(); },
            [&](int r, int i) { return fourOf(rowOf(buffer, stride, tile.first + r), i, inputsOf(a, widthOf(r))); });
        exec.each([&](int thread) {
            const int r = thread % kWarp;
            if (r >= tile.rows || widthOf(r) == 0) return;
            float* x = rowOf(a.step.x, a.shape.hidden_stride, tile.first + r);
            for (int j = 0; j < 2; ++j) {
                const int output = firstOutput(exec, thread / kWarp) + j;
                if (output >= a.shape.hidden) return;
                const float sum = sumOf<kRows>(sums[thread], j, r);
                x[output] += bias ? sum + bias[output] : sum;
            }
        });
    }
};

/// act(gate) * up, or act(up) without a gate, of every row's neurons, into step.activations. A warp has the two rows of
/// a neuron, or two neurons.
template <class Weight> struct UpGate {
    static constexpr int kThreads = kProjectionThreads, kResident = kProjectionResident;
    using Arguments = LayerArguments;

    FLEXTRON_HD static int units(const ModelShape& shape, const LayerView& layer)
    {
        return shape.gated ? layer.neurons : dividedUp(layer.neurons, 2);
    }
    template <class Exec> static FLEXTRON_KERNEL int firstNeuron(const Exec& exec, const Arguments& a, int warp)
    {
        return (exec.blockX() * kProjectionWarps + warp) * (a.shape.gated ? 1 : 2);
    }
    template <class Exec>
    static FLEXTRON_KERNEL WeightPair<Weight> pairOf(const Exec& exec, const Arguments& a, int widest, int warp)
    {
        const std::int64_t neuron = firstNeuron(exec, a, warp);
        if (neuron >= widest) return {};
        const std::int64_t first = a.shape.gated ? 2 * neuron : neuron;
        const std::int64_t second = a.shape.gated || neuron + 1 < a.layer.neurons ? first + 1 : first;
        const auto* weights = static_cast<const Weight*>(a.layer.up_gate);
        return {weights + first * a.shape.hidden_stride, weights + second * a.shape.hidden_stride};
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        if (a.routed) exec.await();
        const RowTile tile = tileOf(exec, a.step.counts[kRowCount]);
        const int widest = widestOf<Exec>(a.step, a.index, 1, tile);
        if (firstNeuron(exec, a, 0) >= widest) return;
        withRows(tile.rows, [&](auto rows) { runRows<decltype(rows)::value>(exec, a, tile, widest); });
    }

    template <int kRows, class Exec>
    static FLEXTRON_KERNEL void runRows(Exec& exec, const Arguments& a, const RowTile& tile, int widest)
    {
        auto& shared = *reinterpret_cast<ProjectionShared*>(exec.shared());
        const auto x = [&](int r) { return rowOf(a.step.x, a.shape.hidden_stride, tile.first + r); };
        typename Exec::template PerThread<PairSums<kRows>> sums(exec);
        project<kRows, Weight>(
            exec, shared, sums, tile.rows, a.shape.hidden, [&](int warp) { return pairOf(exec, a, widest, warp); },
            [&] {
                exec.await();
                rowStatistics<kRows>(exec, shared, a.shape, tile.rows, x);
            },
            [&](int r, int i) { return normalised(a.layer.mlp_norm, shared.statistics[r], x(r), i, a.shape.hidden); });
        exec.each([&](int thread) {
            const int r = thread % kWarp, neuron = firstNeuron(exec, a, thread / kWarp);
            if (r >= tile.rows) return;
            const int width = a.step.widths[widthIndex(a.step, a.index, 1, tile.first + r)];
            float first = sumOf<kRows>(sums[thread], 0, r), second = sumOf<kRows>(sums[thread], 1, r);
            float* to = rowOf(a.step.activations, a.shape.neuron_stride, tile.first + r) + neuron;
            const float* bias = a.layer.up_gate_bias;
            if (a.shape.gated) {
                if (neuron >= width) return;
                if (bias) first += bias[2 * neuron], second += bias[2 * neuron + 1];
                to[0] = activated(a.shape.activation, second) * first;
                return;
            }
            if (neuron < width) to[0] = activated(a.shape.activation, bias ? first + bias[neuron] : first);
            if (neuron + 1 < width) to[1] = activated(a.shape.activation, bias ? second + bias[neuron + 1] : second);
        });
    }
};

} // namespace flextron::cuda
