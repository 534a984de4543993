// How long the heatmap takes to draw 2,048 tokens x 128 layers: the whole of it, and one more column.
//   QT_QPA_PLATFORM=offscreen heatmap_replot
// Prints medians and 95th percentiles in ms, each over 100 replots at 1600 x 700 pixels.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

#include <QApplication>

#include "ui/inspect/heatmapplot.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kTokens = 2048;
constexpr int kLayers = 128;
constexpr int kRounds = 100;

Trace randomTrace()
{
    std::mt19937 random(1);
    std::uniform_int_distribution<int> choice(1, 4);
    Trace trace;
    trace.layers = kLayers;
    trace.full_mlp = 4;
    trace.full_heads = 4;
    trace.choices = {{1, 2, 3, 4}, {1, 2, 3, 4}};
    for (int i = 0; i < kTokens; ++i) {
        TokenRecord record;
        record.id = i;
        record.read = true;
        for (int layer = 0; layer < kLayers; ++layer) {
            record.mlp.push_back(choice(random));
            record.heads.push_back(choice(random));
        }
        trace.records.push_back(record);
    }
    return trace;
}

template <class Body> void measure(const char* name, Body body)
{
    std::vector<double> ms;
    for (int i = 0; i < kRounds; ++i) {
        const auto start = std::chrono::steady_clock::now();
        body(i);
        ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(ms.begin(), ms.end());
    std::printf("%-28s median %.2f ms, 95th percentile %.2f ms\n", name, ms[kRounds / 2], ms[kRounds * 95 / 100]);
}

} // namespace

int main(int argc, char** argv)
{
    QApplication application(argc, argv);
    const Trace trace = randomTrace();
    CellGrid grid;
    HeatmapPlot plot;
    plot.resize(1600, 700);
    plot.setScale(ColorMap::Sequential, {0, 4});
    plot.setRoom(kTokens, kLayers);
    const GridSource source{&trace, nullptr, 0, Quantity::MlpWidth, nullptr};
    grid.reset(kTokens, kLayers);
    measure("all cells anew", [&](int) {
        grid.fill(source, 0);
        plot.showCells(grid, 0);
        plot.replot();
    });
    measure("one more column", [&](int) {
        grid.fill(source, kTokens - 1);
        plot.showCells(grid, kTokens - 1);
        plot.replot();
    });
    measure("the cursor moved", [&](int i) {
        plot.setMarks({0, std::nullopt, {i}, i, i % kLayers, {}});
        plot.replot();
    });
    measure("panned at 8 x zoom", [&](int i) {
        plot.xAxis->setRange(i, i + kTokens / 8);
        plot.replot();
    });
    return 0;
}
