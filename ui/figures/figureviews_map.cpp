// Figures of layers: by token, and in the mean.
#include <algorithm>
#include <cmath>
#include <limits>

#include <QCoreApplication>
#include <QImage>

#include "ui/figures/figurepen.h"
#include "ui/figures/figureviews.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Figures)
};

constexpr double kGap = 4;
constexpr int kMostCells = 30'000; // as shapes; above, a picture stands in their place

struct Map {
    int tokens = 0;
    int layers = 0;
    std::vector<double> values; // [layer][token]; NaN where nothing was read
    ValueRange range;
    std::vector<double> discrete;
    Quantity quantity = Quantity::MlpWidth;
    int given = 0;

    [[nodiscard]] double at(int layer, int token) const
    {
        return values[static_cast<std::size_t>(layer) * static_cast<std::size_t>(tokens) +
                      static_cast<std::size_t>(token)];
    }
    [[nodiscard]] QColor color(double value) const
    {
        return std::isnan(value) ? FigurePen::kFaint : sequentialColor((value - range.low) / (range.high - range.low));
    }
};

Map mapOf(const FigureSource& source)
{
    const Trace& trace = source.trace();
    Map map;
    map.tokens = static_cast<int>(trace.records.size());
    map.layers = trace.layers;
    map.quantity = source.quantity;
    map.range = valueRange(trace, source.quantity);
    map.discrete = discreteValues(trace, source.quantity);
    map.given = givenTokens(trace);
    std::optional<LayerShares> shares;
    if (source.checkpoint) shares.emplace(source.checkpoint->config());
    if (source.quantity == Quantity::ComputeShare && !shares)
        throw Failure(ErrorCode::Unsupported,
                      Text::tr("shares of compute need the model, for its shapes").toStdString(),
                      Text::tr("Give --model MODEL, or open the model.").toStdString());
    for (int layer = 0; layer < map.layers; ++layer) {
        for (int token = 0; token < map.tokens; ++token)
            map.values.push_back(cellValue(trace, token, layer, source.quantity, shares ? &*shares : nullptr));
    }
    return map;
}

FigureData dataOf(const Map& map, const Trace& trace)
{
    FigureData data{{QStringLiteral("token"), QStringLiteral("id"), QStringLiteral("text"), QStringLiteral("layer"),
                     map.quantity == Quantity::MlpWidth       ? QStringLiteral("mlp_neurons")
                     : map.quantity == Quantity::Heads        ? QStringLiteral("heads")
                     : map.quantity == Quantity::ComputeShare ? QStringLiteral("share_of_flops")
                                                              : QStringLiteral("ms")},
                    {}};
    const auto texts = tokenTexts(trace);
    for (int token = 0; token < map.tokens; ++token) {
        const auto at = static_cast<std::size_t>(token);
        for (int layer = 0; layer < map.layers; ++layer)
            data.rows.push_back({QString::number(token), QString::number(trace.records[at].id),
                                 QString::fromStdString(texts[at]), QString::number(layer),
                                 figureNumber(map.at(layer, token))});
    }
    return data;
}

std::vector<LegendEntry> entriesOf(const Map& map)
{
    std::vector<LegendEntry> entries;
    for (const double value : map.discrete) entries.push_back({map.color(value), figureNumber(value)});
    if (std::any_of(map.values.begin(), map.values.end(), [](double value) { return std::isnan(value); }))
        entries.push_back({FigurePen::kFaint, Text::tr("not read")});
    if (map.given > 0 && map.given < map.tokens)
        entries.push_back({FigurePen::kText, Text::tr("end of the prompt"), true});
    return entries;
}

/// A run of equal cells is one shape. It reaches a little under its neighbours, so that no seams show.
void paintShapes(const FigurePen& pen, const Map& map, const FigurePlot& plot)
{
    constexpr double kUnder = 0.3;
    pen.painter().setRenderHint(QPainter::Antialiasing, false);
    for (int layer = 0; layer < map.layers; ++layer) {
        for (int token = 0; token < map.tokens;) {
            const QColor color = map.color(map.at(layer, token));
            int end = token + 1;
            while (end < map.tokens && map.color(map.at(layer, end)) == color) ++end;
            const double right = plot.x(end - 0.5) + (end < map.tokens ? kUnder : 0);
            const double top = plot.y(layer + 0.5) - (layer + 1 < map.layers ? kUnder : 0);
            const QPointF corner(plot.x(token - 0.5), top);
            pen.fill(QRectF(corner, QPointF(right, plot.y(layer - 0.5))), color);
            token = end;
        }
    }
    pen.painter().setRenderHint(QPainter::Antialiasing);
}

