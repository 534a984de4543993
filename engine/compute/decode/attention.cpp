// The attention sub-block of a step.
#include <algorithm>
#include <cmath>

#include "engine/compute/decode/step_p.h"

namespace flextron::decode {
namespace {

/// Units of attention that a thread takes at a time, when there are many.
constexpr int kUnitsInTurn = 4;

} // namespace

void Step::attentionBlock(int layer)
{
    Workspace& w = workspace_;
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const bool all_idle = std::all_of(w.panes.begin(), w.panes.end(),
                                      [&](const Pane& pane) { return idle(pane, layer, /*mlp=*/false); });
    if (all_idle || weights.sizes.num_attention_heads == 0) return;
    normaliseAndChoose(layer, SubBlock::Attention);
    int groups = 0;
    for (const Row& row : w.rows)
        groups = std::max(groups, w.panes[static_cast<std::size_t>(row.pane)].cache->groups(layer));
    const bool choosing = choosesMeanwhile();
    if (groups == 0) {
        if (choosing) chooseMeanwhile(layer, SubBlock::Attention, w.scratch.front());
        return;
    }

    // Keys and values come first: they do not depend on how many heads are wanted.
    RowTiles& rows = choosing ? w.whole : w.tiles;
    rows.arrange(w.widths, sliceRows(), kernels_.tile_rows, /*keep_idle=*/true);
    const float* input = interleave(rows);
    const int first = choosing ? 1 : 0;
    const int at_once = queryHeadsAtOnce();
    const auto parts = [&](int heads) { return (heads + at_once - 1) / at_once; };
    pool_.forEach(first + groups + parts(rows.widest()), [&](int item, int thread) {
        ThreadScratch& scratch = w.scratch[static_cast<std::size_t>(thread)];
        if (item < first) {
            chooseMeanwhile(layer, SubBlock::Attention, scratch);
            return pool_.endAt(first + groups + parts(w.tiles.widest()));
        }
        if (item < first + groups) return projectKeysValues(layer, item - first, rows, input, scratch);
        if (choosing) awaitChoice();
        const int head = (item - first - groups) * at_once;
        if (head < w.tiles.widest())
            projectQueries(layer, head, std::min(at_once, w.tiles.widest() - head), input, scratch);
    });
    const int heads = w.tiles.widest();
    if (heads == 0) return;

    attendToAll(layer);

    BackProjection back;
    back.panels = weights.output;
    back.piece_bytes = shape_.output_piece;
    back.pieces = weights.sizes.num_key_value_heads;
    back.inputs = shape_.heads_per_group * shape_.head_dim;
    back.width = shape_.heads_per_group;
    back.bias = &weights.o_bias;
    projectBack(back);
}

/// Two heads of a single panel each are read together: one panel alone has too few independent sums to keep up with the
/// caches.
int Step::queryHeadsAtOnce() const
{
    return shape_.head_panels == 1 ? 2 : 1;
}

/// One head, or two of a panel each.
void Step::projectQueries(int layer, int head, int count, const float* input, ThreadScratch& scratch)
{
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const RowTiles& tiles = workspace_.tiles;
    const int dh = shape_.head_dim;
    const std::byte* panels = weights.queries + static_cast<std::size_t>(head) * shape_.head_bytes;
    multiplyInputs(tiles, panels, count * shape_.head_panels, shape_.input_panel, input,
                   tiles.countAbove(head, 0, sliceRows()), scratch,
                   [&](const RowTiles::Tile& tile, int i, const float* c) {
                       const int row = tiles.row(tile.first + i);
                       for (int h = head; h < std::min(head + count, tiles.width(tile.first + i)); ++h, c += kPanel) {
                           float* q = queries(layer, row, h);
                           std::copy_n(c, dh, q);
                           if (!weights.q_bias.empty())
                               for (int j = 0; j < dh; ++j)
                                   q[j] += weights.q_bias[static_cast<std::size_t>(h * dh + j)];
                           rotate(q, row);
                       }
                   });
}

/// Place of a head's query of a row, [dh].
float* Step::queries(int layer, int row, int head) const
{
    const int heads = weights_.layers[static_cast<std::size_t>(layer)].sizes.num_attention_heads;
    return workspace_.queries.data() +
           static_cast<std::size_t>(row * heads + head) * static_cast<std::size_t>(shape_.head_dim);
}

/// How many rows, in the order of the tiles, it takes to reach the last whose cache holds this group.
int Step::rowsWithKeys(int layer, int group, const RowTiles& tiles) const
{
    const Workspace& w = workspace_;
    int used = sliceRows();
    while (used > 0) {
        const Row& row = w.rows[static_cast<std::size_t>(tiles.row(used - 1))];
        if (w.panes[static_cast<std::size_t>(row.pane)].cache->groups(layer) > group) break;
        --used;
    }
    return used;
}

void Step::projectKeysValues(int layer, int group, const RowTiles& tiles, const float* input, ThreadScratch& scratch)
{
    const Workspace& w = workspace_;
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const int dh = shape_.head_dim;
    const auto add = [&](const std::vector<float>& bias, float* to) {
        if (bias.empty()) return;
        for (int j = 0; j < dh; ++j) to[j] += bias[static_cast<std::size_t>(group * dh + j)];
    };
    const std::byte* panels = weights.kv + static_cast<std::size_t>(group) * shape_.kv_bytes;
    multiplyInputs(tiles, panels, 2 * shape_.head_panels, shape_.input_panel, input, rowsWithKeys(layer, group, tiles),
                   scratch, [&](const RowTiles::Tile& tile, int i, float* c) {
                       const int r = tiles.row(tile.first + i);
                       const Row& row = w.rows[static_cast<std::size_t>(r)];
                       DecodeCache& cache = *w.panes[static_cast<std::size_t>(row.pane)].cache;
                       if (cache.groups(layer) <= group) return;
                       float* value = c + shape_.head_panels * kPanel;
                       add(weights.k_bias, c);
                       add(weights.v_bias, value);
                       rotate(c, r);
                       cache.writeKey(layer, group, row.position, c);
                       cache.writeValue(layer, group, row.position, value);
                   });
}

/// Cuts attention into units of at most a tile of (token, head) pairs. With few of them heads are dealt out singly:
/// every thread should have something to do.
void Step::listUnits()
{
    Workspace& w = workspace_;
    const int per_group = shape_.heads_per_group;
    int heads = std::min(per_group, kernels_.tile_rows);
    for (;; heads = (heads + 1) / 2) {
        const int tokens = std::max(1, kernels_.tile_rows / heads);
        w.units.clear();
        for (int first = 0, rows = 0; first < sliceRows(); first += rows) {
            const int pane = w.rows[static_cast<std::size_t>(first)].pane;
            int widest = 0;
            for (rows = 0; rows < tokens && first + rows < sliceRows() &&
                           w.rows[static_cast<std::size_t>(first + rows)].pane == pane;
                 ++rows)
                widest = std::max(widest, w.widths[static_cast<std::size_t>(first + rows)]);
            for (int g = 0; g * per_group < widest; ++g)
                for (int h = 0; h < per_group; h += heads)
                    w.units.push_back({first, rows, g, h, std::min(heads, per_group - h)});
        }
        if (heads == 1 || static_cast<int>(w.units.size()) >= 2 * pool_.threads()) return;
    }
}

/// A thread asks for the keys of its next unit while it reads the values of this one: within its turn it knows which
/// that is, at the end it guesses: when all are equally fast, the first of the turn after those that the others have.
void Step::attendToAll(int layer)
{
    Workspace& w = workspace_;
    listUnits();
    const int units = static_cast<int>(w.units.size());
    const int in_turn = std::clamp(units / (4 * pool_.threads()), 1, kUnitsInTurn);
    pool_.forEach((units + in_turn - 1) / in_turn, [&](int turn, int thread) {
        const int end = std::min(units, (turn + 1) * in_turn);
        for (int unit = turn * in_turn; unit < end; ++unit) {
            const auto next = static_cast<std::size_t>(unit + 1 < end ? unit + 1 : (turn + pool_.threads()) * in_turn);
            attend(layer, w.units[static_cast<std::size_t>(unit)],
                   next < w.units.size() ? keysOf(layer, w.units[next]) : ReadNext(),
                   w.scratch[static_cast<std::size_t>(thread)]);
        }
    });
}

int Step::seenFrom(int position) const
{
    return config_.sliding_window > 0 ? std::max(0, position - config_.sliding_window + 1) : 0;
}

/// What a unit reads first: from the panel of the first position that anyone sees, to the last. Rows ascend in the
/// text.
ReadNext Step::keysOf(int layer, const AttentionUnit& unit) const
{
    const Row& first = workspace_.rows[static_cast<std::size_t>(unit.first_row)];
    const Row& last = workspace_.rows[static_cast<std::size_t>(unit.first_row + unit.rows - 1)];
    const DecodeCache& cache = *workspace_.panes[static_cast<std::size_t>(first.pane)].cache;
    const int base = seenFrom(first.position) / kPanel * kPanel;
    const int panels = (last.position - base) / kPanel + 1;
    return {cache.keys(layer, unit.group, base), static_cast<std::size_t>(panels) * cache.keyPanelBytes()};
}

void Step::attend(int layer, const AttentionUnit& unit, const ReadNext& next, ThreadScratch& scratch)
{
    Workspace& w = workspace_;
    const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
    const int dh = shape_.head_dim;
    const int pane = w.rows[static_cast<std::size_t>(unit.first_row)].pane;
    const DecodeCache& cache = *w.panes[static_cast<std::size_t>(pane)].cache;

    // The (token, head) pairs that exist, as rows of a tile.
    struct Pair {
        int row, head, position;
    };
    Pair pairs[kMaxTileRows];
    int count = 0;
    for (int r = unit.first_row; r < unit.first_row + unit.rows; ++r) {
        if (w.widths[static_cast<std::size_t>(r)] <= unit.group * shape_.heads_per_group) continue;
        for (int h = 0; h < unit.heads; ++h)
            pairs[count++] = {r, unit.group * shape_.heads_per_group + unit.first_head + h,
                              w.rows[static_cast<std::size_t>(r)].position};
    }
    if (count == 0) return;
    const auto stride = static_cast<std::size_t>(RowTiles::strideFor(count));
    for (int i = 0; i < count; ++i) {
        const float* q = queries(layer, pairs[i].row, pairs[i].head);
        float* to = scratch.queries.data() + i;
        for (int k = 0; k < dh; ++k, to += stride) *to = q[k];
    }

    // Positions from the panel of the first that anyone sees, to the last: rows ascend in the text.
    const int base = seenFrom(pairs[0].position) / kPanel * kPanel;
    const int n = pairs[count - 1].position + 1 - base;
    PanelProduct scores;
    scores.a = scratch.queries.data();
    scores.a_stride = stride;
    scores.rows = count;
    scores.panels = cache.keys(layer, unit.group, base);
    scores.panel_bytes = cache.keyPanelBytes();
    scores.panel_count = roundUp(n, kPanel) / kPanel;
    scores.segment_length = dh;
    // A block of a prompt finds them in the caches: the block before it was there.
    const bool ask = unit.rows == 1;
    if (ask)
        scores.next = {cache.values(layer, unit.group, base), panelBytes(cache.type(), n), shape_.head_panels,
                       cache.valuePanelBytes()};
    scores.c = scratch.scores.data();
    scores.c_stride = static_cast<std::size_t>(scores.panel_count * kPanel);
    kernels_.product[static_cast<int>(cache.type())](scores);

    const float scale = 1.0f / std::sqrt(static_cast<float>(dh));
    for (int i = 0; i < count; ++i)
        kernels_.softmax(scores.c + static_cast<std::size_t>(i) * scores.c_stride, seenFrom(pairs[i].position) - base,
                         pairs[i].position + 1 - base, n, scale, scratch.shares.data() + i, stride);

    PanelProduct mix;
    mix.a = scratch.shares.data();
    mix.a_stride = stride;
    mix.rows = count;
    mix.panels = cache.values(layer, unit.group, base);
    mix.panel_bytes = cache.valuePanelBytes();
    mix.panel_count = shape_.head_panels;
    mix.segment_length = n;
    if (ask) mix.next = next;
    mix.c = scratch.c.data();
    mix.c_stride = static_cast<std::size_t>(shape_.head_panels * kPanel);
    kernels_.product[static_cast<int>(cache.type())](mix);

    const int inputs = weights.sizes.num_attention_heads * dh;
    for (int i = 0; i < count; ++i) {
        const auto [tile, place] = w.tiles.placeOf(pairs[i].row);
        float* to = RowTiles::at(w.inner.data(), tile, inputs, place, pairs[i].head * dh);
        const float* c = mix.c + static_cast<std::size_t>(i) * mix.c_stride;
        for (int j = 0; j < dh; ++j, to += tile.stride) *to = c[j];
    }
}

} // namespace flextron::decode
