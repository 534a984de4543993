// Rows of activations put in order of width and interleaved, as products read them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/compute/decode/kernels_p.h"

namespace flextron::decode {

/// Widest rows first, so that those that need a part of the weights are always the first ones of each tile. Reused
/// from step to step: it allocates only when it has never been so large.
class RowTiles {
public:
    struct Tile {
        int first = 0; ///< place of its first row in the order
        int rows = 0;
        int stride = 1;        ///< rows with padding
        std::size_t begin = 0; ///< rows with padding before it
    };

    /// `widths[row]` for rows 0 .. rows-1. Rows of width 0 come last, and are in tiles only when `keep_idle`.
    void arrange(const std::vector<int>& widths, int rows, int tile_rows, bool keep_idle)
    {
        order_.resize(static_cast<std::size_t>(rows));
        for (int r = 0; r < rows; ++r) order_[static_cast<std::size_t>(r)] = r;
        std::sort(order_.begin(), order_.end(), [&](int a, int b) {
            const int x = widths[static_cast<std::size_t>(a)], y = widths[static_cast<std::size_t>(b)];
            return x != y ? x > y : a < b;
        });
        widths_.resize(order_.size());
        for (std::size_t i = 0; i < order_.size(); ++i) widths_[i] = widths[static_cast<std::size_t>(order_[i])];
        const int used = keep_idle ? rows : countAbove(0, 0, rows);
        places_.resize(order_.size());
        for (int i = 0; i < rows; ++i) places_[static_cast<std::size_t>(order_[static_cast<std::size_t>(i)])] = i;
        tiles_.clear();
        tiles_.reserve(order_.size());
        std::size_t begin = 0;
        for (int first = 0; first < used;) {
            const int count = std::min(tile_rows, used - first);
            tiles_.push_back({first, count, strideFor(count), begin});
            begin += static_cast<std::size_t>(strideFor(count));
            first += count;
        }
    }

    [[nodiscard]] const std::vector<Tile>& tiles() const { return tiles_; }
    [[nodiscard]] int row(int place) const { return order_[static_cast<std::size_t>(place)]; }
    [[nodiscard]] int width(int place) const { return widths_[static_cast<std::size_t>(place)]; }
    [[nodiscard]] int widest() const { return widths_.empty() ? 0 : widths_.front(); }
    /// How many of the places [first, first + rows) have a width above `least`: they come first.
    [[nodiscard]] int countAbove(int least, int first, int rows) const
    {
        int count = 0;
        while (count < rows && width(first + count) > least) ++count;
        return count;
    }

    struct Place {
        const Tile& tile;
        int index; ///< within the tile
    };
    /// Precondition: the row is in a tile.
    [[nodiscard]] Place placeOf(int row) const
    {
        const int place = places_[static_cast<std::size_t>(row)];
        // All tiles but the last have the same number of rows.
        const int tile = place / tiles_.front().rows;
        return {tiles_[static_cast<std::size_t>(tile)], place - tiles_[static_cast<std::size_t>(tile)].first};
    }

    /// Distance between the elements of a row in a tile of so many rows: a number that products are made for.
    [[nodiscard]] static int strideFor(int rows) { return rows <= 6 ? rows : rows <= 8 ? 8 : 12; }

    /// Where element k of row i of a tile stands in a buffer for rows of `inputs` elements.
    [[nodiscard]] static float* at(float* buffer, const Tile& tile, int inputs, int i, int k)
    {
        return buffer + tile.begin * static_cast<std::size_t>(inputs) +
               static_cast<std::size_t>(k) * static_cast<std::size_t>(tile.stride) + i;
    }
    /// Floats that such a buffer needs for up to `rows` rows.
    [[nodiscard]] static std::size_t bufferFloats(int rows, int inputs)
    {
        return static_cast<std::size_t>(rows + 4) * static_cast<std::size_t>(inputs);
    }

private:
    std::vector<int> order_;  // rows, widest first
    std::vector<int> widths_; // in that order
    std::vector<int> places_; // of each row in the order
    std::vector<Tile> tiles_;
};

} // namespace flextron::decode
