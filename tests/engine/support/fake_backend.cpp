#include "tests/engine/support/fake_backend.h"

#include <algorithm>
#include <cmath>

#include "engine/base/random.h"

namespace flextron::test {

namespace {

class FakeCache final : public KvCache {
public:
    FakeCache(int capacity, std::vector<int> heads, int bytes_per_head)
        : capacity_(capacity)
        , heads_(std::move(heads))
        , bytes_per_head_(bytes_per_head)
    {
    }

    [[nodiscard]] int length() const override { return static_cast<int>(states.size()); }
    [[nodiscard]] int capacity() const override { return capacity_; }
    [[nodiscard]] const std::vector<int>& heads() const override { return heads_; }
    [[nodiscard]] std::int64_t bytes() const override
    {
        std::int64_t sum = 0;
        for (const int heads : heads_) sum += heads;
        return sum * capacity_ * bytes_per_head_;
    }
    void truncate(int length) override { states.resize(static_cast<std::size_t>(length)); }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> clone() const override
    {
        return std::unique_ptr<KvCache>(std::make_unique<FakeCache>(*this));
    }

    std::vector<std::uint64_t> states; ///< what the text so far has come to, after each token

private:
    int capacity_;
    std::vector<int> heads_;
    int bytes_per_head_;
};

[[noreturn]] void refuse(const std::string& message)
{
    throw Failure(ErrorCode::InvalidArgument, message, "this is the fake backend");
}

void validate(const StepInput& input, const ModelConfig& config)
{
    if (input.cache == nullptr || input.plan == nullptr || input.tokens.empty())
        refuse("a pane without cache, plan or tokens");
    if (input.cache->length() + static_cast<int>(input.tokens.size()) > input.cache->capacity())
        refuse("the text is longer than the cache");
    for (const TokenId id : input.tokens)
        if (id < 0 || id >= config.vocab_size) refuse("token id " + std::to_string(id) + " is outside the vocabulary");
    validatePlan(*input.plan, config).orThrow();
    const SubNetwork widest = widestOf(*input.plan, config);
    for (std::size_t l = 0; l < config.layers.size(); ++l)
        if (widest.heads[l] > input.cache->heads()[l])
            refuse("layer " + std::to_string(l) + " is wider than the cache");
}

/// One pane's step.
class Pass {
public:
    Pass(const FakeBackend& backend, const StepInput& input, StepOutput& output)
        : backend_(backend)
        , config_(backend.config())
        , input_(input)
        , output_(output)
        , cache_(static_cast<const FakeCache&>(*input.cache))
    {
    }

    /// States of the new tokens.
    std::vector<std::uint64_t> run(const CancelToken& cancel)
    {
        output_.heads.clear();
        output_.mlp.clear();
        output_.head_probabilities.clear();
        output_.mlp_probabilities.clear();
        output_.logits.clear();
        for (int l = 0; l < config_.numLayers(); ++l) {
            if (backend_.before_layer) backend_.before_layer(l);
            cancel.throwIfCancelled();
        }
        std::vector<std::uint64_t> states;
        std::uint64_t state = cache_.states.empty() ? 0 : cache_.states.back();
        for (std::size_t t = 0; t < input_.tokens.size(); ++t) {
            state = readToken(state, input_.tokens[t], cache_.length() + static_cast<int>(t));
            states.push_back(state);
            const bool last = t + 1 == input_.tokens.size();
            if (input_.logits == LogitsWanted::All || (last && input_.logits == LogitsWanted::Last))
                addLogits(state, cache_.length() + static_cast<int>(t) + 1);
        }
        return states;
    }

