#include "engine/compute/reference_backend_p.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "engine/compute/reference_cache_p.h"
#include "engine/compute/reference_forward_p.h"
#include "engine/compute/step_check_p.h"

namespace flextron {
namespace {

using Clock = std::chrono::steady_clock;

double nanosecondsSince(Clock::time_point start)
{
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

/// A router's networks as tensors that share the routers' memory on a CPU.
struct RouterTensors {
    at::Tensor hidden, hidden_bias, output, output_bias;
};
RouterTensors tensorsOf(const RouterNetwork& router, at::Device device)
{
    const auto wrap = [&](const std::vector<float>& values, std::vector<std::int64_t> shape) {
        return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).to(device);
    };
    return {wrap(router.hidden.weight, {router.hidden.out, router.hidden.in}),
            wrap(router.hidden.bias, {router.hidden.out}),
            wrap(router.output.weight, {router.output.out, router.output.in}),
            wrap(router.output.bias, {router.output.out})};
}

/// One pane's pass through the layers.
class PanePass {
public:
    PanePass(const ReferenceWeights& weights, const StepInput& input, StepOutput& output, const CancelToken& cancel)
        : weights_(weights)
        , config_(weights.config)
        , input_(input)
        , output_(output)
        , cancel_(cancel)
        , cache_(static_cast<ReferenceCache&>(*input.cache))
        , first_(input.cache->length())
        , tokens_(static_cast<int>(input.tokens.size()))
        , layers_(weights.config.numLayers())
    {
    }

    void run()
    {
        prepareOutput();
        const std::vector<std::int64_t> ids(input_.tokens.begin(), input_.tokens.end());
        const at::Tensor id_tensor = at::tensor(ids, at::kLong).unsqueeze(0).to(weights_.device());
        rotary_ = reference::rotaryAt(weights_, first_, tokens_);
        visible_ = reference::visibility(config_, first_, tokens_, first_ + tokens_, weights_.embedding.options());
        if (input_.plan->dynamic())
            code_ =
                at::tensor(targetCode(input_.plan->budget, input_.plan->routers->budget_list)).to(weights_.device());
        x_ = reference::embed(weights_, id_tensor, first_);
        for (int l = 0; l < layers_; ++l) {
            cancel_.throwIfCancelled();
            const auto start = Clock::now();
            attentionBlock(l);
            mlpBlock(l);
            // Work on a GPU is queued, not done, when the call returns: such a time would be a lie.
            if (weights_.device().is_cpu()) noteLayerTime(l, nanosecondsSince(start));
        }
        takeLogits();
    }

private:
    void prepareOutput()
    {
        const auto cells = static_cast<std::size_t>(tokens_) * static_cast<std::size_t>(layers_);
        output_.heads.assign(cells, 0);
        output_.mlp.assign(cells, 0);
        output_.layer_ns.assign(weights_.device().is_cpu() ? cells : 0, 0);
        const Routers* routers = input_.plan->routers.get();
        output_.head_probabilities.assign(routers ? cells * routers->choices.head_int_list.size() : 0, 0);
        output_.mlp_probabilities.assign(routers ? cells * routers->choices.mlp_int_list.size() : 0, 0);
    }

    [[nodiscard]] std::size_t cell(int token, int layer) const
    {
        return static_cast<std::size_t>(token) * static_cast<std::size_t>(layers_) + static_cast<std::size_t>(layer);
    }

    void noteLayerTime(int layer, double nanoseconds)
    {
        for (int t = 0; t < tokens_; ++t) output_.layer_ns[cell(t, layer)] = static_cast<float>(nanoseconds / tokens_);
    }

    /// A sub-block skipped for all tokens: its norm is not even computed.
    [[nodiscard]] bool idle(int planned) const
    {
        return planned == 0 && !input_.plan->dynamic() && !input_.plan->overrides;
    }

