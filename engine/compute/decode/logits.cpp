// The output head of a step.
#include <algorithm>

#include "engine/compute/decode/step_p.h"

namespace flextron::decode {

void Step::takeLogits()
{
    Workspace& w = workspace_;
    const auto place = [&](const Row& row) -> float* {
        const Pane& pane = w.panes[static_cast<std::size_t>(row.pane)];
        const auto vocab = static_cast<std::size_t>(shape_.vocab);
        switch (pane.input->logits) {
        case LogitsWanted::None: return nullptr;
        case LogitsWanted::Last:
            return row.token + 1 == static_cast<int>(pane.input->tokens.size()) ? pane.output->logits.data() : nullptr;
        case LogitsWanted::All: return pane.output->logits.data() + static_cast<std::size_t>(row.token) * vocab;
        }
        return nullptr;
    };
    const auto normaliseRow = [&](int r, int) {
        const bool wanted = place(w.rows[static_cast<std::size_t>(r)]) != nullptr;
        w.widths[static_cast<std::size_t>(r)] = wanted ? 1 : 0;
        if (wanted)
            kernels_.norm(hidden(w.x, r), weights_.final_norm.data(),
                          weights_.final_norm_bias.empty() ? nullptr : weights_.final_norm_bias.data(),
                          static_cast<float>(config_.norm_eps), shape_.hidden, hidden(w.h, r));
    };
    pool_.forEach(sliceRows(), normaliseRow);
    w.tiles.arrange(w.widths, sliceRows(), kernels_.tile_rows, /*keep_idle=*/false);
    if (w.tiles.tiles().empty()) return;
    const float* input = interleave(w.tiles);

    constexpr int kStrip = 4;
    pool_.forEach((shape_.vocab_panels + kStrip - 1) / kStrip, [&](int item, int thread) {
        const int first = item * kStrip;
        const int panels = std::min(kStrip, shape_.vocab_panels - first);
        const int columns = std::min(panels * kPanel, shape_.vocab - first * kPanel);
        multiplyInputs(w.tiles, weights_.head + static_cast<std::size_t>(first) * shape_.input_panel, panels,
                       shape_.input_panel, input, sliceRows(), w.scratch[static_cast<std::size_t>(thread)],
                       [&](const RowTiles::Tile& tile, int i, const float* c) {
                           const int row = w.tiles.row(tile.first + i);
                           std::copy_n(c, columns, place(w.rows[static_cast<std::size_t>(row)]) + first * kPanel);
                       });
    });
}

} // namespace flextron::decode