    void takeTime(const FakeTimes& times, double slowness)
    {
        const auto layers = config_.layers.size();
        output_.layer_ns.assign(output_.mlp.size(), 0.0f);
        output_.ns = times.fixed_ns * slowness;
        for (std::size_t i = 0; i < output_.mlp.size(); ++i) {
            const double context = cache_.length() + static_cast<double>(i / layers) + 1;
            const double ns = slowness * (times.neuron_ns * output_.mlp[i] +
                                          output_.heads[i] * (times.head_ns + times.head_context_ns * context) +
                                          times.kv_head_ns * cache_.heads()[i % layers]);
            output_.layer_ns[i] = static_cast<float>(ns);
            output_.ns += ns;
        }
    }

private:
    std::uint64_t readToken(std::uint64_t state, TokenId id, int position)
    {
        const WidthPlan& plan = *input_.plan;
        state = mixBits(state ^ mixBits(static_cast<std::uint64_t>(id) + 1000));
        for (int l = 0; l < config_.numLayers(); ++l) {
            int heads = plan.subnet.heads[static_cast<std::size_t>(l)];
            int mlp = plan.subnet.mlp[static_cast<std::size_t>(l)];
            if (plan.dynamic()) heads = route(state, l, false);
            heads = forcedWidth(position, l, SubBlock::Attention).value_or(heads);
            state = mixBits(state + static_cast<std::uint64_t>(heads));
            if (plan.dynamic()) mlp = route(state, l, true);
            mlp = forcedWidth(position, l, SubBlock::Mlp).value_or(mlp);
            state = mixBits(state + static_cast<std::uint64_t>(mlp));
            output_.heads.push_back(heads);
            output_.mlp.push_back(mlp);
        }
        return state;
    }

    [[nodiscard]] std::optional<int> forcedWidth(int position, int layer, SubBlock block) const
    {
        return input_.plan->overrides ? input_.plan->overrides->find(position, layer, block) : std::nullopt;
    }

    int route(std::uint64_t state, int layer, bool is_mlp)
    {
        const Routers& routers = *input_.plan->routers;
        std::vector<float> input;
        for (int i = 0; i < config_.hidden_size; ++i)
            input.push_back(static_cast<float>(normalNumber(state, static_cast<std::uint64_t>(i))));
        const std::vector<float> code = targetCode(input_.plan->budget, routers.budget_list);
        input.insert(input.end(), code.begin(), code.end());
        const auto l = static_cast<std::size_t>(layer);
        const std::vector<float> shares = softmax(routerLogits(is_mlp ? routers.mlp[l] : routers.heads[l], input));
        auto& probabilities = is_mlp ? output_.mlp_probabilities : output_.head_probabilities;
        probabilities.insert(probabilities.end(), shares.begin(), shares.end());
        const std::vector<int>& choices = is_mlp ? routers.choices.mlp_int_list : routers.choices.head_int_list;
        return choices[static_cast<std::size_t>(argmax(shares))];
    }

    void addLogits(std::uint64_t state, int next_position)
    {
        for (int id = 0; id < config_.vocab_size; ++id)
            output_.logits.push_back(static_cast<float>(2.0 * normalNumber(state, static_cast<std::uint64_t>(id))));
        const auto found = backend_.forced.find(next_position);
        if (found == backend_.forced.end()) return;
        const auto first = output_.logits.size() - static_cast<std::size_t>(config_.vocab_size);
        output_.logits[first + static_cast<std::size_t>(found->second)] = 50.0f;
    }

    const FakeBackend& backend_;
    const ModelConfig& config_;
    const StepInput& input_;
    StepOutput& output_;
    const FakeCache& cache_;
};

class FakeTokenizer final : public Tokenizer {
public:
    explicit FakeTokenizer(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}

    [[nodiscard]] int vocabSize() const override { return static_cast<int>(pieces_.size()); }
    [[nodiscard]] std::string kind() const override { return "fake"; }
    [[nodiscard]] std::optional<TokenId> bosId() const override { return 1; }
    [[nodiscard]] std::optional<TokenId> eosId() const override { return 2; }
    [[nodiscard]] bool isSpecial(TokenId id) const override { return id < 3; }
    [[nodiscard]] std::string tokenBytes(TokenId id) const override
    {
        return isSpecial(id) ? "" : pieces_.at(static_cast<std::size_t>(id));
    }
    [[nodiscard]] std::string piece(TokenId id) const override { return pieces_.at(static_cast<std::size_t>(id)); }

