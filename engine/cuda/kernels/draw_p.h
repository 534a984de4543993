// From logits to a token, in the order of engine/generate/sampler.h: penalty, temperature, top-k, top-p, min-p, then
// the largest of logit + noise. One block for each row.
//
// Tokens are ordered by a 64-bit key (value, then the smaller id first), so no two are equal and every question of
// order has one answer. The cut of top-k and top-p is found by descending through the key a byte at a time, counting
// tokens or adding up weights; weights are integers, so that the sum does not depend on the order in which threads add.
#pragma once

#include "engine/cuda/kernels/step_math_p.h"
#include "engine/cuda/kernels/views_p.h"

namespace flextron::cuda {

struct DrawTokens {
    static constexpr int kThreads = 512, kResident = 1;
    struct Arguments {
        std::int32_t vocab = 0;
        StepView step;
    };
    static constexpr int kBins = 256;
    struct Shared {
        std::uint64_t keys[kThreads];
        double sums[kThreads];
        std::uint64_t bins[kBins];
        std::uint64_t cut;  ///< of a descent: bits found so far
        std::uint64_t rest; ///< of a descent: what is still to be reached
    };

    /// What one block draws from.
    struct Task {
        FlextronCudaDraw input;
        const float* logits = nullptr;
        const std::uint32_t* seen = nullptr; ///< bit of each token in the text; null without a penalty
        float factor = 1;                    ///< 1 / temperature
        int vocab = 0;

        /// The logit after penalty and temperature.
        FLEXTRON_HD float changed(int id) const
        {
            float value = logits[id];
            if (seen && (seen[id / 32] >> (id % 32) & 1u)) value = penalised(value, input.penalty);
            return value * factor;
        }
    };

    template <class Exec> static FLEXTRON_KERNEL void run(Exec& exec, const Arguments& a)
    {
        const int index = exec.blockX();
        if (index >= a.step.counts[kDrawCount]) return;
        exec.await();
        auto& s = *reinterpret_cast<Shared*>(exec.shared());
        FlextronCudaDrawn& output = a.step.drawn[index];
        Task task;
        task.input = a.step.draws[index];
        task.logits = a.step.logits + static_cast<std::int64_t>(index) * a.vocab;
        task.vocab = a.vocab;
        const bool draws = task.input.given < 0;
        if (draws && task.input.penalty != 1) task.seen = markText(exec, a, index);

        const auto plain = [&](int id) { return orderKey(task.logits[id], id); };
        const std::uint64_t best = largestKey(exec, s, task.vocab, ~std::uint64_t{0}, plain);
        const float most = valueOfKey(best);
        const double sum = sumOver(exec, s, task.vocab,
                                   [&](int id) { return static_cast<double>(expf(task.logits[id] - most)); });
        const double normaliser = static_cast<double>(most) + log(sum);
        listTop(exec, s, task, best, normaliser, output);

        std::int32_t chosen = task.input.given;
        if (draws) chosen = draw(exec, s, task, best);
        const std::uint64_t key = orderKey(task.logits[chosen], chosen);
        const double before = sumOver(exec, s, task.vocab, [&](int id) { return plain(id) > key ? 1.0 : 0.0; });
        exec.each([&](int thread) {
            if (thread != 0) return;
            output.id = chosen;
            output.logprob = static_cast<float>(static_cast<double>(task.logits[chosen]) - normaliser);
            output.rank = static_cast<std::int32_t>(before);
            output.finite = normaliser - normaliser == 0 ? 1 : 0; // neither NaN nor infinite
        });
    }

    /// The bits of the tokens read so far.
    template <class Exec>
    static FLEXTRON_KERNEL const std::uint32_t* markText(Exec& exec, const Arguments& a, int index)
    {
        const RowInput& row = a.step.rows[a.step.logit_rows[index]];
        const int words = dividedUp(a.vocab, 32);
        std::uint32_t* seen = a.step.seen + static_cast<std::int64_t>(index) * words;
        exec.each([&](int thread) {
            for (int w = thread; w < words; w += kThreads) seen[w] = 0;
        });
        exec.each([&](int thread) {
            for (int p = thread; p <= row.position; p += kThreads) {
                const std::int32_t id = row.cache->ids[p];
                exec.setBits(seen + id / 32, 1u << (id % 32));
            }
        });
        return seen;
    }

