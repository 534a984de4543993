// One step: every token of every pane is a row, and every part of the weights is read once for all rows that use it.
//
// A layer is a handful of rounds of the thread pool: norm and choice of widths; Q, K and V; attention; output
// projection; norm and choice; gate and up; down. A token alone makes its choice in the round after the norm, beside
// what does not depend on it. Within a round no two items write the same place, and every output is one chain of sums
// that depends on its row alone (kernels_p.h).
#pragma once

#include <algorithm>
#include <span>

#include "engine/base/cancellation.h"
#include "engine/base/thread_pool_p.h"
#include "engine/compute/decode/kernels_p.h"
#include "engine/compute/decode/weights_p.h"
#include "engine/compute/decode/workspace_p.h"
#include "engine/routing/overrides.h"

namespace flextron::decode {

/// Rows read together. More are cut into slices: beyond this the arithmetic, not the weights, takes the time, and the
/// activations no longer fit the cache of a core.
inline constexpr int kSliceRows = 96;

class Step {
public:
    Step(const ModelConfig& config, const DecodeWeights& weights, const Kernels& kernels, ThreadPool& pool,
         Workspace& workspace, const CancelToken& cancel);

    /// Reads all tokens. The requests were checked; caches do not grow here. Throws Failure(Cancelled).
    void run(std::span<const StepInput> panes, std::span<StepOutput> outputs);

private:
    void openPanes(std::span<const StepInput> panes, std::span<StepOutput> outputs);
    void lookUpRouters(std::size_t pane);
    void prepareOutput(const StepInput& input, StepOutput& output) const;
    void reserve();
    void runSlice();
    void embedRows();
    void noteLayerTime(int layer, double nanoseconds);

    // Widths (step.cpp)
    [[nodiscard]] bool idle(const Pane& pane, int layer, bool mlp) const;
    void normaliseAndChoose(int layer, SubBlock block);
    [[nodiscard]] bool choosesMeanwhile() const;
    void chooseMeanwhile(int layer, SubBlock block, ThreadScratch& scratch);
    void awaitChoice() const;
    [[nodiscard]] int most(const Row& row, int layer, SubBlock block) const;
    int chooseWidth(const Row& row, int layer, SubBlock block, const float* h, ThreadScratch& scratch);
    const float* interleave(const RowTiles& tiles);

    // Attention (attention.cpp)
    void attentionBlock(int layer);
    [[nodiscard]] int queryHeadsAtOnce() const;
    void projectQueries(int layer, int head, int count, const float* input, ThreadScratch& scratch);
    void projectKeysValues(int layer, int group, const RowTiles& tiles, const float* input, ThreadScratch& scratch);
    void listUnits();
    void attendToAll(int layer);
    void attend(int layer, const AttentionUnit& unit, const ReadNext& next, ThreadScratch& scratch);
    [[nodiscard]] ReadNext keysOf(int layer, const AttentionUnit& unit) const;
    /// The first position that a token sees.
    [[nodiscard]] int seenFrom(int position) const;
    [[nodiscard]] int rowsWithKeys(int layer, int group, const RowTiles& tiles) const;
    [[nodiscard]] float* queries(int layer, int row, int head) const;

    // MLP, and what it shares with attention (mlp.cpp)
    void mlpBlock(int layer);
    /// Of the choices of the only row's routers.
    [[nodiscard]] int narrowestMlp() const
    {
        const Pane& pane = workspace_.panes[static_cast<std::size_t>(workspace_.rows.front().pane)];
        return pane.routers->routers()->choices.mlp_int_list.front();
    }
    void activateBlock(int layer, int block, const RowTiles& tiles, const float* input, ThreadScratch& scratch);
    /// The projection back to the residual stream: panels of `pieces`, each with `inputs` inputs, for `width` units of
    /// width.
    struct BackProjection {
        const std::byte* panels = nullptr;
        std::size_t piece_bytes = 0;
        int pieces = 0;
        int inputs = 0;
        int width = 1;
        const std::vector<float>* bias = nullptr;
    };
    void projectBack(const BackProjection& projection);
    void projectBackPanels(const BackProjection& projection, int first_panel, int panels, ThreadScratch& scratch);

    // Output (logits.cpp)
    void takeLogits();

    void multiply(const PanelProduct& product) const { kernels_.product[static_cast<int>(weights_.type)](product); }
    /// The product of the normalised inputs of the first `used` rows with panels of d inputs, so many bytes apart; then
    /// each(tile, i, c) for every row i of every tile, c being its results.
    template <class Each>
    void multiplyInputs(const RowTiles& tiles, const std::byte* panels, int panel_count, std::size_t apart,
                        const float* input, int used, ThreadScratch& scratch, Each each) const
    {
        PanelProduct product;
        product.panels = panels;
        product.panel_bytes = apart;
        product.panel_count = panel_count;
        product.segment_length = shape_.hidden;
        product.c = scratch.c.data();
        product.c_stride = static_cast<std::size_t>(panel_count * kPanel);
        for (const RowTiles::Tile& tile : tiles.tiles()) {
            product.rows = std::clamp(used - tile.first, 0, tile.rows);
            if (product.rows == 0) return;
            product.a = input + tile.begin * static_cast<std::size_t>(shape_.hidden);
            product.a_stride = static_cast<std::size_t>(tile.stride);
            multiply(product);
            for (int i = 0; i < product.rows; ++i)
                each(tile, i, product.c + static_cast<std::size_t>(i) * product.c_stride);
        }
    }
    void rotate(float* x, int row) const
    {
        if (config_.isGpt()) return;
        const int half = shape_.head_dim / 2;
        const auto begin = static_cast<std::size_t>(row) * static_cast<std::size_t>(half);
        kernels_.rotate(x, workspace_.cos.data() + begin, workspace_.sin.data() + begin, half);
    }
    [[nodiscard]] int sliceRows() const { return static_cast<int>(workspace_.rows.size()); }
    [[nodiscard]] float* hidden(std::vector<float>& buffer, int row) const
    {
        return buffer.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(shape_.hidden);
    }
    [[nodiscard]] std::size_t cell(const Row& row, int layer) const
    {
        return static_cast<std::size_t>(row.token) * config_.layers.size() + static_cast<std::size_t>(layer);
    }

    const ModelConfig& config_;
    const DecodeWeights& weights_;
    const Shape& shape_;
    const Kernels& kernels_;
    ThreadPool& pool_;
    Workspace& workspace_;
    const CancelToken& cancel_;
};

} // namespace flextron::decode
