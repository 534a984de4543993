// The product behind everything that reads weights: a few rows of activations times rows of weights.
//
// Each warp has two outputs, so that what it loads of the activations serves twice. Its lanes share a row of weights, 8
// inputs at a time and 256 in a warp's load; several loads are in flight before the first is used. Every output is one
// chain of sums for each lane and one butterfly over the lanes, whatever the number of activation rows: a row's result
// is bit for bit the same alone and in company. Inputs that a row does not have count as 0 and change no bit.
#pragma once

#include "engine/cuda/kernels/step_math_p.h"
#include "engine/cuda/kernels/views_p.h"

namespace flextron::cuda {

inline constexpr int kProjectionThreads = 128;
inline constexpr int kProjectionWarps = kProjectionThreads / kWarp;
inline constexpr int kStageFloats = 8192; ///< activations in shared memory at a time
inline constexpr int kLaneInputs = 8;     ///< of one load
inline constexpr int kLoadInputs = kWarp * kLaneInputs;
inline constexpr int kLoadsAhead = 4; ///< for each of the two outputs

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

/// Where input i of a stage lies: so that the lanes of a warp, reading 8 inputs each in two loads of 16 bytes, meet all
/// banks of the shared memory evenly.
FLEXTRON_HD int stagedIndex(int i)
{
    return i / kLoadInputs * kLoadInputs + i % 8 / 4 * (kLoadInputs / 2) + i % kLoadInputs / 8 * 4 + i % 4;
}

/// Four neighbouring floats at a multiple of 16 bytes, in one load.
FLEXTRON_HD Floats<4> loadFour(const float* from)
{
    Floats<4> four;
    std::memcpy(&four, __builtin_assume_aligned(from, 16), sizeof four);
    return four;
}

/// Calls body(Constant<kRows>) with the smallest of 1, 2, 4 and 8 that holds `rows`.
template <class Body> FLEXTRON_KERNEL void withRows(int rows, Body body)
{
    if (rows <= 1) body(Constant<1>());
    else if (rows <= 2) body(Constant<2>());
    else if (rows <= 4) body(Constant<4>());
    else body(Constant<8>());
}

/// What one thread does with a stage: `inputs` of them, beginning at input `from`.
template <int kRows, class Weight>
FLEXTRON_KERNEL void multiplyStage(PairSums<kRows>& sums, const WeightPair<Weight>& weights, const float* stage,
                                   int stage_length, int from, int inputs, int lane)
{
    for (int begin = 0; begin < inputs; begin += kLoadsAhead * kLoadInputs) {
        Eight<Weight> loaded[kLoadsAhead][2];
        FLEXTRON_UNROLL
        for (int a = 0; a < kLoadsAhead; ++a) {
            const int i = begin + a * kLoadInputs + lane * kLaneInputs;
            if (i >= inputs) continue;
            loaded[a][0] = loadEight(weights.first + from + i);
            loaded[a][1] = loadEight(weights.second + from + i);
        }
        FLEXTRON_UNROLL
        for (int a = 0; a < kLoadsAhead; ++a) {
            const int i = begin + a * kLoadInputs + lane * kLaneInputs;
            if (i >= inputs) continue;
            FLEXTRON_UNROLL
            for (int r = 0; r < kRows; ++r) {
                const float* at = stage + r * stage_length + stagedIndex(i);
                const Floats<4> x[2] = {loadFour(at), loadFour(at + kLoadInputs / 2)};
                FLEXTRON_UNROLL
                for (int k = 0; k < kLaneInputs; ++k) {
                    const float input = x[k / 4].of[k % 4];
                    sums.of[r] = multiplyAdd(widen(loaded[a][0].of[k]), input, sums.of[r]);
                    sums.of[kRows + r] = multiplyAdd(widen(loaded[a][1].of[k]), input, sums.of[kRows + r]);
                }
            }
        }
    }
}

/// sums = rows of activations times each warp's pair of weight rows, over the first `inputs` inputs.
/// input(row of the tile, i): an activation, called for rows < `rows` only. pair(warp): its weights, readable up to
/// `inputs` rounded up to 8. Afterwards every lane has the whole sums.
template <int kRows, class Weight, class Exec, class Input, class Pair, class Sums>
FLEXTRON_KERNEL void project(Exec& exec, ProjectionShared& shared, Sums& sums, int rows, int inputs, Input input,
                             Pair pair)
{
    constexpr int kLength = kStageFloats / kRows;
    exec.each([&](int thread) { sums[thread] = PairSums<kRows>{}; });
    for (int from = 0; from < inputs; from += kLength) {
        const int length = static_cast<int>(roundedUp(smaller(kLength, inputs - from), kLaneInputs));
        exec.each([&](int thread) {
            FLEXTRON_UNROLL
            for (int r = 0; r < kRows; ++r)
                for (int i = thread; i < length; i += kProjectionThreads)
                    shared.stage[r * kLength + stagedIndex(i)] = r < rows && from + i < inputs ? input(r, from + i)
                                                                                               : 0.0f;
        });
        exec.each([&](int thread) {
            const WeightPair<Weight> weights = pair(thread / kWarp);
            if (weights.first)
                multiplyStage<kRows>(sums[thread], weights, shared.stage, kLength, from, length, thread % kWarp);
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

/// Sum over a row of term(row of the tile, i) for each of the tile's rows, into shared.partial; every thread may then
/// call totalOf.
template <int kRows, class Exec, class Term>
FLEXTRON_KERNEL void sumRows(Exec& exec, ProjectionShared& shared, int rows, int count, Term term)
{
    typename Exec::template PerThread<Floats<kRows>> partial(exec);
    exec.each([&](int thread) {
        FLEXTRON_UNROLL
        for (int r = 0; r < kRows; ++r) {
            float sum = 0;
            if (r < rows)
                for (int i = thread; i < count; i += kProjectionThreads) sum += term(r, i);
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
        sumRows<kRows>(exec, shared, rows, shape.hidden, [&](int r, int i) { return x(r)[i]; });
        exec.each([&](int thread) {
            if (thread < kRows) shared.statistics[thread].mean = totalOf(shared, thread) / d;
        });
    }
    sumRows<kRows>(exec, shared, rows, shape.hidden, [&](int r, int i) {
        const float centred = x(r)[i] - shared.statistics[r].mean;
        return centred * centred;
    });
    exec.each([&](int thread) {
        if (thread < kRows)
            shared.statistics[thread].scale = 1.0f / sqrtf(totalOf(shared, thread) / d + shape.norm_eps);
    });
}

FLEXTRON_HD float normalised(const NormView& norm, const RowStatistics& row, float x, int i)
{
    const float value = (x - row.mean) * row.scale * norm.weight[i];
    return norm.bias ? value + norm.bias[i] : value;
}

} // namespace flextron::cuda
