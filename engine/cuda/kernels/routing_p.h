// Dynamic routers, in the same step: Linear, LeakyReLU, Linear over the sub-block's normalised input and the target
// code; the largest of the choices becomes the row's width, unless one is given.
#pragma once

#include "engine/cuda/kernels/layer_p.h"

namespace flextron::cuda {

struct RoutingArguments {
    ModelShape shape;
    NormView norm;
    StepView step;
    std::int32_t layer = 0;
    std::int32_t block = 0; ///< 0: attention, 1: MLP
    std::int32_t most_width =
        0; ///< of this layer: a choice set may be wider than a layer of a model whose layers differ
};

/// step.inner of every row that has a router. A warp has two outputs, as in every projection; rows with the same router
/// share one pass over it.
struct RouterHidden {
    static constexpr int kThreads = kProjectionThreads, kResident = 4;
    using Arguments = RoutingArguments;

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        const RowTile tile = tileOf(exec, a.step.counts[kRowCount]);
        const auto routerOf = [&](int r) { return a.step.rows[tile.first + r].router; };
        const int first_output = exec.blockX() * kProjectionWarps * 2;
        for (int leader = 0; leader < tile.rows; ++leader) {
            const RouterView* router = routerOf(leader);
            bool known = false;
            for (int r = 0; r < leader; ++r) known = known || routerOf(r) == router;
            if (!router || known || first_output >= router->inner) continue;
            withRows(tile.rows, [&](auto rows) { runRows<decltype(rows)::value>(exec, a, tile, *router); });
        }
    }

    template <int kRows, class Exec>
    static FLEXTRON_KERNEL void runRows(Exec& exec, const Arguments& a, const RowTile& tile, const RouterView& router)
    {
        auto& shared = *reinterpret_cast<ProjectionShared*>(exec.shared());
        const RouterLayer& layer = router.layers[a.layer * 2 + a.block];
        const auto x = [&](int r) { return rowOf(a.step.x, a.shape.hidden_stride, tile.first + r); };
        const auto outputOf = [&](int warp) { return (exec.blockX() * kProjectionWarps + warp) * 2; };
        typename Exec::template PerThread<PairSums<kRows>> sums(exec);
        project<kRows, float>(
            exec, shared, sums, tile.rows, a.shape.hidden,
            [&](int warp) {
                const std::int64_t output = outputOf(warp);
                if (output >= router.inner) return WeightPair<float>{};
                const std::int64_t second = smaller<std::int64_t>(output + 1, router.inner - 1);
                return WeightPair<float>{layer.hidden + output * a.shape.hidden_stride,
                                         layer.hidden + second * a.shape.hidden_stride};
            },
            [&] {
                exec.await();
                rowStatistics<kRows>(exec, shared, a.shape, tile.rows, x);
            },
            [&](int r, int i) { return normalised(a.norm, shared.statistics[r], x(r), i, a.shape.hidden); });
        exec.each([&](int thread) {
            const int r = thread % kWarp;
            if (r >= tile.rows || a.step.rows[tile.first + r].router != &router) return;
            const float* code = a.step.codes + static_cast<std::int64_t>(tile.first + r) * a.step.code_stride;
            for (int j = 0; j < 2; ++j) {
                const int output = outputOf(thread / kWarp) + j;
                if (output >= router.inner) return;
                float sum = sumOf<kRows>(sums[thread], j, r);
                for (int s = 0; s < router.stops; ++s)
                    sum = multiplyAdd(layer.code[output * router.stops + s], code[s], sum);
                rowOf(a.step.inner, a.step.inner_stride,
                      tile.first + r)[output] = leaky(sum + layer.hidden_bias[output]);
            }
        });
    }
};

/// Probabilities and widths of every row that has a router. A block for each row, a warp for each choice.
struct ChooseWidths {
    static constexpr int kThreads = 128, kResident = 1;
    static constexpr int kWarps = kThreads / kWarp;
    using Arguments = RoutingArguments;

    FLEXTRON_HD static std::size_t sharedBytes(int choices)
    {
        return static_cast<std::size_t>(choices) * sizeof(float);
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        const int row = exec.blockX();
        if (row >= a.step.counts[kRowCount]) return;
        const RouterView* router = a.step.rows[row].router;
        if (!router) return;
        const RouterLayer& layer = router->layers[a.layer * 2 + a.block];
        const int choices = router->choices[a.block];
        const float* inner = rowOf(a.step.inner, a.step.inner_stride, row);
        auto* logits = reinterpret_cast<float*>(exec.shared());
        exec.await();
        typename Exec::template PerThread<Floats<1>> sum(exec);
        for (int first = 0; first < choices; first += kWarps) {
            exec.each([&](int thread) {
                const int choice = first + thread / kWarp;
                sum[thread].of[0] = 0.0f;
                if (choice >= choices) return;
                const float* weights = layer.output + static_cast<std::int64_t>(choice) * router->inner;
                for (int i = thread % kWarp; i < router->inner; i += kWarp)
                    sum[thread].of[0] = multiplyAdd(weights[i], inner[i], sum[thread].of[0]);
            });
            exec.sumOverWarps(sum);
            exec.each([&](int thread) {
                const int choice = first + thread / kWarp;
                if (thread % kWarp == 0 && choice < choices)
                    logits[choice] = sum[thread].of[0] + layer.output_bias[choice];
            });
        }
        exec.each([&](int thread) {
            if (thread == 0) choose(a, *router, row, logits);
        });
    }

    /// softmax() and argmax() of engine/routing/routers.h.
    FLEXTRON_HD static void choose(const Arguments& a, const RouterView& router, int row, const float* logits)
    {
        const int choices = router.choices[a.block];
        const std::int64_t index = widthIndex(a.step, a.layer, a.block, row);
        float* probabilities = a.step.probabilities + index * a.step.choice_stride;
        float most = logits[0];
        for (int c = 1; c < choices; ++c) most = larger(most, logits[c]);
        double sum = 0;
        for (int c = 0; c < choices; ++c) sum += exp(static_cast<double>(logits[c]) - most);
        int chosen = 0;
        for (int c = 0; c < choices; ++c) {
            probabilities[c] = static_cast<float>(exp(static_cast<double>(logits[c]) - most) / sum);
            if (probabilities[c] > probabilities[chosen]) chosen = c;
        }
        std::int32_t& width = a.step.widths[index];
        if (width < 0) width = smaller(router.widths[a.block][chosen], a.most_width);
    }
};

} // namespace flextron::cuda
