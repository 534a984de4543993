// Everything a step writes to besides caches and outputs. Grows to the largest step seen and is then reused.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "engine/compute/decode/cache_p.h"
#include "engine/compute/decode/router_panels_p.h"
#include "engine/compute/decode/tiles_p.h"

namespace flextron::decode {

/// One token of one pane: the unit that shares passes over the weights.
struct Row {
    int pane = 0;
    int token = 0;    ///< index into the pane's tokens of this step
    int position = 0; ///< in the text
};

/// What a pane brings along, looked up once a step.
struct Pane {
    const StepInput* input = nullptr;
    StepOutput* output = nullptr;
    DecodeCache* cache = nullptr;
    const RouterPanels* routers = nullptr;    ///< null without dynamic routing
    const std::vector<float>* code = nullptr; ///< the target's
};

/// A target's code for the routers, kept from step to step.
struct TargetCode {
    std::shared_ptr<const Routers> routers;
    double budget = 0;
    std::vector<float> code;
};

/// Heads of one group for a few tokens of one pane: what one thread attends to at a time.
struct AttentionUnit {
    int first_row = 0;
    int rows = 0;
    int group = 0;
    int first_head = 0; ///< within the group
    int heads = 0;
};

struct ThreadScratch {
    std::vector<float> c;       ///< products: [kMaxTileRows][columns]
    std::vector<float> queries; ///< a tile of rows of dh elements
    std::vector<float> scores;  ///< [kMaxTileRows][positions]
    std::vector<float> shares;  ///< a tile of rows of positions
    std::vector<float> router;
};

struct Workspace {
    std::vector<Pane> panes;
    std::vector<TargetCode> codes; ///< [pane]
    std::vector<std::unique_ptr<RouterPanels>> routers;

    std::vector<Row> rows;   ///< of the slice at hand
    std::vector<int> widths; ///< [row] of the sub-block at hand
    RowTiles tiles;
    RowTiles whole;                   ///< of a row whose width is being chosen, as if it were the layer's own
    std::atomic<bool> chosen = false; ///< the width of that row is known, and `tiles` is arranged
    std::vector<AttentionUnit> units;
    std::vector<float> x;               ///< [row][d] the residual stream
    std::vector<float> h;               ///< [row][d] normalised
    std::vector<float> cos, sin;        ///< [row][dh / 2]
    std::vector<float> input;           ///< tiles of h
    std::vector<float> queries;         ///< [row][heads * dh]
    std::vector<float> inner;           ///< tiles of the heads' outputs or of the MLP's activations
    std::vector<ThreadScratch> scratch; ///< [thread]
};

inline void reserveFloats(std::vector<float>& buffer, std::size_t floats)
{
    if (buffer.size() < floats) buffer.resize(floats);
}

} // namespace flextron::decode