    // Over the block; every thread gets the result.

    template <class Exec, class Value>
    static FLEXTRON_KERNEL double sumOver(Exec& exec, Shared& s, int count, Value value)
    {
        exec.each([&](int thread) {
            double sum = 0;
            FLEXTRON_UNROLL_BY_8
            for (int i = thread; i < count; i += kThreads) sum += value(i);
            s.sums[thread] = sum;
        });
        for (int half = kThreads / 2; half > 0; half /= 2)
            exec.each([&](int thread) {
                if (thread < half) s.sums[thread] += s.sums[thread + half];
            });
        const double sum = s.sums[0];
        exec.each([](int) {}); // all have read it before the next use writes it
        return sum;
    }

    template <class Exec> static FLEXTRON_KERNEL std::uint64_t largestOfThreads(Exec& exec, Shared& s)
    {
        for (int half = kThreads / 2; half > 0; half /= 2)
            exec.each([&](int thread) {
                if (thread < half) s.keys[thread] = larger(s.keys[thread], s.keys[thread + half]);
            });
        const std::uint64_t key = s.keys[0];
        exec.each([](int) {});
        return key;
    }

    template <class Key>
    FLEXTRON_HD static std::uint64_t largestOfThread(int thread, int count, std::uint64_t below, Key key)
    {
        std::uint64_t most = 0;
        FLEXTRON_UNROLL_BY_8
        for (int i = thread; i < count; i += kThreads) {
            const std::uint64_t found = key(i);
            if (found < below) most = larger(most, found);
        }
        return most;
    }

    /// The largest key below `below`.
    template <class Exec, class Key>
    static FLEXTRON_KERNEL std::uint64_t largestKey(Exec& exec, Shared& s, int count, std::uint64_t below, Key key)
    {
        exec.each([&](int thread) { s.keys[thread] = largestOfThread(thread, count, below, key); });
        return largestOfThreads(exec, s);
    }

    /// The most probable tokens in order. Each thread keeps its own best; only the one that gave the last winner looks
    /// for another.
    template <class Exec>
    static FLEXTRON_KERNEL void listTop(Exec& exec, Shared& s, const Task& task, std::uint64_t best, double normaliser,
                                        FlextronCudaDrawn& output)
    {
        const int wanted = smaller(smaller(task.input.top, FLEXTRON_CUDA_MAX_TOP), task.vocab);
        const auto plain = [&](int id) { return orderKey(task.logits[id], id); };
        typename Exec::template PerThread<std::uint64_t> own(exec);
        exec.each([&](int thread) { own[thread] = largestOfThread(thread, task.vocab, ~std::uint64_t{0}, plain); });
        std::uint64_t next = best;
        for (int rank = 0; rank < wanted; ++rank) {
            exec.each([&](int thread) {
                if (own[thread] == next) own[thread] = largestOfThread(thread, task.vocab, next, plain);
                s.keys[thread] = own[thread];
                if (thread == 0)
                    output.top[rank] = {idOfKey(next),
                                        static_cast<float>(static_cast<double>(valueOfKey(next)) - normaliser)};
            });
            next = largestOfThreads(exec, s);
        }
    }

    /// The largest key such that those from it on reach `target`: `share(id)` is what a token counts. Tokens with keys
    /// below `least` are left out.
    template <class Exec, class Key, class Share>
    static FLEXTRON_KERNEL std::uint64_t cutOf(Exec& exec, Shared& s, int count, std::uint64_t least,
                                               std::uint64_t target, Key key, Share share)
    {
        exec.each([&](int thread) {
            if (thread != 0) return;
            s.cut = 0;
            s.rest = target;
        });
        for (int shift = 56; shift >= 0; shift -= 8) {
            exec.each([&](int thread) {
                for (int b = thread; b < kBins; b += kThreads) s.bins[b] = 0;
            });
            exec.each([&](int thread) {
                for (int i = thread; i < count; i += kThreads) {
                    const std::uint64_t found = key(i);
                    if (found < least || (shift < 56 && found >> (shift + 8) != s.cut)) continue;
                    exec.add(s.bins + (found >> shift & 255u), share(i));
                }
            });
            exec.each([&](int thread) {
                if (thread != 0) return;
                int bin = kBins - 1;
                for (; bin > 0 && s.bins[bin] < s.rest; --bin) s.rest -= s.bins[bin];
                s.cut = s.cut << 8 | static_cast<std::uint64_t>(bin);
            });
        }
        const std::uint64_t cut = s.cut;
        exec.each([](int) {});
        return larger(cut, least);
    }

