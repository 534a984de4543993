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
    static constexpr int kThreads = 128;
    static constexpr int kWarps = kThreads / kWarp;
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
    };

    /// Shared memory, each [heads of a group] times what the name says.
    struct Scratch {
        float* queries; ///< dh
        float* sums;    ///< dh
        float* scores;  ///< kKeyChunk
        float* most;    ///< 1: the largest score so far
        float* total;   ///< 1: sum of exp(score - most)
        float* fade;    ///< 1: what earlier sums count after the newest chunk
        bool* last;     ///< of the block
    };
    FLEXTRON_HD static std::size_t sharedBytes(const ModelShape& shape)
    {
        const int floats = shape.heads_per_group * (2 * shape.head_dim + kKeyChunk + 3);
        return static_cast<std::size_t>(floats) * sizeof(float) + 16;
    }
    FLEXTRON_HD static Scratch scratchOf(void* shared, const ModelShape& shape)
    {
        const int heads = shape.heads_per_group;
        Scratch s{};
        s.queries = static_cast<float*>(shared);
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
        const int heads = a.step.widths[widthIndex(a.step, a.index, 0, task.row)];
        if (task.group * a.shape.heads_per_group >= heads) return;
        task.last_key = a.step.rows[task.row].position;
        if (a.shape.sliding_window > 0) task.first_key = larger(0, task.last_key + 1 - a.shape.sliding_window);
        task.first_chunk = task.first_key / kKeyChunk;
        task.last_chunk = task.last_key / kKeyChunk;
        task.shares = smaller(kKeySplits, task.last_chunk - task.first_chunk + 1);
        if (task.firstChunkOf(task.split) > task.last_chunk) return;

        const Scratch s = scratchOf(exec.shared(), a.shape);
        attend(exec, a, task, s);
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
    static FLEXTRON_KERNEL void attend(Exec& exec, const Arguments& a, const Task& task, const Scratch& s)
    {
        const int heads = a.shape.heads_per_group, dh = a.shape.head_dim;
        const CacheLayer& cache = a.step.rows[task.row].cache->layers[a.index];
        const std::int64_t begin = static_cast<std::int64_t>(task.group) * dh * cache.padded;
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
            const float* keys = cache.keys + begin + static_cast<std::int64_t>(chunk) * dh * kKeyChunk;
            const float* values = cache.values + begin + static_cast<std::int64_t>(chunk) * kKeyChunk * dh;
            exec.each([&](int thread) {
                for (int p = thread; p < heads * kKeyChunk; p += kThreads) {
                    const int key = p % kKeyChunk;
                    const float* query = s.queries + p / kKeyChunk * dh;
                    float sum = 0;
                    if (key >= from && key < to)
                        for (int i = 0; i < dh; ++i) sum = multiplyAdd(query[i], keys[i * kKeyChunk + key], sum);
                    s.scores[p] = key >= from && key < to ? sum * a.scale : -INFINITY;
                }
            });
            takeIn(exec, heads, s);
            exec.each([&](int thread) {
                for (int p = thread; p < heads * dh; p += kThreads) {
                    const float* shares = s.scores + p / dh * kKeyChunk;
                    float sum = s.sums[p] * s.fade[p / dh];
                    for (int key = from; key < to; ++key)
                        sum = multiplyAdd(shares[key], values[static_cast<std::int64_t>(key) * dh + p % dh], sum);
                    s.sums[p] = sum;
                }
            });
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
                float most = -INFINITY;
                for (int share = 0; share < kKeySplits; ++share)
                    if (task.firstChunkOf(share) <= task.last_chunk)
                        most = larger(most, exec.fresh(partialOf(a, task, share) + most_at));
                float sum = 0, total = 0;
                for (int share = 0; share < kKeySplits; ++share) {
                    if (task.firstChunkOf(share) > task.last_chunk) continue;
                    const float* from = partialOf(a, task, share);
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
