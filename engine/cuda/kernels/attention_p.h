// Attention of one token over its text: one block for each row, group of heads and share of the text.
//
// A long text is dealt out in chunks of kKeyChunk positions, chunk c to share c % kKeySplits, whatever the number of
// blocks that are launched; each share keeps a running softmax, and the block that is done last puts the shares
// together in their order. So a row's result depends on its own text alone. The heads of a group read keys and values
// together.
#pragma once

#include "engine/cuda/kernels/step_math_p.h"
#include "engine/cuda/kernels/views_p.h"

namespace flextron::cuda {

struct Attention {
    static constexpr int kThreads = 128, kResident = 1;
    static constexpr int kWarps = kThreads / kWarp;
    static constexpr int kKeyQuads = kKeyChunk / 4;         ///< a thread scores four keys,
    static constexpr int kKeySlices = kThreads / kKeyQuads; ///< over every so manyth element
    static constexpr int kHeadsAtOnce = 4;                  ///< that share what is loaded of keys and values
    struct Arguments {
        ModelShape shape;
        LayerView layer;
        StepView step;
        std::int32_t index = 0;
        float scale = 1; ///< 1 / sqrt(dh)
    };

    /// One row's group, and the chunks of its text.
    struct Task {
        int row = 0, group = 0, split = 0;
        int first_key = 0, last_key = 0;
        int first_chunk = 0, last_chunk = 0;
        int shares = 0; ///< that have a chunk
        FLEXTRON_HD int firstChunkOf(int share) const
        {
            return first_chunk + (share - first_chunk % kKeySplits + kKeySplits) % kKeySplits;
        }
        /// The n-th share that has a chunk.
        FLEXTRON_HD int shareOf(int n) const { return (first_chunk + n) % kKeySplits; }
    };

    /// Shared memory, after `partial` each [heads of a group] times what the name says.
    struct Scratch {
        float* partial; ///< sums of a few threads each, [slice][kHeadsAtOnce][keys or elements]
        float* queries; ///< dh
        float* sums;    ///< dh
        float* scores;  ///< kKeyChunk
        float* most;    ///< 1: the largest score so far
        float* total;   ///< 1: sum of exp(score - most)
        float* fade;    ///< 1: what earlier sums count after the newest chunk
        bool* last;     ///< of the block
    };
    /// A thread's four elements of a value; so many threads share the keys of a chunk.
    FLEXTRON_HD static int quads(const ModelShape& shape) { return shape.head_stride / 4; }
    FLEXTRON_HD static int valueSlices(const ModelShape& shape) { return larger(1, kThreads / quads(shape)); }
    FLEXTRON_HD static int scratchFloats(const ModelShape& shape)
    {
        return kHeadsAtOnce * larger(kKeySlices * kKeyChunk, valueSlices(shape) * shape.head_stride);
    }
    FLEXTRON_HD static std::size_t sharedBytes(const ModelShape& shape)
    {
        const int floats = scratchFloats(shape) + shape.heads_per_group * (2 * shape.head_dim + kKeyChunk + 3);
        return static_cast<std::size_t>(floats) * sizeof(float) + 16;
    }
    FLEXTRON_HD static Scratch scratchOf(void* shared, const ModelShape& shape)
    {
        const int heads = shape.heads_per_group;
        Scratch s{};
        s.partial = static_cast<float*>(shared);
        s.queries = s.partial + scratchFloats(shape);
        s.sums = s.queries + heads * shape.head_dim;
        s.scores = s.sums + heads * shape.head_dim;
        s.most = s.scores + heads * kKeyChunk;
        s.total = s.most + heads;
        s.fade = s.total + heads;
        s.last = reinterpret_cast<bool*>(s.fade + heads);
        return s;
    }
    FLEXTRON_HD static std::int64_t partialFloats(const ModelShape& shape)
    {
        return static_cast<std::int64_t>(shape.heads_per_group) * (shape.head_dim + 2);
    }

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        Task task;
        task.row = exec.blockY() / a.layer.groups;
        task.group = exec.blockY() % a.layer.groups;
        task.split = exec.blockX();
        if (task.row >= a.step.counts[kRowCount]) return;
        const CacheLayer cache = a.step.rows[task.row].cache->layers[a.index];
        exec.await();
        const int heads = a.step.widths[widthIndex(a.step, a.index, 0, task.row)];
        if (task.group * a.shape.heads_per_group >= heads) return;
        task.last_key = a.step.rows[task.row].position;
        if (a.shape.sliding_window > 0) task.first_key = larger(0, task.last_key + 1 - a.shape.sliding_window);
        task.first_chunk = task.first_key / kKeyChunk;
        task.last_chunk = task.last_key / kKeyChunk;
        task.shares = smaller(kKeySplits, task.last_chunk - task.first_chunk + 1);
        if (task.firstChunkOf(task.split) > task.last_chunk) return;