void paintPicture(const FigurePen& pen, const Map& map, const FigurePlot& plot)
{
    QImage picture(map.tokens, map.layers, QImage::Format_RGB32);
    for (int layer = 0; layer < map.layers; ++layer) {
        for (int token = 0; token < map.tokens; ++token)
            picture.setPixelColor(token, map.layers - 1 - layer, map.color(map.at(layer, token)));
    }
    // Enlarged here: a reader's program would smooth it.
    const int times = std::max(1, 3000 / map.tokens);
    pen.painter().drawImage(plot.area(),
                            picture.scaled(map.tokens * times, map.layers * std::max(1, 600 / map.layers)));
}

double mapLegendHeight(const Map& map, double width)
{
    const auto entries = entriesOf(map);
    const QString title = quantityName(map.quantity);
    const double scale = map.discrete.empty()
                             ? scaleHeight(title, figureNumber(map.range.low), figureNumber(map.range.high), width)
                             : figureMetrics().height() + 1;
    return scale + legendHeight(entries, width) + kGap;
}

void paintMap(QPainter& painter, QSizeF size, const Map& map)
{
    const FigurePen pen(painter);
    const QString title = quantityName(map.quantity);
    const auto entries = entriesOf(map);
    const double line = figureMetrics().height() + 1;
    double top = 0;
    if (map.discrete.empty()) {
        const QString low = figureNumber(map.range.low);
        const QString high = QString::number(map.range.high, 'g', 3);
        paintScale(pen, {0, 0}, ColorMap::Sequential, title, low, high, size.width());
        top = scaleHeight(title, low, high, size.width());
    } else {
        pen.text({0, 0, size.width(), line}, Qt::AlignLeft | Qt::AlignTop, title);
        top = line;
    }
    paintLegend(pen, {0, top}, entries, size.width());
    top = mapLegendHeight(map, size.width());
    const FigureAxis layers{Text::tr("layer"), {-0.5, map.layers - 0.5}, true};
    const double left = leftRoom(layers, size.height() - top - bottomRoom());
    const FigurePlot plot({left, top, size.width() - left - 1, size.height() - top - bottomRoom()},
                          {Text::tr("token"), {-0.5, map.tokens - 0.5}, true}, layers);
    if (map.tokens * map.layers > kMostCells) paintPicture(pen, map, plot);
    else paintShapes(pen, map, plot);
    plot.paintAxes(pen, false);
    if (map.given > 0 && map.given < map.tokens) {
        const double x = plot.x(map.given - 0.5);
        pen.line({x, plot.area().top()}, {x, plot.area().bottom()}, Qt::white, 3);
        pen.line({x, plot.area().top() - 2}, {x, plot.area().bottom() + 2}, FigurePen::kText, 1.5);
    }
}

/// Of one layer and sub-block over the tokens that were read.
struct Spread {
    double sum = 0;
    int low = std::numeric_limits<int>::max();
    int high = 0;
    int count = 0;
    void add(int width)
    {
        sum += width;
        low = std::min(low, width);
        high = std::max(high, width);
        ++count;
    }
    [[nodiscard]] double mean() const { return count > 0 ? sum / count : 0; }
};

struct LayerSpreads {
    std::vector<Spread> mlp;
    std::vector<Spread> heads;
};

LayerSpreads spreadsOf(const Trace& trace)
{
    const auto layers = static_cast<std::size_t>(trace.layers);
    LayerSpreads spreads{std::vector<Spread>(layers), std::vector<Spread>(layers)};
    for (const TokenRecord& record : trace.records) {
        if (!record.read) continue;
        for (std::size_t layer = 0; layer < std::min({layers, record.mlp.size(), record.heads.size()}); ++layer) {
            spreads.mlp[layer].add(record.mlp[layer]);
            spreads.heads[layer].add(record.heads[layer]);
        }
    }
    return spreads;
}

