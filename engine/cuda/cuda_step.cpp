#include "engine/cuda/cuda_step_p.h"

#include <algorithm>
#include <chrono>

#include "engine/generate/sampler_p.h"

namespace flextron {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kChunk = 64; ///< positions; caches hold whole chunks

FlextronCudaDraw drawOf(const DrawInput& input)
{
    const SamplerSettings& sampler = input.sampler;
    FlextronCudaDraw draw{};
    draw.seed = sampler.seed;
    draw.penalty = sampler.repeat_penalty;
    draw.top_p = sampler.top_p;
    draw.min_p = sampler.min_p;
    draw.factor = sampler.temperature == 0.0 ? 0.0f : static_cast<float>(1.0 / sampler.temperature);
    draw.top_k = sampler.top_k;
    draw.top = input.top;
    return draw;
}

} // namespace

CudaCache::CudaCache(std::shared_ptr<const CudaModel> model, const ModelConfig& config, int capacity,
                     std::vector<int> heads)
    : model_(std::move(model))
    , config_(config)
    , capacity_(capacity)
    , heads_(std::move(heads))
{
    std::vector<std::int32_t> groups;
    const std::int64_t positions = (capacity + kChunk - 1) / kChunk * kChunk;
    for (const int count : heads_) {
        groups.push_back(count / config.headsPerGroup());
        const std::int64_t value_stride = (config.head_dim + 3) / 4 * 4; // CacheLayer pads values
        bytes_ += groups.back() * positions * (config.head_dim + value_stride) *
                  static_cast<std::int64_t>(sizeof(float));
    }
    model_->call(model_->plugin().create_cache, capacity, groups.data(), &handle_);
}

Result<std::unique_ptr<KvCache>> CudaCache::clone() const
{
    return guarded([&]() -> std::unique_ptr<KvCache> {
        auto copy = std::make_unique<CudaCache>(model_, config_, capacity_, heads_);
        model_->call(model_->plugin().copy_cache, static_cast<const FlextronCudaCache*>(handle_), copy->handle_);
        copy->length_ = length_;
        return copy;
    });
}

void CudaStep::run(std::span<const StepInput> panes, std::span<StepOutput> outputs, const CancelToken& cancel)
{
    const auto start = Clock::now();
    openPanes(panes, outputs);
    std::size_t tokens = 0;
    const auto flush = [&] {
        if (rows_.empty()) return;
        cancel.throwIfCancelled();
        runSlice(panes, outputs);
        rows_.clear();
        cuda_rows_.clear();
        logit_rows_.clear();
        draws_.clear();
    };
    for (std::size_t p = 0; p < panes.size(); ++p)
        for (int t = 0; t < static_cast<int>(panes[p].tokens.size()); ++t, ++tokens) {
            addRow(panes[p], p, t);
            if (rows_.size() == FLEXTRON_CUDA_MAX_ROWS) flush();
        }
    flush();
    const double each = std::chrono::duration<double, std::nano>(Clock::now() - start).count() /
                        static_cast<double>(tokens);
    for (std::size_t p = 0; p < panes.size(); ++p) outputs[p].ns = each * static_cast<double>(panes[p].tokens.size());
}