        const Scratch s = scratchOf(exec.shared(), a.shape);
        attend(exec, a, task, cache, s);
        if (task.shares == 1) {
            exec.each([&](int thread) {
                for (int i = thread; i < a.shape.heads_per_group * a.shape.head_dim; i += kThreads)
                    outputOf(a, task)[i] = s.sums[i] / s.total[i / a.shape.head_dim];
            });
            return;
        }
        if (leaveShare(exec, a, task, s)) combine(exec, a, task);
    }

    FLEXTRON_HD static float* outputOf(const Arguments& a, const Task& task)
    {
        return a.step.outputs + static_cast<std::int64_t>(task.row) * a.shape.head_rows_stride +
               static_cast<std::int64_t>(task.group) * a.shape.heads_per_group * a.shape.head_dim;
    }
    /// Where a share leaves its sums: [heads][dh], then [heads] largest scores, then [heads] totals.
    FLEXTRON_HD static float* partialOf(const Arguments& a, const Task& task, int share)
    {
        const std::int64_t place = (static_cast<std::int64_t>(task.row) * a.layer.groups + task.group) * kKeySplits +
                                   share;
        return a.step.partials + place * partialFloats(a.shape);
    }

    template <class Exec>
    static FLEXTRON_KERNEL void attend(Exec& exec, const Arguments& a, const Task& task, const CacheLayer& cache,
                                       const Scratch& s)
    {
        const int heads = a.shape.heads_per_group, dh = a.shape.head_dim, stride = a.shape.head_stride;
        const float* all_keys = cache.keys + static_cast<std::int64_t>(task.group) * dh * cache.padded;
        const float* all_values = cache.values + static_cast<std::int64_t>(task.group) * stride * cache.padded;
        const float* queries = a.step.queries + (outputOf(a, task) - a.step.outputs);
        exec.each([&](int thread) {
            for (int i = thread; i < heads * dh; i += kThreads) {
                s.queries[i] = queries[i];
                s.sums[i] = 0.0f;
            }
            for (int h = thread; h < heads; h += kThreads) {
                s.most[h] = -INFINITY;
                s.total[h] = 0.0f;
            }
        });
        for (int chunk = task.firstChunkOf(task.split); chunk <= task.last_chunk; chunk += kKeySplits) {
            const int from = larger(0, task.first_key - chunk * kKeyChunk);
            const int to = smaller(kKeyChunk, task.last_key + 1 - chunk * kKeyChunk);
            const float* keys = all_keys + static_cast<std::int64_t>(chunk) * dh * kKeyChunk;
            const float* values = all_values + static_cast<std::int64_t>(chunk) * kKeyChunk * stride;
            for (int first = 0; first < heads; first += kHeadsAtOnce)
                score(exec, a, s, keys, first, smaller(kHeadsAtOnce, heads - first), from, to);
            takeIn(exec, heads, s);
            for (int first = 0; first < heads; first += kHeadsAtOnce)
                addValues(exec, a, s, values, first, smaller(kHeadsAtOnce, heads - first), from, to);
        }
    }

