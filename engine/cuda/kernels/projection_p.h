// The product behind everything that reads weights: a few rows of activations times rows of weights.
//
// Each warp has two outputs, so that what it loads of the activations serves twice. Its lanes share a row of weights, 8
// inputs at a time and 256 in a warp's load; several loads are in flight before the first is used, and the first ones
// are asked for before the kernels in front have ended: while those finish, and while the block computes its norms, the
// weights are on their way. Every output is one chain of sums for each lane and one butterfly over the lanes, whatever
// the number of activation rows: a row's result is bit for bit the same alone and in company. Inputs that a row does
// not have count as 0 and change no bit.
#pragma once

#include "engine/cuda/kernels/step_math_p.h"
#include "engine/cuda/kernels/views_p.h"

namespace flextron::cuda {

inline constexpr int kProjectionThreads = 128;
inline constexpr int kProjectionWarps = kProjectionThreads / kWarp;
inline constexpr int kProjectionResident = 6; ///< blocks that a multiprocessor shall have room for
inline constexpr int kStageFloats = 4096;     ///< activations in shared memory at a time
inline constexpr int kLaneInputs = 8;         ///< of one load
inline constexpr int kLoadInputs = kWarp * kLaneInputs;

struct RowStatistics {
    float mean = 0;
    float scale = 1;
};

struct ProjectionShared {
    alignas(16) float stage[kStageFloats];
    float partial[kProjectionWarps][kTileRows];
    RowStatistics statistics[kTileRows];
};

/// Sums of one lane: [output][row].
template <int kRows> using PairSums = Floats<2 * kRows>;

/// The two rows of weights of one warp; null first: the warp has nothing to do.
template <class Weight> struct WeightPair {
    const Weight* first = nullptr;
    const Weight* second = nullptr;
};

/// What a lane has loaded of its pair before it is used: the same registers for either size of weight.
template <class Weight> struct PairLoads {
    static constexpr int kCount = 8 / static_cast<int>(sizeof(Weight));
    static constexpr int kInputs = kCount * kLoadInputs; ///< of the warp
    Eight<Weight> of[kCount][2];
};

/// Where input i of a stage lies: so that the lanes of a warp, reading 8 inputs each in two loads of 16 bytes, meet all
/// banks of the shared memory evenly.
FLEXTRON_HD int stagedIndex(int i)
{
    return i / kLoadInputs * kLoadInputs + i % 8 / 4 * (kLoadInputs / 2) + i % kLoadInputs / 8 * 4 + i % 4;
}

/// Calls body(Constant<kRows>) with the smallest of 1, 2, 4 and 8 that holds `rows`.
template <class Body> FLEXTRON_KERNEL void withRows(int rows, Body body)
{
    if (rows <= 1) body(Constant<1>());
    else if (rows <= 2) body(Constant<2>());
    else if (rows <= 4) body(Constant<4>());
    else body(Constant<8>());
}

/// Loads of a lane from input `begin` on.
template <class Weight>
FLEXTRON_KERNEL void loadPair(PairLoads<Weight>& loads, const WeightPair<Weight>& weights, int begin, int inputs,
                              int lane)
{
    FLEXTRON_UNROLL
    for (int a = 0; a < PairLoads<Weight>::kCount; ++a) {
        const int i = begin + a * kLoadInputs + lane * kLaneInputs;
        if (i >= inputs) continue;
        loads.of[a][0] = loadEight(weights.first + i);
        loads.of[a][1] = loadEight(weights.second + i);
    }
}

/// Adds the products of what loadPair loaded from `begin` on; stage: the rows' activations from input `from` on.
template <int kRows, class Weight>
FLEXTRON_KERNEL void multiplyPair(PairSums<kRows>& sums, const PairLoads<Weight>& loads, const float* stage,
                                  int stage_length, int from, int begin, int inputs, int lane)
{
    FLEXTRON_UNROLL
    for (int a = 0; a < PairLoads<Weight>::kCount; ++a) {
        const int i = begin + a * kLoadInputs + lane * kLaneInputs;
        if (i >= inputs) continue;
        FLEXTRON_UNROLL
        for (int r = 0; r < kRows; ++r) {
            const float* at = stage + r * stage_length + stagedIndex(i - from);
            const Floats<4> x[2] = {loadFour(at), loadFour(at + kLoadInputs / 2)};
            FLEXTRON_UNROLL
            for (int k = 0; k < kLaneInputs; ++k) {
                const float input = x[k / 4].of[k % 4];
                sums.of[r] = multiplyAdd(element(loads.of[a][0], k), input, sums.of[r]);
                sums.of[kRows + r] = multiplyAdd(element(loads.of[a][1], k), input, sums.of[kRows + r]);
            }
        }
    }
}

/// sums = rows of activations times each warp's pair of weight rows, over the first `inputs` inputs.
/// pair(warp): its weights, readable up to `inputs` rounded up to 8. prepare(): what the block does before its
/// activations can be read; it begins with exec.await(). input(row of the tile, i): activations i to i + 3, called for
/// rows < `rows` only, 0 from `inputs` on. Afterwards every lane has the whole sums.
template <int kRows, class Weight, class Exec, class Pair, class Prepare, class Input, class Sums>
FLEXTRON_KERNEL void project(Exec& exec, ProjectionShared& shared, Sums& sums, int rows, int inputs, Pair pair,
                             Prepare prepare, Input input)
{
    constexpr int kLength = kStageFloats / kRows;
    constexpr int kStep = kLength < PairLoads<Weight>::kInputs ? kLength : PairLoads<Weight>::kInputs;
    static_assert(kLength % kStep == 0 && kStep % kLoadInputs == 0, "steps fill stages, and loads fill steps");
    constexpr int kLine = 128 / sizeof(Weight); // of the cache
    typename Exec::template PerThread<PairLoads<Weight>> loads(exec);
    exec.each([&](int thread) {
        sums[thread] = PairSums<kRows>{};
        const WeightPair<Weight> weights = pair(thread / kWarp);
        if (!weights.first) return;
        loadPair(loads[thread], weights, 0, smaller(inputs, kStep), thread % kWarp);
        for (int i = kStep + thread % kWarp * kLine; i < inputs; i += kWarp * kLine) {
            exec.prefetch(weights.first + i);
            exec.prefetch(weights.second + i);
        }
    });
    prepare();
    for (int from = 0; from < inputs; from += kLength) {
        const int to = smaller(from + kLength, static_cast<int>(roundedUp(inputs, kLaneInputs)));
        exec.each([&](int thread) {
            FLEXTRON_UNROLL
            for (int r = 0; r < kRows; ++r)
                for (int i = from + thread * 4; i < to; i += kProjectionThreads * 4)
                    storeFour(shared.stage + r * kLength + stagedIndex(i - from), r < rows ? input(r, i) : Floats<4>{});
        });
        exec.each([&](int thread) {
            const WeightPair<Weight> weights = pair(thread / kWarp);
            if (!weights.first) return;
            for (int begin = from; begin < to; begin += kStep) {
                const int end = smaller(to, begin + kStep);
                if (begin > 0) loadPair(loads[thread], weights, begin, end, thread % kWarp);
                multiplyPair<kRows>(sums[thread], loads[thread], shared.stage, kLength, from, begin, end,
                                    thread % kWarp);
            }
        });
    }
    exec.sumOverWarps(sums);
}

/// The sum that belongs to (output, row), row being known at run time only.
template <int kRows> FLEXTRON_HD float sumOf(const PairSums<kRows>& sums, int output, int row)
{
    float sum = 0;
    FLEXTRON_UNROLL
    for (int r = 0; r < kRows; ++r)
        if (r == row) sum = sums.of[output * kRows + r];
    return sum;
}

/// Sum over a row of term(row of the tile, i), which is that of elements i to i + 3, for each of the tile's rows, into
/// shared.partial; every thread may then call totalOf.
template <int kRows, class Exec, class Term>
FLEXTRON_KERNEL void sumRows(Exec& exec, ProjectionShared& shared, int rows, int count, Term term)
{
    typename Exec::template PerThread<Floats<kRows>> partial(exec);
    exec.each([&](int thread) {
        FLEXTRON_UNROLL
        for (int r = 0; r < kRows; ++r) {
            float sum = 0;
            if (r < rows)
                for (int i = thread * 4; i < count; i += kProjectionThreads * 4) sum += term(r, i);
            partial[thread].of[r] = sum;
        }
    });
    exec.sumOverWarps(partial);
    exec.each([&](int thread) {
        FLEXTRON_UNROLL
        for (int r = 0; r < kRows; ++r)
            if (thread % kWarp == 0) shared.partial[thread / kWarp][r] = partial[thread].of[r];
    });
}
FLEXTRON_HD float totalOf(const ProjectionShared& shared, int row)
{
    float sum = 0;
    for (int warp = 0; warp < kProjectionWarps; ++warp) sum += shared.partial[warp][row];
    return sum;
}

/// Mean and scale of the tile's rows, into shared.statistics. x(row of the tile): its [d].
template <int kRows, class Exec, class Rows>
FLEXTRON_KERNEL void rowStatistics(Exec& exec, ProjectionShared& shared, const ModelShape& shape, int rows, Rows x)
{
    const auto d = static_cast<float>(shape.hidden);
    exec.each([&](int thread) {
        if (thread < kTileRows) shared.statistics[thread] = RowStatistics{};
    });
    if (shape.layer_norm) {
        sumRows<kRows>(exec, shared, rows, shape.hidden, [&](int r, int i) {
            const Floats<4> four = fourOf(x(r), i, shape.hidden);
            return (four.of[0] + four.of[1]) + (four.of[2] + four.of[3]);
        });
        exec.each([&](int thread) {
            if (thread < kRows) shared.statistics[thread].mean = totalOf(shared, thread) / d;
        });
    }
    sumRows<kRows>(exec, shared, rows, shape.hidden, [&](int r, int i) {
        const Floats<4> four = fourOf(x(r), i, shape.hidden);
        float sum = 0;
        FLEXTRON_UNROLL
        for (int k = 0; k < 4; ++k) {
            const float centred = i + k < shape.hidden ? four.of[k] - shared.statistics[r].mean : 0.0f;
            sum = multiplyAdd(centred, centred, sum);
        }
        return sum;
    });
    exec.each([&](int thread) {
        if (thread < kRows)
            shared.statistics[thread].scale = 1.0f / sqrtf(totalOf(shared, thread) / d + shape.norm_eps);
    });
}

/// Elements i to i + 3 of a row of [count].
FLEXTRON_HD Floats<4> normalised(const NormView& norm, const RowStatistics& row, const float* x, int i, int count)
{
    Floats<4> values = fourOf(x, i, count);
    const Floats<4> weights = fourOf(norm.weight, i, count);
    const Floats<4> bias = norm.bias ? fourOf(norm.bias, i, count) : Floats<4>{};
    FLEXTRON_UNROLL
    for (int k = 0; k < 4; ++k) {
        const float value = (values.of[k] - row.mean) * row.scale * weights.of[k];
        values.of[k] = norm.bias ? value + bias.of[k] : value;
    }
    return values;
}

} // namespace flextron::cuda
