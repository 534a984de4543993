// A backend without a model: logits are a pure function of the tokens read and of the widths they were read with. Fast
// and the same everywhere; it keeps every rule of Backend (overrides, routers, caches, errors, cancellation), so that
// what is built on Backend can be tested without weights.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/compute/backend.h"
#include "engine/generate/loaded_model.h"

namespace flextron::test {

/// 3 layers, 8 heads in 4 groups, 64 neurons, hidden 16, a vocabulary of 40 ids, a context of 96 tokens; BOS 1, EOS 2.
ModelConfig fakeConfig();

/// Writes a checkpoint of zeros with these sizes and opens it.
std::shared_ptr<const Checkpoint> fakeCheckpoint(const std::filesystem::path& folder,
                                                 const ModelConfig& config = fakeConfig());

/// What a step takes, in virtual nanoseconds; nothing ever waits.
struct FakeTimes {
    double fixed_ns = 100'000;   ///< a step
    double neuron_ns = 100;      ///< a token, layer and neuron
    double head_ns = 2'000;      ///< a token, layer and head
    double head_context_ns = 10; ///< a token, layer, head and token of context
    double kv_head_ns = 500;     ///< a token, layer and head whose K/V the cache keeps
};

class FakeBackend final : public Backend {
public:
    explicit FakeBackend(std::shared_ptr<const Checkpoint> checkpoint, FakeTimes times = {});

    /// The most probable token at a position, whatever the history says.
    std::map<int, TokenId> forced;
    /// Called before every layer of every pane: cancel, or count.
    std::function<void(int layer)> before_layer;
    /// Multiplies a step's time: noise, or a machine that slows down. Called once a pane and step.
    std::function<double()> slowness;
    int timing_revision = 1; ///< revision()

    [[nodiscard]] const Checkpoint& checkpoint() const override { return *checkpoint_; }
    [[nodiscard]] std::string description() const override { return "fake, float32, cpu"; }
    [[nodiscard]] int revision() const override { return timing_revision; }
    [[nodiscard]] int bytesPerWeight() const override { return 4; }
    [[nodiscard]] int bytesPerKv() const override { return 4; }
    [[nodiscard]] std::int64_t weightBytes() const override { return checkpoint_->bytes(); }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> newCache(int capacity, const std::vector<int>& heads) const override;
    [[nodiscard]] Result<void> step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                    const CancelToken& cancel) const override;

    /// The sum of all steps' virtual time so far: a clock. Any thread.
    [[nodiscard]] double elapsedMs() const;

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    FakeTimes times_;
    mutable std::mutex mutex_;
    mutable double elapsed_ns_ = 0;
};

/// A vocabulary written out by hand: id i stands for pieces[i]; ids 0 to 2 are special (unknown, BOS, EOS).
std::shared_ptr<const Tokenizer> fakeTokenizer(std::vector<std::string> pieces);
/// fakeConfig()'s 40 ids: three special ones, then "a", "b", ..., and a few of several letters.
std::vector<std::string> fakePieces();

/// A model on the fake backend, with fakePieces() as its tokenizer. `backend` is the one inside, for scripts.
struct FakeModel {
    std::shared_ptr<LoadedModel> model;
    std::shared_ptr<FakeBackend> backend;
};
FakeModel fakeModel(const std::filesystem::path& folder, const ModelConfig& config = fakeConfig());

} // namespace flextron::test