    /// s.scores of `count` heads from `first` on with the keys of a chunk, -inf outside [from, to).
    template <class Exec>
    static FLEXTRON_KERNEL void score(Exec& exec, const Arguments& a, const Scratch& s, const float* keys, int first,
                                      int count, int from, int to)
    {
        const int dh = a.shape.head_dim;
        exec.each([&](int thread) {
            const int key = thread % kKeyQuads * 4, slice = thread / kKeyQuads;
            Floats<4> sums[kHeadsAtOnce] = {};
            FLEXTRON_UNROLL_BY_8
            for (int i = slice; i < dh; i += kKeySlices)
                addProducts(sums, s.queries + first * dh + i, dh, count, loadFour(keys + i * kKeyChunk + key));
            FLEXTRON_UNROLL
            for (int h = 0; h < kHeadsAtOnce; ++h)
                storeFour(s.partial + (slice * kHeadsAtOnce + h) * kKeyChunk + key, sums[h]);
        });
        exec.each([&](int thread) {
            for (int p = thread; p < count * kKeyChunk; p += kThreads) {
                float sum = 0;
                FLEXTRON_UNROLL
                for (int slice = 0; slice < kKeySlices; ++slice) sum += s.partial[slice * kHeadsAtOnce * kKeyChunk + p];
                const int key = p % kKeyChunk;
                s.scores[first * kKeyChunk + p] = key >= from && key < to ? sum * a.scale : -INFINITY;
            }
        });
    }

    /// Fades s.sums of `count` heads and adds the chunk's values, weighted by s.scores.
    template <class Exec>
    static FLEXTRON_KERNEL void addValues(Exec& exec, const Arguments& a, const Scratch& s, const float* values,
                                          int first, int count, int from, int to)
    {
        const int dh = a.shape.head_dim, stride = a.shape.head_stride, slices = valueSlices(a.shape);
        exec.each([&](int thread) {
            for (int item = thread; item < quads(a.shape) * slices; item += kThreads) {
                const int element = item % quads(a.shape) * 4, slice = item / quads(a.shape);
                Floats<4> sums[kHeadsAtOnce] = {};
                FLEXTRON_UNROLL_BY_8
                for (int key = from + slice; key < to; key += slices)
                    addProducts(sums, s.scores + first * kKeyChunk + key, kKeyChunk, count,
                                loadFour(values + static_cast<std::int64_t>(key) * stride + element));
                FLEXTRON_UNROLL
                for (int h = 0; h < kHeadsAtOnce; ++h)
                    storeFour(s.partial + (slice * kHeadsAtOnce + h) * stride + element, sums[h]);
            }
        });
        exec.each([&](int thread) {
            for (int p = thread; p < count * dh; p += kThreads) {
                const int h = p / dh;
                float sum = s.sums[first * dh + p] * s.fade[first + h];
                for (int slice = 0; slice < slices; ++slice)
                    sum += s.partial[(slice * kHeadsAtOnce + h) * stride + p % dh];
                s.sums[first * dh + p] = sum;
            }
        });
    }

    /// sums[h] += factors[h * apart] * four, for `count` heads.
    FLEXTRON_HD static void addProducts(Floats<4> (&sums)[kHeadsAtOnce], const float* factors, int apart, int count,
                                        const Floats<4>& four)
    {
        FLEXTRON_UNROLL
        for (int h = 0; h < kHeadsAtOnce; ++h) {
            if (h >= count) continue;
            const float factor = factors[h * apart];
            FLEXTRON_UNROLL
            for (int k = 0; k < 4; ++k) sums[h].of[k] = multiplyAdd(factor, four.of[k], sums[h].of[k]);
        }
    }

