// The MLP sub-block of a step, and the projection back to the residual stream that attention has too.
#include <algorithm>

#include "engine/compute/decode/step_p.h"

namespace flextron::decode {
namespace {

Gate gateOf(Activation activation)
{
    switch (activation) {
    case Activation::Silu: return Gate::Silu;
    case Activation::GeluTanh: return Gate::GeluTanh;
    case Activation::GeluErf: return Gate::GeluErf;
    }
    return Gate::Silu;
}

/// Panels that one item of a projection reads together. More at once keep up better with the caches; but the threads
/// should all be busy to the end.
int stripPanels(int panels, int threads)
{
    int best = 1;
    double least = 1e300;
    for (const int strip : {1, 2, 4}) {
        const int strips = (panels + strip - 1) / strip;
        if (strip > 1 && strips < 2 * threads) break;
        const int rounds = (strips - 1) / threads;
        const int last = strips - rounds * threads > 1 ? strip : panels - (strips - 1) * strip;
        const double time = (strip == 1 ? 1.3 : 1.0) * (rounds * strip + last);
        if (time <= least) least = time, best = strip;
    }
    return best;
}

const float* biasAt(const std::vector<float>& bias, int index)
{
    return bias.empty() ? nullptr : bias.data() + index;
}

} // namespace

void Step::mlpBlock(int layer)
{
    Workspace& w = workspace_;
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const bool all_idle = std::all_of(w.panes.begin(), w.panes.end(),
                                      [&](const Pane& pane) { return idle(pane, layer, /*mlp=*/true); });
    if (all_idle || weights.sizes.intermediate_size == 0) return;
    normaliseAndChoose(layer, SubBlock::Mlp);
    const bool choosing = choosesMeanwhile();
    RowTiles& rows = choosing ? w.whole : w.tiles;
    rows.arrange(w.widths, sliceRows(), kernels_.tile_rows, /*keep_idle=*/false);
    const float* input = interleave(rows);
    const auto blocksOf = [](int width) { return roundUp(width, kPanel) / kPanel; };
    const int first = choosing ? 1 : 0;
    // Blocks that every choice has are computed while it is made.
    const int certain = choosing ? std::min(narrowestMlp(), rows.widest()) / kPanel : 0;
    pool_.forEach(first + blocksOf(rows.widest()), [&](int item, int thread) {
        ThreadScratch& scratch = w.scratch[static_cast<std::size_t>(thread)];
        if (item < first) {
            chooseMeanwhile(layer, SubBlock::Mlp, scratch);
            return pool_.endAt(first + blocksOf(w.tiles.widest()));
        }
        const int block = item - first;
        if (block < certain) return activateBlock(layer, block, rows, input, scratch);
        if (choosing) awaitChoice();
        if (block < blocksOf(w.tiles.widest())) activateBlock(layer, block, w.tiles, input, scratch);
    });
    if (w.tiles.widest() == 0) return;

    BackProjection back;
    back.panels = weights.down;
    back.piece_bytes = shape_.down_piece;
    back.pieces = roundUp(weights.sizes.intermediate_size, kPanel) / kPanel;
    back.inputs = kPanel;
    back.width = kPanel;
    back.bias = &weights.down_bias;
    projectBack(back);
}

/// 32 neurons of every row that has them. A row whose width ends within the block gets zeros from there on: what is
/// not in the sub-network adds nothing.
void Step::activateBlock(int layer, int block, const RowTiles& tiles, const float* input, ThreadScratch& scratch)
{
    Workspace& w = workspace_;
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const int first = block * kPanel;
    const int used = tiles.countAbove(first, 0, sliceRows());
    const int inputs = roundUp(weights.sizes.intermediate_size, kPanel);
    multiplyInputs(tiles, weights.blocks + static_cast<std::size_t>(block) * shape_.block_bytes, shape_.gated ? 2 : 1,
                   shape_.input_panel, input, used, scratch, [&](const RowTiles::Tile& tile, int i, float* c) {
                       kernels_.activate(gateOf(config_.hidden_act), shape_.gated ? c : nullptr,
                                         biasAt(weights.gate_bias, first), shape_.gated ? c + kPanel : c,
                                         biasAt(weights.up_bias, first), kPanel, c);
                       const int exist = std::min(kPanel, tiles.width(tile.first + i) - first);
                       float* to = RowTiles::at(w.inner.data(), tile, inputs, i, first);
                       for (int j = 0; j < kPanel; ++j, to += tile.stride) *to = j < exist ? c[j] : 0.0f;
                   });
}

/// x += W inner + bias for every row whose width is above 0, in strips of output panels.
void Step::projectBack(const BackProjection& projection)
{
    const int strip = stripPanels(shape_.hidden_panels, pool_.threads());
    const int strips = (shape_.hidden_panels + strip - 1) / strip;
    pool_.forEach(strips, [&](int item, int thread) {
        const int first = item * strip;
        projectBackPanels(projection, first, std::min(strip, shape_.hidden_panels - first),
                          workspace_.scratch[static_cast<std::size_t>(thread)]);
    });
}

void Step::projectBackPanels(const BackProjection& projection, int first_panel, int panels, ThreadScratch& scratch)
{
    Workspace& w = workspace_;
    PanelProduct product;
    product.panel_bytes = static_cast<std::size_t>(projection.pieces) * projection.piece_bytes;
    product.panel_count = panels;
    product.segment_bytes = projection.piece_bytes;
    product.c = scratch.c.data();
    product.c_stride = static_cast<std::size_t>(panels * kPanel);
    const std::byte* weights = projection.panels + static_cast<std::size_t>(first_panel) * product.panel_bytes;
    // Pieces in a row are one, unless the last scales of each are for fewer inputs.
    const bool joined = weights_.type != PanelType::Int8 || projection.inputs % kPanel == 0;
    const int inputs = projection.pieces * projection.inputs;
    const int column = first_panel * kPanel;
    const int columns = std::min(panels * kPanel, shape_.hidden - column);
    for (const RowTiles::Tile& tile : w.tiles.tiles()) {
        // As long as the same rows take part, one product goes on over the pieces they have. Then the
        // narrowest leave, before a product for fewer rows may write over their sums (it may do a row too many).
        int piece = 0;
        int rows = w.tiles.countAbove(0, tile.first, tile.rows);
        while (rows > 0) {
            const int narrowest = w.tiles.width(tile.first + rows - 1);
            const int end = (narrowest + projection.width - 1) / projection.width;
            product.rows = rows;
            product.a = RowTiles::at(w.inner.data(), tile, inputs, 0, piece * projection.inputs);
            product.a_stride = static_cast<std::size_t>(tile.stride);
            product.panels = weights + static_cast<std::size_t>(piece) * projection.piece_bytes;
            product.segments = joined ? 1 : end - piece;
            product.segment_length = (joined ? end - piece : 1) * projection.inputs;
            product.accumulate = piece > 0;
            multiply(product);
            piece = end;
            const int staying = w.tiles.countAbove(piece * projection.width, tile.first, rows);
            for (int i = staying; i < rows; ++i)
                kernels_.add(product.c + static_cast<std::size_t>(i) * product.c_stride,
                             biasAt(*projection.bias, column), columns,
                             hidden(w.x, w.tiles.row(tile.first + i)) + column);
            rows = staying;
        }
    }
}

} // namespace flextron::decode