    /// The longest piece that fits, from left to right.
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override
    {
        std::vector<TokenId> ids;
        if (options.add_bos) ids.push_back(1);
        while (!text.empty()) {
            std::size_t best = 0;
            for (std::size_t i = 3; i < pieces_.size(); ++i)
                if (text.starts_with(pieces_[i]) && (best == 0 || pieces_[i].size() > pieces_[best].size())) best = i;
            if (best == 0)
                return Error{ErrorCode::InvalidArgument, "the fake vocabulary has no piece for this text", ""};
            ids.push_back(static_cast<TokenId>(best));
            text.remove_prefix(pieces_[best].size());
        }
        return ids;
    }

private:
    std::vector<std::string> pieces_;
};

} // namespace

ModelConfig fakeConfig()
{
    ModelConfig config;
    config.family = Family::Llama;
    config.hidden_size = 16;
    config.head_dim = 2;
    config.vocab_size = 40;
    config.max_position_embeddings = 96;
    config.layers.assign(3, LayerSizes{8, 4, 64});
    config.tie_word_embeddings = true;
    config.bos_token_id = 1;
    config.eos_token_ids = {2};
    return config;
}

std::shared_ptr<const Checkpoint> fakeCheckpoint(const std::filesystem::path& folder, const ModelConfig& config)
{
    CheckpointContents contents;
    contents.config = config;
    std::vector<std::vector<std::byte>> zeros; // moved, never copied, when it grows: the views stay good
    for (const auto& [name, shape] : expectedTensors(config)) {
        std::size_t bytes = sizeOf(DType::Float32);
        for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
        zeros.emplace_back(bytes);
        contents.tensors.push_back({name, {DType::Float32, shape, zeros.back()}});
    }
    writeCheckpoint(folder, contents).orThrow();
    return Checkpoint::open(folder).orThrow();
}

FakeBackend::FakeBackend(std::shared_ptr<const Checkpoint> checkpoint, FakeTimes times)
    : checkpoint_(std::move(checkpoint))
    , times_(times)
{
}

Result<std::unique_ptr<KvCache>> FakeBackend::newCache(int capacity, const std::vector<int>& heads) const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        if (capacity < 1 || capacity > config().max_position_embeddings)
            refuse("a cache for " + std::to_string(capacity) + " tokens");
        if (heads.size() != config().layers.size()) refuse("heads of " + std::to_string(heads.size()) + " layers");
        return std::make_unique<FakeCache>(capacity, heads,
                                           2 * config().head_dim * bytesPerKv() / config().headsPerGroup());
    });
}

Result<void> FakeBackend::step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                               const CancelToken& cancel) const
{
    return guarded([&] {
        if (panes.size() != outputs.size()) refuse("as many outputs as panes are needed");
        for (const StepInput& pane : panes) validate(pane, config());
        std::vector<std::vector<std::uint64_t>> states;
        for (std::size_t i = 0; i < panes.size(); ++i) {
            Pass pass(*this, panes[i], outputs[i]);
            states.push_back(pass.run(cancel));
            pass.takeTime(times_, slowness ? slowness() : 1.0);
            const std::lock_guard lock(mutex_);
            elapsed_ns_ += outputs[i].ns;
        }
        for (std::size_t i = 0; i < panes.size(); ++i) {
            auto& cache = static_cast<FakeCache&>(*panes[i].cache);
            cache.states.insert(cache.states.end(), states[i].begin(), states[i].end());
        }
    });
}

double FakeBackend::elapsedMs() const
{
    const std::lock_guard lock(mutex_);
    return elapsed_ns_ * 1e-6;
}

std::shared_ptr<const Tokenizer> fakeTokenizer(std::vector<std::string> pieces)
{
    return std::make_shared<FakeTokenizer>(std::move(pieces));
}

std::vector<std::string> fakePieces()
{
    std::vector<std::string> pieces{"<unk>", "<s>", "</s>"};
    for (char letter = 'a'; letter <= 'z'; ++letter) pieces.emplace_back(1, letter);
    for (const char* more : {" ", ".", "\n", "th", "he", "st", "stop", "\xc3", "\xa4", "end", "xy"})
        pieces.emplace_back(more);
    return pieces;
}

FakeModel fakeModel(const std::filesystem::path& folder, const ModelConfig& config)
{
    FakeModel fake;
    fake.model = std::make_shared<LoadedModel>();
    fake.model->name = "fake";
    fake.model->checkpoint = fakeCheckpoint(folder, config);
    fake.backend = std::make_shared<FakeBackend>(fake.model->checkpoint);
    fake.model->backend = fake.backend;
    fake.model->tokenizer = fakeTokenizer(fakePieces());
    fake.model->device.name = "fake device";
    return fake;
}

} // namespace flextron::test
