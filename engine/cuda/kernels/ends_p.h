// Where a step begins and ends: embeddings and angles; logits; what the host is told.
#pragma once

#include "engine/cuda/kernels/projection_p.h"

namespace flextron::cuda {

/// x of every row, the angles of its position, and its id into the cache's text. A block for each row.
template <class Weight> struct EmbedRows {
    static constexpr int kThreads = 256, kResident = 1;
    struct Arguments {
        ModelView model;
        StepView step;
    };

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        const int row = exec.blockX();
        if (row >= a.step.counts[kRowCount]) return;
        exec.await();
        const RowInput& input = a.step.rows[row];
        const std::int64_t stride = a.model.shape.hidden_stride;
        const auto* embedding = static_cast<const Weight*>(a.model.embedding) + input.id * stride;
        const auto* positions = static_cast<const Weight*>(a.model.positions);
        exec.each([&](int thread) {
            float* x = a.step.x + static_cast<std::int64_t>(row) * a.model.shape.hidden_stride;
            for (int i = thread; i < a.model.shape.hidden; i += kThreads)
                x[i] = widen(embedding[i]) + (positions ? widen(positions[input.position * stride + i]) : 0.0f);
            const int half = a.model.shape.head_dim / 2;
            float* angles = a.step.angles + static_cast<std::int64_t>(row) * half * 2;
            if (a.model.shape.rotary)
                for (int i = thread; i < half; i += kThreads) {
                    // In double: a float would lose whole turns far into a text.
                    const double angle = input.position * a.model.frequencies[i];
                    angles[2 * i] = static_cast<float>(cos(angle));
                    angles[2 * i + 1] = static_cast<float>(sin(angle));
                }
            if (thread == 0) input.cache->ids[input.position] = input.id;
        });
    }
};

/// Logits of the rows that want them. blockY is the tile of logit rows.
template <class Weight> struct Logits {
    static constexpr int kThreads = kProjectionThreads, kResident = kProjectionResident;
    struct Arguments {
        ModelView model;
        StepView step;
    };

    FLEXTRON_HD static int units(const ModelShape& shape) { return dividedUp(shape.vocab, 2); }
    template <class Exec> static FLEXTRON_KERNEL int firstOutput(const Exec& exec, int warp)
    {
        return (exec.blockX() * kProjectionWarps + warp) * 2;
    }
    template <class Exec>
    static FLEXTRON_KERNEL WeightPair<Weight> pairOf(const Exec& exec, const ModelView& model, int warp)
    {
        const std::int64_t output = firstOutput(exec, warp), stride = model.shape.hidden_stride;
        if (output >= model.shape.vocab) return {};
        const auto* weights = static_cast<const Weight*>(model.head);
        return {weights + output * stride, weights + smaller<std::int64_t>(output + 1, model.shape.vocab - 1) * stride};
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        const int first = exec.blockY() * kTileRows;
        const int rows = smaller(kTileRows, a.step.counts[kLogitCount] - first);
        if (rows <= 0) return;
        withRows(rows, [&](auto count) { runRows<decltype(count)::value>(exec, a, first, rows); });
    }

    template <int kRows, class Exec>
    static FLEXTRON_KERNEL void runRows(Exec& exec, const Arguments& a, int first, int rows)
    {
        auto& shared = *reinterpret_cast<ProjectionShared*>(exec.shared());
        const ModelShape& shape = a.model.shape;
        const auto x = [&](int r) {
            return a.step.x + static_cast<std::int64_t>(a.step.logit_rows[first + r]) * shape.hidden_stride;
        };
        typename Exec::template PerThread<PairSums<kRows>> sums(exec);
        project<kRows, Weight>(
            exec, shared, sums, rows, shape.hidden, [&](int warp) { return pairOf(exec, a.model, warp); },
            [&] {
                exec.await();
                rowStatistics<kRows>(exec, shared, shape, rows, x);
            },
            [&](int r, int i) { return normalised(a.model.final_norm, shared.statistics[r], x(r), i, shape.hidden); });
        exec.each([&](int thread) {
            const int r = thread % kWarp, output = firstOutput(exec, thread / kWarp);
            if (r >= rows) return;
            float* logits = a.step.logits + static_cast<std::int64_t>(first + r) * shape.vocab;
            if (output < shape.vocab) logits[output] = sumOf<kRows>(sums[thread], 0, r);
            if (output + 1 < shape.vocab) logits[output + 1] = sumOf<kRows>(sums[thread], 1, r);
        });
    }
};

/// Puts the results of a step into its slot of the ring in the host's memory, then the step's number, which the host
/// waits for. One block.
struct Publish {
    static constexpr int kThreads = 256, kResident = 1;
    struct Arguments {
        StepView step;
        std::uint32_t* ring = nullptr; ///< [slots][slot_words], in the host's memory
        std::int32_t slots = 0;
        std::int32_t slot_words = 0;
        std::int32_t routed = 0; ///< widths and probabilities too
    };

    /// Where each part of a slot begins, in words; the number of the step is word 0.
    static constexpr std::int64_t kDrawnWords = sizeof(FlextronCudaDrawn) / 4;
    struct Slot {
        std::int64_t drawn = 0, widths = 0, probabilities = 0, words = 0;
    };
    FLEXTRON_HD static Slot slotOf(const StepView& step)
    {
        const std::int64_t choices = static_cast<std::int64_t>(step.layers) * 2 * step.capacity;
        Slot slot;
        slot.drawn = 4;
        slot.widths = slot.drawn + step.capacity * kDrawnWords;
        slot.probabilities = slot.widths + choices;
        slot.words = roundedUp(slot.probabilities + choices * step.choice_stride, 4);
        return slot;
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        exec.await();
        const auto sequence = static_cast<std::uint32_t>(a.step.counts[kSequence]);
        std::uint32_t* to = a.ring +
                            static_cast<std::int64_t>(sequence % static_cast<std::uint32_t>(a.slots)) * a.slot_words;
        const Slot slot = slotOf(a.step);
        const auto copy = [&](std::int64_t place, const void* from, std::int64_t words, int thread) {
            for (std::int64_t i = thread; i < words; i += kThreads)
                to[place + i] = static_cast<const std::uint32_t*>(from)[i];
        };
        exec.each([&](int thread) {
            copy(slot.drawn, a.step.drawn, a.step.counts[kDrawCount] * kDrawnWords, thread);
            if (a.routed) {
                copy(slot.widths, a.step.widths, slot.probabilities - slot.widths, thread);
                copy(slot.probabilities, a.step.probabilities,
                     (slot.probabilities - slot.widths) * a.step.choice_stride, thread);
            }
            exec.systemFence();
        });
        exec.each([&](int thread) {
            if (thread == 0) exec.publish(to, sequence);
        });
    }
};

} // namespace flextron::cuda