    /// Decides every token's width in one sub-block and records it. `h` is the sub-block's normalised input [1, T, d].
    std::vector<int> widths(int layer, SubBlock block, const at::Tensor& h)
    {
        const WidthPlan& plan = *input_.plan;
        const bool mlp = block == SubBlock::Mlp;
        const auto l = static_cast<std::size_t>(layer);
        std::vector<int> chosen(static_cast<std::size_t>(tokens_), mlp ? plan.subnet.mlp[l] : plan.subnet.heads[l]);
        if (plan.dynamic()) route(layer, mlp, h, chosen);
        for (int t = 0; t < tokens_; ++t) {
            int& width = chosen[static_cast<std::size_t>(t)];
            if (plan.overrides)
                if (const auto forced = plan.overrides->find(first_ + t, layer, block)) width = *forced;
            (mlp ? output_.mlp : output_.heads)[cell(t, layer)] = width;
        }
        return chosen;
    }

    void route(int layer, bool mlp, const at::Tensor& h, std::vector<int>& chosen)
    {
        const Routers& routers = *input_.plan->routers;
        const RouterNetwork& router = (mlp ? routers.mlp : routers.heads)[static_cast<std::size_t>(layer)];
        const std::vector<int>& choices = mlp ? routers.choices.mlp_int_list : routers.choices.head_int_list;
        const RouterTensors tensors = tensorsOf(router, weights_.device());
        const at::Tensor state = h.squeeze(0).to(at::kFloat); // [T, d]
        const at::Tensor in = at::cat({state, code_.unsqueeze(0).expand({tokens_, code_.size(0)})}, 1);
        const at::Tensor inner = at::leaky_relu(at::linear(in, tensors.hidden, tensors.hidden_bias),
                                                RouterNetwork::kNegativeSlope);
        const at::Tensor logits =
            at::linear(inner, tensors.output, tensors.output_bias).to(at::kCPU).contiguous(); // [T, C]
        const float* row = logits.const_data_ptr<float>();
        auto& probabilities = mlp ? output_.mlp_probabilities : output_.head_probabilities;
        for (int t = 0; t < tokens_; ++t, row += choices.size()) {
            const std::vector<float> shares = softmax(std::vector<float>(row, row + choices.size()));
            std::copy(shares.begin(), shares.end(),
                      probabilities.begin() + static_cast<std::ptrdiff_t>(cell(t, layer) * choices.size()));
            chosen[static_cast<std::size_t>(t)] = choices[static_cast<std::size_t>(argmax(shares))];
        }
    }

    /// Adds to x_ what `block(width, h, tokens)` gives for each set of tokens of one width: really sliced, never
    /// masked. Width 0 adds nothing.
    template <class Block> void addByWidth(const std::vector<int>& widths, const at::Tensor& h, Block block)
    {
        const std::set<int> distinct(widths.begin(), widths.end());
        for (const int width : distinct) {
            if (width == 0) continue;
            if (distinct.size() == 1) {
                x_ = x_ + block(width, h, at::Tensor());
                return;
            }
            std::vector<std::int64_t> members;
            for (int t = 0; t < tokens_; ++t)
                if (widths[static_cast<std::size_t>(t)] == width) members.push_back(t);
            const at::Tensor index = at::tensor(members, at::kLong).to(weights_.device());
            x_ = x_.index_add(1, index, block(width, h.index_select(1, index), index));
        }
    }

    void attentionBlock(int l)
    {
        const ReferenceLayer& layer = weights_.layers[static_cast<std::size_t>(l)];
        const int groups = cache_.groups(l);
        if (groups == 0 && idle(input_.plan->subnet.heads[static_cast<std::size_t>(l)])) return;
        const at::Tensor h = reference::normalise(config_, x_, layer.attention_norm, layer.attention_norm_bias);
        const std::vector<int> chosen = widths(l, SubBlock::Attention, h);
        if (groups == 0) return;
        const reference::KeysValues past = cache_.append(l, reference::keysValues(config_, layer, h, groups, rotary_));
        addByWidth(chosen, h, [&](int heads, const at::Tensor& rows, const at::Tensor& index) {
            const bool all = !index.defined();
            const reference::Rotary rotary = all || !rotary_.cos.defined()
                                                 ? rotary_
                                                 : reference::Rotary{rotary_.cos.index_select(0, index),
                                                                     rotary_.sin.index_select(0, index)};
            const at::Tensor visible = all || !visible_.defined() ? visible_ : visible_.index_select(0, index);
            return reference::attention(config_, layer, rows, heads, past, visible, rotary);
        });
    }