void CudaStep::openPanes(std::span<const StepInput> panes, std::span<StepOutput> outputs)
{
    rows_.clear();
    cuda_rows_.clear();
    logit_rows_.clear();
    draws_.clear();
    panes_.resize(panes.size());
    code_stride_ = choice_stride_ = 0;
    for (std::size_t i = 0; i < panes.size(); ++i) {
        const StepInput& input = panes[i];
        StepOutput& output = outputs[i];
        const Routers* routers = input.plan->routers.get();
        const std::size_t head_choices = routers ? routers->choices.head_int_list.size() : 0;
        const std::size_t mlp_choices = routers ? routers->choices.mlp_int_list.size() : 0;
        panes_[i].routers = routers ? &uploaded(input.plan->routers) : nullptr;
        panes_[i].draws = input.draw && input.draw->top <= FLEXTRON_CUDA_MAX_TOP;
        panes_[i].rows_done = 0;
        panes_[i].draw = panes_[i].draws ? drawOf(*input.draw) : FlextronCudaDraw{};
        if (routers) panes_[i].code = targetCode(input.plan->budget, routers->budget_list);
        if (routers) code_stride_ = std::max(code_stride_, static_cast<int>(panes_[i].code.size()));
        choice_stride_ = std::max(choice_stride_, static_cast<int>(std::max(head_choices, mlp_choices)));
        const std::size_t cells = input.tokens.size() * config_.layers.size();
        output.heads.assign(cells, 0);
        output.mlp.assign(cells, 0);
        output.head_probabilities.assign(cells * head_choices, 0);
        output.mlp_probabilities.assign(cells * mlp_choices, 0);
        output.layer_ns.clear();
        const std::size_t wanted = input.logitRows();
        output.drawn.resize(panes_[i].draws ? wanted : 0);
        output.logits.resize(panes_[i].draws ? 0 : wanted * static_cast<std::size_t>(config_.vocab_size));
    }
}

const CudaRouters& CudaStep::uploaded(const std::shared_ptr<const Routers>& routers)
{
    const auto found = std::find_if(routers_.begin(), routers_.end(),
                                    [&](const auto& known) { return known->routers() == routers; });
    if (found != routers_.end()) return **found;
    // Routers that only we still hold belong to a model or a run that is gone.
    std::erase_if(routers_, [](const auto& known) { return known->routers().use_count() == 1; });
    routers_.push_back(std::make_unique<CudaRouters>(model_, routers));
    return *routers_.back();
}

void CudaStep::addRow(const StepInput& input, std::size_t pane, int token)
{
    const auto last = static_cast<int>(input.tokens.size()) - 1;
    const std::int32_t position = input.cache->length() + token;
    if (input.logits == LogitsWanted::All || (input.logits == LogitsWanted::Last && token == last)) {
        logit_rows_.push_back(static_cast<std::int32_t>(rows_.size()));
        FlextronCudaDraw draw = panes_[pane].draw;
        const std::size_t row = input.logits == LogitsWanted::All ? static_cast<std::size_t>(token) : 0;
        draw.given = panes_[pane].draws ? input.draw->given[row] : 0;
        draw.position = position + 1;
        draws_.push_back(draw);
    }
    rows_.push_back({pane, token});
    cuda_rows_.push_back({static_cast<CudaCache*>(input.cache)->handle(),
                          panes_[pane].routers ? panes_[pane].routers->handle() : nullptr,
                          input.tokens[static_cast<std::size_t>(token)], position});
}

/// In the order of strength that WidthPlan gives; -1 leaves the choice to the router.
void CudaStep::setWidths(std::span<const StepInput> panes)
{
    widths_.resize(config_.layers.size() * 2 * rows_.size());
    codes_.resize(rows_.size() * static_cast<std::size_t>(code_stride_));
    for (std::size_t r = 0; r < rows_.size(); ++r) {
        const WidthPlan& plan = *panes[rows_[r].pane].plan;
        const std::vector<float>& code = panes_[rows_[r].pane].code;
        if (plan.dynamic())
            std::copy(code.begin(), code.end(),
                      codes_.begin() + static_cast<std::ptrdiff_t>(r) * static_cast<std::ptrdiff_t>(code_stride_));
        for (std::size_t l = 0; l < config_.layers.size(); ++l)
            for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
                const bool mlp = block == SubBlock::Mlp;
                const int most = mlp ? config_.layers[l].intermediate_size : config_.layers[l].num_attention_heads;
                int width = mlp ? plan.subnet.mlp[l] : plan.subnet.heads[l];
                if (plan.dynamic() && most > 0) width = -1;
                if (plan.overrides)
                    if (const auto forced = plan.overrides->find(cuda_rows_[r].position, static_cast<int>(l), block))
                        width = *forced;
                widths_[(l * 2 + (mlp ? 1 : 0)) * rows_.size() + r] = std::min(width, most);
            }
    }
}

