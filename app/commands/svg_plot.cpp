#include "app/commands/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "app/commands/console.h"
#include "engine/base/numbers.h"

namespace flextron::cli {

namespace {

constexpr double kWidth = 720, kHeight = 440, kLeft = 70, kRight = 130, kTop = 40, kBottom = 56;
/// Told apart by people who do not see red and green alike, and each with its own mark.
constexpr std::array kColors{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string escaped(const std::string& text)
{
    std::string safe;
    for (const char c : text) safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    return safe;
}

std::string at(double value)
{
    return fixedText(value, 1);
}

/// From a round number below `low` to one above `high`, in round steps.
struct Axis {
    double low = 0, high = 1, step = 0.1;

    Axis(double from, double to)
    {
        const double span = std::max(to - from, 1e-9 + 1e-3 * std::abs(to));
        const double rough = span / 5;
        const double power = std::pow(10.0, std::floor(std::log10(rough)));
        const double digit = rough / power;
        step = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
        low = step * std::floor(from / step + 1e-9);
        high = step * std::ceil(to / step - 1e-9);
        if (high <= low) high = low + step;
    }
    [[nodiscard]] double share(double value) const { return (value - low) / (high - low); }
};

std::string text(double x, double y, const char* anchor, const std::string& what, const std::string& more = {})
{
    return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" + escaped(what) +
           "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style)
{
    return "<line x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) + "\" y2=\"" + at(y2) + "\" " + style +
           "/>\n";
}

class Drawing {
public:
    Drawing(const Axis& x, const Axis& y) : x_(x), y_(y) {}

    [[nodiscard]] double px(double x) const { return kLeft + x_.share(x) * (kWidth - kLeft - kRight); }
    [[nodiscard]] double py(double y) const { return kHeight - kBottom - y_.share(y) * (kHeight - kTop - kBottom); }

    [[nodiscard]] std::string axes(const Plot& plot) const
    {
        const std::string grid = "stroke=\"currentColor\" stroke-opacity=\"0.15\"";
        std::string svg;
        for (double x = x_.low; x <= x_.high + x_.step / 2; x += x_.step)
            svg += line(px(x), py(y_.low), px(x), py(y_.high), grid) +
                   text(px(x), kHeight - kBottom + 18, "middle", formatNumber(x, 6));
        for (double y = y_.low; y <= y_.high + y_.step / 2; y += y_.step)
            svg += line(px(x_.low), py(y), px(x_.high), py(y), grid) +
                   text(kLeft - 8, py(y) + 4, "end", formatNumber(y, 6));
        const double middle = (kTop + kHeight - kBottom) / 2;
        return svg + text((px(x_.low) + px(x_.high)) / 2, kHeight - 14, "middle", plot.x_label) +
               text(18, middle, "middle", plot.y_label, " transform=\"rotate(-90 18 " + at(middle) + ")\"") +
               text(kLeft, 24, "start", plot.title, " font-weight=\"bold\"");
    }

    [[nodiscard]] std::string series(const PlotSeries& series, std::size_t index) const
    {
        const std::string color = kColors[index % kColors.size()];
        std::string svg, path;
        for (const PlotPoint& point : series.points) {
            const double x = px(point.x), y = py(point.y);
            path += (path.empty() ? "M" : " L") + at(x) + " " + at(y);
            if (point.y_error > 0)
                svg += line(x, py(point.y - point.y_error), x, py(point.y + point.y_error), "stroke=\"" + color + "\"");
            svg += mark(x, y, color, index) + "\n";
        }
        svg = "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + color + "\" stroke-width=\"1.5\"/>\n" + svg;
        const double y = kTop + 14 + 20 * static_cast<double>(index);
        return svg + mark(kWidth - kRight + 22, y - 4, color, index) + "\n" +
               text(kWidth - kRight + 34, y, "start", series.name);
    }

private:
    static std::string mark(double x, double y, const std::string& color, std::size_t index)
    {
        if (index % 2 == 0) return "<circle cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"4\" fill=\"" + color + "\"/>";
        return "<rect x=\"" + at(x - 3.5) + "\" y=\"" + at(y - 3.5) + "\" width=\"7\" height=\"7\" fill=\"" + color +
               "\"/>";
    }

    Axis x_, y_;
};

} // namespace

std::string svgPlot(const Plot& plot)
{
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    for (const PlotSeries& series : plot.series)
        for (const PlotPoint& point : series.points) {
            x_low = std::min(x_low, point.x);
            x_high = std::max(x_high, point.x);
            y_low = std::min(y_low, point.y - point.y_error);
            y_high = std::max(y_high, point.y + point.y_error);
        }
    const Drawing drawing(Axis(x_low, x_high), Axis(y_low, y_high));
    std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + fixedText(kWidth, 0) + " " +
                      fixedText(kHeight, 0) +
                      "\" font-family=\"sans-serif\" font-size=\"13\" fill=\"currentColor\" color=\"#222\">\n"
                      "<style>@media (prefers-color-scheme: dark) { svg { color: #ddd; } }</style>\n" +
                      drawing.axes(plot);
    for (std::size_t i = 0; i < plot.series.size(); ++i) svg += drawing.series(plot.series[i], i);
    return svg + "</svg>\n";
}

} // namespace flextron::cli