    template <class Exec>
    static FLEXTRON_KERNEL std::int32_t draw(Exec& exec, Shared& s, Task& task, std::uint64_t best)
    {
        const FlextronCudaDraw& input = task.input;
        if (input.factor > 0) task.factor = input.factor;
        const auto key = [&](int id) { return orderKey(task.changed(id), id); };
        if (task.seen || input.factor > 0) best = largestKey(exec, s, task.vocab, ~std::uint64_t{0}, key);
        if (input.factor == 0) return idOfKey(best);

        const float most = valueOfKey(best);
        std::uint64_t least = 0; // keys below are not drawn
        if (input.top_k > 0 && input.top_k < task.vocab)
            least = cutOf(exec, s, task.vocab, least, static_cast<std::uint64_t>(input.top_k), key,
                          [](int) { return std::uint64_t{1}; });
        if (input.top_p < 1) {
            const auto share = [&](int id) {
                const double weight = exp(static_cast<double>(task.changed(id) - most));
                return static_cast<std::uint64_t>(weight * 17592186044416.0); // 2^44: 2^18 tokens fit
            };
            const double total = sumOver(exec, s, task.vocab, [&](int id) {
                return key(id) >= least ? static_cast<double>(share(id)) : 0.0; // whole numbers below 2^53 mostly
            });
            least = cutOf(exec, s, task.vocab, least, static_cast<std::uint64_t>(ceil(input.top_p * total)), key,
                          share);
        }
        const double least_value = input.min_p > 0 ? static_cast<double>(most) + log(input.min_p) : -INFINITY;
        const auto allowed = [&](int id) {
            const std::uint64_t found = key(id);
            return found == best || (found >= least && static_cast<double>(task.changed(id)) >= least_value);
        };
        return drawWithNoise(exec, s, task, best, allowed);
    }

    /// The largest of logit + noise; the smaller id of equals. The noise of a token that cannot win is not computed:
    /// -log(-log u) <= -log(1 - u), so u must be close enough to 1 to make up for the logits' difference.
    template <class Exec, class Allowed>
    static FLEXTRON_KERNEL std::int32_t drawWithNoise(Exec& exec, Shared& s, const Task& task, std::uint64_t best,
                                                      Allowed allowed)
    {
        const int position = task.input.position;
        const std::uint64_t seed = task.input.seed;
        const std::int32_t likeliest = idOfKey(best);
        const double most = valueOfKey(best);
        const double start = most + gumbelOf(uniformNoise(seed, position, likeliest));
        const double slack = exp(most - start) * 1.0001;
        exec.each([&](int thread) {
            double largest = start;
            std::int32_t winner = likeliest;
            for (int id = thread; id < task.vocab; id += kThreads) {
                if (!allowed(id)) continue;
                const double value = task.changed(id);
                const double uniform = uniformNoise(seed, position, id);
                if (1.0 - uniform > static_cast<double>(expf(static_cast<float>(value - most))) * slack) continue;
                const double noisy = value + gumbelOf(uniform);
                if (noisy > largest || (noisy == largest && id < winner)) {
                    largest = noisy;
                    winner = id;
                }
            }
            s.sums[thread] = largest;
            s.keys[thread] = static_cast<std::uint64_t>(winner);
        });
        for (int half = kThreads / 2; half > 0; half /= 2)
            exec.each([&](int thread) {
                if (thread >= half) return;
                const double other = s.sums[thread + half];
                const std::uint64_t id = s.keys[thread + half];
                if (other > s.sums[thread] || (other == s.sums[thread] && id < s.keys[thread])) {
                    s.sums[thread] = other;
                    s.keys[thread] = id;
                }
            });
        const auto winner = static_cast<std::int32_t>(s.keys[0]);
        exec.each([](int) {});
        return winner;
    }
};

} // namespace flextron::cuda