void CudaStep::runSlice(std::span<const StepInput> panes, std::span<StepOutput> outputs)
{
    setWidths(panes);
    chosen_.resize(widths_.size());
    probabilities_.resize(widths_.size() * static_cast<std::size_t>(choice_stride_));
    const auto draws = [&](std::int32_t row) { return panes_[rows_[static_cast<std::size_t>(row)].pane].draws; };
    const bool some_draw = std::any_of(logit_rows_.begin(), logit_rows_.end(), draws);
    const bool all_draw = std::all_of(logit_rows_.begin(), logit_rows_.end(), draws);
    drawn_.resize(logit_rows_.size());
    logits_.resize(all_draw ? 0 : logit_rows_.size() * static_cast<std::size_t>(config_.vocab_size));
    FlextronCudaStep step{};
    step.row_count = static_cast<std::int32_t>(rows_.size());
    step.logit_count = static_cast<std::int32_t>(logit_rows_.size());
    step.code_stride = code_stride_;
    step.choice_stride = choice_stride_;
    step.by_graph = 1;
    step.rows = cuda_rows_.data();
    step.widths = widths_.data();
    step.codes = codes_.data();
    step.logit_rows = logit_rows_.data();
    step.draws = some_draw ? draws_.data() : nullptr;
    step.drawn = some_draw ? drawn_.data() : nullptr;
    step.logits = all_draw ? nullptr : logits_.data();
    step.chosen = chosen_.data();
    step.probabilities = probabilities_.data();
    model_->call(model_->plugin().step, static_cast<const FlextronCudaStep*>(&step));
    takeWidths(panes, outputs);
    takeLogits(panes, outputs);
}

void CudaStep::takeWidths(std::span<const StepInput> panes, std::span<StepOutput> outputs)
{
    for (std::size_t r = 0; r < rows_.size(); ++r) {
        const Row& row = rows_[r];
        StepOutput& output = outputs[row.pane];
        const Routers* routers = panes[row.pane].plan->routers.get();
        for (std::size_t l = 0; l < config_.layers.size(); ++l) {
            const std::size_t cell = static_cast<std::size_t>(row.token) * config_.layers.size() + l;
            for (const bool mlp : {false, true}) {
                const std::size_t place = (l * 2 + (mlp ? 1 : 0)) * rows_.size() + r;
                (mlp ? output.mlp : output.heads)[cell] = chosen_[place];
                if (!routers) continue;
                const ChoiceSets& choices = routers->choices;
                const std::size_t count = mlp ? choices.mlp_int_list.size() : choices.head_int_list.size();
                std::copy_n(probabilities_.begin() + static_cast<std::ptrdiff_t>(place) * choice_stride_, count,
                            (mlp ? output.mlp_probabilities : output.head_probabilities).begin() +
                                static_cast<std::ptrdiff_t>(cell * count));
            }
        }
    }
}

void CudaStep::takeLogits(std::span<const StepInput> panes, std::span<StepOutput> outputs)
{
    const auto vocab = static_cast<std::ptrdiff_t>(config_.vocab_size);
    for (std::size_t i = 0; i < logit_rows_.size(); ++i) {
        const std::size_t index = rows_[static_cast<std::size_t>(logit_rows_[i])].pane;
        Pane& pane = panes_[index];
        const std::size_t row = pane.rows_done++;
        if (!pane.draws) {
            std::copy_n(logits_.begin() + static_cast<std::ptrdiff_t>(i) * vocab, vocab,
                        outputs[index].logits.begin() + static_cast<std::ptrdiff_t>(row) * vocab);
            continue;
        }
        const FlextronCudaDrawn& drawn = drawn_[i];
        if (drawn.finite == 0) throw logitsNotFinite();
        DrawnToken& token = outputs[index].drawn[row];
        token.token = {drawn.id, drawn.logprob, drawn.rank};
        token.top.resize(static_cast<std::size_t>(std::min(panes[index].draw->top, config_.vocab_size)));
        for (std::size_t t = 0; t < token.top.size(); ++t) token.top[t] = {drawn.top[t].id, drawn.top[t].logprob};
    }
}

} // namespace flextron
