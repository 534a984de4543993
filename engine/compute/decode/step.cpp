#include "engine/compute/decode/step_p.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

namespace flextron::decode {
namespace {

using Clock = std::chrono::steady_clock;

double nanosecondsSince(Clock::time_point start)
{
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

/// For so few rows handing some to the other threads, and their results from cache to cache, costs more than it gains.
constexpr int kFewRows = 8;
constexpr int kFewChoosingRows = 2; ///< whose routers choose

} // namespace

Step::Step(const ModelConfig& config, const DecodeWeights& weights, const Kernels& kernels, ThreadPool& pool,
           Workspace& workspace, const CancelToken& cancel)
    : config_(config)
    , weights_(weights)
    , shape_(weights.shape)
    , kernels_(kernels)
    , pool_(pool)
    , workspace_(workspace)
    , cancel_(cancel)
{
}

void Step::run(std::span<const StepInput> panes, std::span<StepOutput> outputs)
{
    const auto start = Clock::now();
    openPanes(panes, outputs);
    int rows = 0;
    workspace_.rows.clear();
    for (std::size_t p = 0; p < panes.size(); ++p)
        for (int t = 0; t < static_cast<int>(panes[p].tokens.size()); ++t) {
            workspace_.rows.push_back({static_cast<int>(p), t, workspace_.panes[p].cache->length() + t});
            ++rows;
            if (sliceRows() < kSliceRows) continue;
            runSlice();
            workspace_.rows.clear();
        }
    if (sliceRows() > 0) runSlice();
    const double each = nanosecondsSince(start) / rows;
    for (std::size_t p = 0; p < panes.size(); ++p) outputs[p].ns = each * static_cast<double>(panes[p].tokens.size());
    // Handles only: nobody's routers or outputs are held on to between steps.
    workspace_.panes.clear();
}

void Step::openPanes(std::span<const StepInput> panes, std::span<StepOutput> outputs)
{
    workspace_.panes.clear();
    if (workspace_.codes.size() < panes.size()) workspace_.codes.resize(panes.size());
    for (std::size_t i = 0; i < panes.size(); ++i) {
        workspace_.panes.push_back({&panes[i], &outputs[i], static_cast<DecodeCache*>(panes[i].cache)});
        if (panes[i].plan->dynamic()) lookUpRouters(i);
        prepareOutput(panes[i], outputs[i]);
    }
    reserve();
}

void Step::lookUpRouters(std::size_t pane)
{
    const WidthPlan& plan = *workspace_.panes[pane].input->plan;
    auto& known = workspace_.routers;
    auto found = std::find_if(known.begin(), known.end(),
                              [&](const auto& panels) { return panels->routers() == plan.routers; });
    if (found == known.end()) {
        // Routers that only we still hold belong to a model or a run that is gone.
        std::erase_if(known, [](const auto& panels) { return panels->routers().use_count() == 1; });
        known.push_back(std::make_unique<RouterPanels>(plan.routers, config_, weights_.type));
        found = known.end() - 1;
    }
    TargetCode& code = workspace_.codes[pane];
    if (code.routers != plan.routers || code.budget != plan.budget)
        code = {plan.routers, plan.budget, targetCode(plan.budget, plan.routers->budget_list)};
    workspace_.panes[pane].routers = found->get();
    workspace_.panes[pane].code = &code.code;
}

void Step::prepareOutput(const StepInput& input, StepOutput& output) const
{
    const std::size_t cells = input.tokens.size() * config_.layers.size();
    output.heads.assign(cells, 0);
    output.mlp.assign(cells, 0);
    output.layer_ns.assign(cells, 0);
    const Routers* routers = input.plan->routers.get();
    output.head_probabilities.assign(routers ? cells * routers->choices.head_int_list.size() : 0, 0);
    output.mlp_probabilities.assign(routers ? cells * routers->choices.mlp_int_list.size() : 0, 0);
    output.logits.resize(input.logitRows() * static_cast<std::size_t>(config_.vocab_size));
    output.ns = 0;
}

void Step::reserve()
{
    std::size_t tokens = 0;
    int positions = 0;
    std::size_t router_floats = 0;
    for (const Pane& pane : workspace_.panes) {
        tokens += pane.input->tokens.size();
        positions = std::max(positions, pane.cache->capacity());
        if (pane.routers) router_floats = std::max(router_floats, pane.routers->scratchFloats());
    }
    const int rows = static_cast<int>(std::min<std::size_t>(tokens, kSliceRows));
    const auto count = static_cast<std::size_t>(rows);
    const LayerSizes most = config_.maxSizes();
    const int head_floats = most.num_attention_heads * shape_.head_dim;
    const auto half = static_cast<std::size_t>(shape_.head_dim / 2);
    Workspace& w = workspace_;
    w.rows.reserve(kSliceRows);
    w.widths.resize(kSliceRows);
    w.units.reserve(count * static_cast<std::size_t>(most.num_attention_heads));
    reserveFloats(w.x, count * static_cast<std::size_t>(shape_.hidden));
    reserveFloats(w.h, count * static_cast<std::size_t>(shape_.hidden));
    reserveFloats(w.cos, count * half);
    reserveFloats(w.sin, count * half);
    reserveFloats(w.input, RowTiles::bufferFloats(rows, shape_.hidden));
    reserveFloats(w.queries, count * static_cast<std::size_t>(head_floats));
    reserveFloats(w.inner,
                  RowTiles::bufferFloats(rows, std::max(head_floats, roundUp(most.intermediate_size, kPanel))));
    w.scratch.resize(static_cast<std::size_t>(pool_.threads()));
    const auto padded = static_cast<std::size_t>(roundUp(positions, kPanel));
    for (ThreadScratch& scratch : w.scratch) {
        const int columns = std::max(4, 2 * shape_.head_panels) * kPanel;
        reserveFloats(scratch.c, static_cast<std::size_t>(kMaxTileRows * columns));
        reserveFloats(scratch.queries, static_cast<std::size_t>(kMaxTileRows * shape_.head_dim));
        reserveFloats(scratch.scores, kMaxTileRows * padded);
        reserveFloats(scratch.shares, kMaxTileRows * padded);
        reserveFloats(scratch.router, router_floats);
    }
}

void Step::runSlice()
{
    embedRows();
    for (int l = 0; l < config_.numLayers(); ++l) {
        cancel_.throwIfCancelled();
        const auto start = Clock::now();
        attentionBlock(l);
        mlpBlock(l);
        noteLayerTime(l, nanosecondsSince(start));
    }
    takeLogits();
}

void Step::embedRows()
{
    Workspace& w = workspace_;
    const auto half = static_cast<std::size_t>(shape_.head_dim / 2);
    const auto embedRow = [&](int r, int) {
        const Row& row = w.rows[static_cast<std::size_t>(r)];
        const Pane& pane = w.panes[static_cast<std::size_t>(row.pane)];
        weights_.embed(pane.input->tokens[static_cast<std::size_t>(row.token)], row.position, hidden(w.x, r));
        // Angles in double: a float would lose whole turns far into a text.
        for (std::size_t i = 0; i < weights_.rope_frequencies.size(); ++i) {
            const double angle = row.position * weights_.rope_frequencies[i];
            w.cos[static_cast<std::size_t>(r) * half + i] = static_cast<float>(std::cos(angle));
            w.sin[static_cast<std::size_t>(r) * half + i] = static_cast<float>(std::sin(angle));
        }
    };
    pool_.forEach(sliceRows(), embedRow);
}

void Step::noteLayerTime(int layer, double nanoseconds)
{
    const auto each = static_cast<float>(nanoseconds / sliceRows());
    for (const Row& row : workspace_.rows)
        workspace_.panes[static_cast<std::size_t>(row.pane)].output->layer_ns[cell(row, layer)] = each;
}

/// A sub-block skipped for all tokens of a pane.
bool Step::idle(const Pane& pane, int layer, bool mlp) const
{
    const WidthPlan& plan = *pane.input->plan;
    const auto l = static_cast<std::size_t>(layer);
    if (plan.dynamic() || plan.overrides) return false;
    return mlp ? plan.subnet.mlp[l] == 0 : plan.subnet.heads[l] == 0 && pane.cache->groups(layer) == 0;
}

/// h and widths of every row. Where a width is chosen meanwhile, it stands for all there is until then.
void Step::normaliseAndChoose(int layer, SubBlock block)
{
    Workspace& w = workspace_;
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const bool mlp = block == SubBlock::Mlp;
    const std::vector<float>& norm = mlp ? weights.mlp_norm : weights.attention_norm;
    const std::vector<float>& bias = mlp ? weights.mlp_norm_bias : weights.attention_norm_bias;
    const bool meanwhile = choosesMeanwhile();
    w.chosen.store(false, std::memory_order_relaxed);
    const auto normaliseRow = [&](int r, int thread) {
        float* h = hidden(w.h, r);
        kernels_.norm(hidden(w.x, r), norm.data(), bias.empty() ? nullptr : bias.data(),
                      static_cast<float>(config_.norm_eps), shape_.hidden, h);
        const Row& row = w.rows[static_cast<std::size_t>(r)];
        w.widths[static_cast<std::size_t>(r)] = meanwhile ? most(row, layer, block)
                                                          : chooseWidth(row, layer, block, h,
                                                                        w.scratch[static_cast<std::size_t>(thread)]);
    };
    const bool choosing = std::any_of(w.panes.begin(), w.panes.end(),
                                      [](const Pane& pane) { return pane.routers != nullptr; });
    if (sliceRows() > (choosing ? kFewChoosingRows : kFewRows)) return pool_.forEach(sliceRows(), normaliseRow);
    for (int r = 0; r < sliceRows(); ++r) normaliseRow(r, 0);
}

/// A token alone chooses its width as the first item of a round, beside what does not depend on it; what does comes
/// last in that round and waits. Several are put in order of width before anything is read for them.
bool Step::choosesMeanwhile() const
{
    return sliceRows() == 1 && workspace_.panes[static_cast<std::size_t>(workspace_.rows.front().pane)].routers;
}

void Step::chooseMeanwhile(int layer, SubBlock block, ThreadScratch& scratch)
{
    Workspace& w = workspace_;
    w.widths.front() = chooseWidth(w.rows.front(), layer, block, w.h.data(), scratch);
    w.tiles.arrange(w.widths, 1, kernels_.tile_rows, /*keep_idle=*/block == SubBlock::Attention);
    w.chosen.store(true, std::memory_order_release);
}

/// Whoever waits here took a later item than the one that chooses, which waits for nothing.
void Step::awaitChoice() const
{
    while (!workspace_.chosen.load(std::memory_order_acquire)) std::this_thread::yield();
}

/// The width of a layer as far as a row can use it.
int Step::most(const Row& row, int layer, SubBlock block) const
{
    const auto l = static_cast<std::size_t>(layer);
    return block == SubBlock::Mlp ? config_.layers[l].intermediate_size
                                  : workspace_.panes[static_cast<std::size_t>(row.pane)].cache->heads()[l];
}

/// In the order of strength that WidthPlan gives; recorded in the pane's output.
int Step::chooseWidth(const Row& row, int layer, SubBlock block, const float* h, ThreadScratch& scratch)
{
    const Pane& pane = workspace_.panes[static_cast<std::size_t>(row.pane)];
    const WidthPlan& plan = *pane.input->plan;
    const bool mlp = block == SubBlock::Mlp;
    const auto l = static_cast<std::size_t>(layer);
    int width = mlp ? plan.subnet.mlp[l] : plan.subnet.heads[l];
    if (pane.routers) {
        const ChoiceSets& choices = plan.routers->choices;
        const std::size_t count = mlp ? choices.mlp_int_list.size() : choices.head_int_list.size();
        auto& probabilities = mlp ? pane.output->mlp_probabilities : pane.output->head_probabilities;
        width = pane.routers->choose(kernels_, layer, mlp, h, *pane.code, scratch.router.data(),
                                     probabilities.data() + cell(row, layer) * count);
    }
    if (plan.overrides)
        if (const auto forced = plan.overrides->find(row.position, layer, block)) width = *forced;
    // A choice set may be wider than a layer of a model whose layers differ.
    width = std::clamp(width, 0, most(row, layer, block));
    (mlp ? pane.output->mlp : pane.output->heads)[cell(row, layer)] = width;
    return width;
}

/// h in tiles of this order.
const float* Step::interleave(const RowTiles& tiles)
{
    Workspace& w = workspace_;
    if (sliceRows() == 1) return w.h.data();
    pool_.forEach(static_cast<int>(tiles.tiles().size()), [&](int item, int) {
        const RowTiles::Tile& tile = tiles.tiles()[static_cast<std::size_t>(item)];
        for (int i = 0; i < tile.rows; ++i) {
            const float* h = hidden(w.h, tiles.row(tile.first + i));
            float* to = RowTiles::at(w.input.data(), tile, shape_.hidden, i, 0);
            for (int k = 0; k < shape_.hidden; ++k, to += tile.stride) *to = h[k];
        }
    });
    return w.input.data();
}

} // namespace flextron::decode
