// A plot of points with error bars, as SVG: axes with round numbers, a line for each series.
#pragma once

#include <string>
#include <vector>

namespace flextron::cli {

struct PlotPoint {
    double x = 0;
    double y = 0;
    double y_error = 0; ///< half the bar's length
};
struct PlotSeries {
    std::string name;
    std::vector<PlotPoint> points; ///< joined by a line in this order
};
struct Plot {
    std::string title, x_label, y_label;
    std::vector<PlotSeries> series;
};

/// A whole SVG document, readable on a light and on a dark page. Precondition: at least one point.
std::string svgPlot(const Plot& plot);

} // namespace flextron::cli