/// Bars of the mean, a whisker from the narrowest to the widest.
void paintSpreads(const FigurePen& pen, const QRectF& room, const QString& label, const std::vector<Spread>& spreads,
                  int full, const QColor& color)
{
    constexpr double kHalfBar = 0.36;
    const FigureAxis y{label, {0, 1.04 * full}, true}; // room for a whisker's end
    const double left = leftRoom(y, room.height() - bottomRoom());
    const FigurePlot plot(
        {room.left() + left, room.top() + kGap, room.width() - left - 1, room.height() - bottomRoom()},
        {Text::tr("layer"), {-0.6, static_cast<double>(spreads.size()) - 0.4}, true}, y);
    plot.paintAxes(pen, true);
    for (std::size_t layer = 0; layer < spreads.size(); ++layer) {
        const Spread& spread = spreads[layer];
        if (spread.count == 0) continue;
        const auto x = static_cast<double>(layer);
        pen.fill(QRectF(QPointF(plot.x(x - kHalfBar), plot.y(spread.mean())), QPointF(plot.x(x + kHalfBar), plot.y(0))),
                 color);
        if (spread.low == spread.high) continue;
        pen.line({plot.x(x), plot.y(spread.low)}, {plot.x(x), plot.y(spread.high)}, FigurePen::kText, 1);
        for (const int end : {spread.low, spread.high})
            pen.line({plot.x(x - 0.15), plot.y(end)}, {plot.x(x + 0.15), plot.y(end)}, FigurePen::kText, 1);
    }
    pen.frame(plot.area());
}

} // namespace

Figure heatmapFigure(const FigureSource& source)
{
    const Map map = mapOf(source);
    Figure figure;
    figure.data = dataOf(map, source.trace());
    figure.height = [map](double width) {
        const double cells = std::clamp(map.layers * 10.0, 80.0, 320.0);
        return mapLegendHeight(map, width) + cells + bottomRoom();
    };
    figure.paint = [map](QPainter& painter, QSizeF size) { paintMap(painter, size, map); };
    return figure;
}

Figure layersFigure(const FigureSource& source)
{
    const Trace& trace = source.trace();
    const LayerSpreads spreads = spreadsOf(trace);
    Figure figure;
    figure.data.columns = {QStringLiteral("layer"),         QStringLiteral("mlp_mean"),
                           QStringLiteral("mlp_lowest"),    QStringLiteral("mlp_highest"),
                           QStringLiteral("heads_mean"),    QStringLiteral("heads_lowest"),
                           QStringLiteral("heads_highest"), QStringLiteral("tokens")};
    for (std::size_t layer = 0; layer < spreads.mlp.size(); ++layer) {
        const Spread& mlp = spreads.mlp[layer];
        const Spread& heads = spreads.heads[layer];
        if (mlp.count == 0) continue;
        figure.data.rows.push_back({QString::number(layer), figureNumber(mlp.mean()), QString::number(mlp.low),
                                    QString::number(mlp.high), figureNumber(heads.mean()), QString::number(heads.low),
                                    QString::number(heads.high), QString::number(mlp.count)});
    }
    // Beside each other where there is room, else one above the other.
    constexpr double kHigh = 150;
    constexpr double kBeside = 420;
    figure.height = [](double width) { return width >= kBeside ? kHigh : 2 * kHigh + kGap; };
    figure.paint = [spreads, full_mlp = trace.full_mlp, full_heads = trace.full_heads](QPainter& painter, QSizeF size) {
        const FigurePen pen(painter);
        const bool beside = size.width() >= kBeside;
        const double width = beside ? (size.width() - 4 * kGap) / 2 : size.width();
        const double high = beside ? size.height() : (size.height() - kGap) / 2;
        const QPointF second(beside ? width + 4 * kGap : 0, beside ? 0 : high + kGap);
        paintSpreads(pen, {0, 0, width, high - kGap}, Text::tr("MLP neurons, mean"), spreads.mlp, full_mlp,
                     sequentialColor(0.5));
        paintSpreads(pen, {second.x(), second.y(), width, high - kGap}, Text::tr("heads, mean"), spreads.heads,
                     full_heads, sequentialColor(0.25));
    };
    return figure;
}

} // namespace flextron::ui