    void mlpBlock(int l)
    {
        if (idle(input_.plan->subnet.mlp[static_cast<std::size_t>(l)])) return;
        const ReferenceLayer& layer = weights_.layers[static_cast<std::size_t>(l)];
        const at::Tensor h = reference::normalise(config_, x_, layer.mlp_norm, layer.mlp_norm_bias);
        addByWidth(widths(l, SubBlock::Mlp, h), h, [&](int width, const at::Tensor& rows, const at::Tensor&) {
            return reference::mlp(config_, layer, rows, width);
        });
    }

    void takeLogits()
    {
        output_.logits.clear();
        if (input_.logits == LogitsWanted::None) return;
        const at::Tensor wanted = input_.logits == LogitsWanted::All ? x_ : x_.narrow(1, tokens_ - 1, 1);
        const at::Tensor logits = reference::logits(weights_, wanted).to(at::kFloat).to(at::kCPU).contiguous();
        const float* data = logits.const_data_ptr<float>();
        output_.logits.assign(data, data + logits.numel());
    }

    const ReferenceWeights& weights_;
    const ModelConfig& config_;
    const StepInput& input_;
    StepOutput& output_;
    const CancelToken& cancel_;
    ReferenceCache& cache_;
    const int first_, tokens_, layers_;
    reference::Rotary rotary_;
    at::Tensor visible_; // [T, n] additive, or undefined
    at::Tensor code_;    // [stops]
    at::Tensor x_;       // [1, T, d] the residual stream
};

} // namespace

ReferenceBackend::ReferenceBackend(std::shared_ptr<const Checkpoint> checkpoint, ReferenceWeights weights)
    : checkpoint_(std::move(checkpoint))
    , weights_(std::move(weights))
{
}

std::string ReferenceBackend::description() const
{
    return "reference, LibTorch " TORCH_VERSION ", " + std::string(typeName(weights_.dtype())) + ", " +
           weights_.device().str() +
           (weights_.device().is_cpu() ? ", " + std::to_string(at::get_num_threads()) + " threads" : "");
}

int ReferenceBackend::bytesPerWeight() const
{
    return static_cast<int>(weights_.embedding.element_size());
}

Result<std::unique_ptr<KvCache>> ReferenceBackend::newCache(int capacity, const std::vector<int>& heads) const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        checkCacheRequest(capacity, heads, config());
        return std::make_unique<ReferenceCache>(weights_, capacity, heads);
    });
}

Result<void> ReferenceBackend::step(std::span<const StepInput> panes, std::span<StepOutput> outputs,
                                    const CancelToken& cancel) const
{
    return guarded([&] {
        if (panes.size() != outputs.size())
            throw Failure(ErrorCode::InvalidArgument, "as many outputs as panes are needed");
        for (const StepInput& pane : panes) checkStep(pane, config());
        const c10::InferenceMode inference;
        for (std::size_t i = 0; i < panes.size(); ++i) {
            const auto start = Clock::now();
            PanePass(weights_, panes[i], outputs[i], cancel).run();
            outputs[i].ns = nanosecondsSince(start);
        }
        // Only now do the new tokens count: a failure above leaves every text as it was.
        for (const StepInput& pane : panes)
            static_cast<ReferenceCache*>(pane.cache)->grow(static_cast<int>(pane.tokens.size()));
    });
}

} // namespace flextron