    /// Turns a chunk's scores into exp(score - most), a warp for each head.
    template <class Exec> static FLEXTRON_KERNEL void takeIn(Exec& exec, int heads, const Scratch& s)
    {
        static_assert(kKeyChunk == 2 * kWarp, "a lane has two scores");
        typename Exec::template PerThread<Floats<1>> most(exec);
        typename Exec::template PerThread<Floats<1>> total(exec);
        for (int first = 0; first < heads; first += kWarps) {
            const auto headOf = [&](int thread) { return first + thread / kWarp; };
            exec.each([&](int thread) {
                const int h = headOf(thread);
                const float* scores = s.scores + h * kKeyChunk + thread % kWarp;
                most[thread].of[0] = h < heads ? larger(scores[0], scores[kWarp]) : 0.0f;
            });
            exec.maxOverWarps(most);
            exec.each([&](int thread) {
                const int h = headOf(thread);
                total[thread].of[0] = 0.0f;
                if (h >= heads) return;
                float* scores = s.scores + h * kKeyChunk + thread % kWarp;
                most[thread].of[0] = larger(most[thread].of[0], s.most[h]);
                scores[0] = expf(scores[0] - most[thread].of[0]);
                scores[kWarp] = expf(scores[kWarp] - most[thread].of[0]);
                total[thread].of[0] = scores[0] + scores[kWarp];
            });
            exec.sumOverWarps(total);
            exec.each([&](int thread) {
                const int h = headOf(thread);
                if (h >= heads || thread % kWarp != 0) return;
                s.fade[h] = expf(s.most[h] - most[thread].of[0]);
                s.total[h] = s.total[h] * s.fade[h] + total[thread].of[0];
                s.most[h] = most[thread].of[0];
            });
        }
    }

    /// Writes the share's sums; true in the block that is the last to do so.
    template <class Exec>
    static FLEXTRON_KERNEL bool leaveShare(Exec& exec, const Arguments& a, const Task& task, const Scratch& s)
    {
        const int heads = a.shape.heads_per_group, dh = a.shape.head_dim;
        std::uint32_t* arrivals = a.step.arrivals + task.row * a.layer.groups + task.group;
        exec.each([&](int thread) {
            float* to = partialOf(a, task, task.split);
            for (int i = thread; i < heads * dh; i += kThreads) to[i] = s.sums[i];
            for (int h = thread; h < heads; h += kThreads) {
                to[heads * dh + h] = s.most[h];
                to[heads * dh + heads + h] = s.total[h];
            }
            exec.fence();
        });
        exec.each([&](int thread) {
            if (thread != 0) return;
            *s.last = exec.add(arrivals, 1u) + 1 == static_cast<std::uint32_t>(task.shares);
            if (*s.last) *arrivals = 0; // all have come: ready for the next launch
            exec.fence();
        });
        return *s.last;
    }

    template <class Exec> static FLEXTRON_KERNEL void combine(Exec& exec, const Arguments& a, const Task& task)
    {
        const int heads = a.shape.heads_per_group, dh = a.shape.head_dim;
        exec.each([&](int thread) {
            for (int p = thread; p < heads * dh; p += kThreads) {
                const int most_at = heads * dh + p / dh, total_at = most_at + heads;
                float most = -INFINITY, sum = 0, total = 0;
                FLEXTRON_UNROLL_BY_8
                for (int n = 0; n < task.shares; ++n)
                    most = larger(most, exec.fresh(partialOf(a, task, task.shareOf(n)) + most_at));
                FLEXTRON_UNROLL_BY_8
                for (int n = 0; n < task.shares; ++n) {
                    const float* from = partialOf(a, task, task.shareOf(n));
                    const float counts = expf(exec.fresh(from + most_at) - most);
                    sum += exec.fresh(from + p) * counts;
                    total += exec.fresh(from + total_at) * counts;
                }
                outputOf(a, task)[p] = sum / total;
            }
        });
    }
};

} // namespace flextron::cuda
