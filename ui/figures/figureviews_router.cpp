// Figures of what the routers chose and what it cost.
#include <algorithm>
#include <array>
#include <cmath>

#include <QCoreApplication>

#include "engine/routing/routers.h"
#include "ui/data/layercosts.h"
#include "ui/data/routerdata.h"
#include "ui/figures/figurepen.h"
#include "ui/figures/figureviews.h"
#include "ui/inspect/anatomysketch.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Figures)
};

constexpr double kGap = 4;
constexpr std::array kBlocks{SubBlock::Mlp, SubBlock::Attention};

const char* blockId(SubBlock block)
{
    return block == SubBlock::Mlp ? "mlp" : "heads";
}

int tokenOf(const FigureSource& source)
{
    const int token = source.chosenToken();
    if (token < 0 || !source.trace().records[static_cast<std::size_t>(token)].read)
        throw Failure(ErrorCode::InvalidArgument,
                      Text::tr("token %1 was not read, or is not in the text").arg(source.token).toStdString(),
                      Text::tr("Choose one of the text's tokens before the last.").toStdString());
    return token;
}

/// "token 12 “ dragon”, layer 3"
QString placeText(const Trace& trace, int token, int layer)
{
    const QString text = QString::fromStdString(tokenTexts(trace)[static_cast<std::size_t>(token)]);
    return Text::tr("token %1 “%2”, layer %3")
        .arg(QString::number(token), QString(text).replace(QLatin1Char('\n'), QChar(0x23ce)).trimmed(),
             QString::number(layer));
}

struct Bars {
    QString title;
    QStringList names;
    std::vector<double> shares;
    int used = -1; // index
};

Bars barsOf(const Trace& trace, int token, int layer, SubBlock block)
{
    const auto probabilities = routerProbabilities(trace, token, layer, block);
    const auto& choices = choicesOf(trace, block);
    Bars bars;
    bars.title = block == SubBlock::Mlp ? Text::tr("MLP neurons") : Text::tr("heads");
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
        bars.names << QString::number(choices[i]);
        bars.shares.push_back(probabilities[i]);
        if (choices[i] == usedWidth(trace, token, layer, block)) bars.used = static_cast<int>(i);
    }
    bars.title += Text::tr(": margin %1, entropy %2 nats")
                      .arg(QString::number(double(routerMargin(probabilities)), 'f', 3),
                           QString::number(double(routerEntropy(probabilities)), 'f', 3));
    return bars;
}

double barsHeight(const Bars& bars)
{
    return figureMetrics().height() * (1.3 + 1.25 * static_cast<double>(bars.shares.size())) + kGap;
}

double widestName(const std::vector<Bars>& all)
{
    double widest = 0;
    for (const Bars& bars : all) {
        for (const QString& name : bars.names) widest = std::max(widest, figureMetrics().horizontalAdvance(name));
    }
    return widest;
}

void paintBars(const FigurePen& pen, double top, double width, double names, const Bars& bars)
{
    const QFontMetricsF metrics = figureMetrics();
    const double line = metrics.height();
    pen.text({0, top, width, line}, Qt::AlignLeft | Qt::AlignVCenter, bars.title);
    const double numbers = metrics.horizontalAdvance(QStringLiteral("0.000")) + 2;
    for (std::size_t i = 0; i < bars.shares.size(); ++i) {
        const double y = top + line * (1.3 + 1.25 * static_cast<double>(i));
        const bool used = static_cast<int>(i) == bars.used;
        pen.text({0, y, names, line}, Qt::AlignRight | Qt::AlignVCenter, bars.names[static_cast<int>(i)]);
        const QRectF room(names + kGap, y + 1, width - names - numbers - 3 * kGap, line - 2);
        pen.fill(room, QColor(0xfff0f0ed));
        pen.fill({room.left(), room.top(), room.width() * bars.shares[i], room.height()},
                 used ? FigurePen::kAccent : QColor(0xff9a9ea4));
        pen.text({room.right() + kGap, y, numbers, line}, Qt::AlignRight | Qt::AlignVCenter,
                 QString::number(bars.shares[i], 'f', 3));
    }
}

void requireModel(const FigureSource& source, const QString& why)
{
    if (!source.checkpoint)
        throw Failure(ErrorCode::Unsupported, why.toStdString(),
                      Text::tr("Give --model MODEL, or open the model.").toStdString());
    const auto named = [](const ModelSizes& sizes) {
        return Text::tr("%1 layers, %2 MLP neurons and %3 heads")
            .arg(sizes.layers)
            .arg(sizes.full_mlp)
            .arg(sizes.full_heads);
    };
    const ModelSizes model = source.checkpoint->config().sizes(), trace = source.trace().sizes();
    if (model != trace)
        throw Failure(
            ErrorCode::InvalidArgument,
            Text::tr("the trace is of a model of %1, this one has %2").arg(named(trace), named(model)).toStdString(),
            Text::tr("Give the model that made the trace.").toStdString());
}

void paintBudget(QPainter& painter, QSizeF size, const BudgetLedger& ledger, const std::vector<LegendEntry>& entries)
{
    const FigurePen pen(painter);
    paintLegend(pen, {0, 0}, entries, size.width());
    const double top = legendHeight(entries, size.width()) + kGap;
    double high = ledger.asked;
    for (const double share : ledger.chosen) high = std::isnan(share) ? high : std::max(high, share);
    const auto tokens = static_cast<double>(ledger.chosen.size());
    const FigureAxis y{Text::tr("share of full cost"), {0, 1.05 * high}};
    const double room = size.height() - top - bottomRoom();
    const double left = leftRoom(y, room);
    const FigurePlot plot({left, top, size.width() - left - 1, room}, {Text::tr("token"), {-0.5, tokens - 0.5}, true},
                          y);
    plot.paintAxes(pen, true);
    const double asked = plot.y(ledger.asked);
    pen.line({plot.area().left(), asked}, {plot.area().right(), asked}, entries[2].color, 1.2, Qt::DashLine);
    for (std::size_t i = 0; i < ledger.chosen.size(); ++i) {
        if (std::isnan(ledger.chosen[i])) continue;
        const auto token = static_cast<double>(i);
        pen.line({plot.x(token - 0.5), plot.y(ledger.chosen[i])}, {plot.x(token + 0.5), plot.y(ledger.chosen[i])},
                 entries[0].color, 1);
        if (i == 0 || std::isnan(ledger.running_mean[i - 1])) continue;
        pen.line({plot.x(token - 1), plot.y(ledger.running_mean[i - 1])},
                 {plot.x(token), plot.y(ledger.running_mean[i])}, entries[1].color, 1.5);
    }
}

/// A pane's text, read: what it cost and how well it was foretold.
struct Reading {
    QString name;
    double ms = 0;
    double loss = 0;
    double error = 0;
    int tokens = 0;
};

Reading readingOf(const Trace& trace)
{
    constexpr double kMsPerNs = 1e-6;
    Reading reading;
    reading.name = QString::fromStdString(trace.label.empty() ? trace.routing : trace.label);
    double squares = 0;
    double ms = 0;
    int timed = 0;
    for (const TokenRecord& record : trace.records) {
        if (record.read) {
            ms += record.ns * kMsPerNs;
            ++timed;
        }
        if (std::isnan(record.logprob)) continue;
        reading.loss -= record.logprob;
        squares += static_cast<double>(record.logprob) * record.logprob;
        ++reading.tokens;
    }
    if (reading.tokens == 0 || timed == 0) return reading;
    const double n = reading.tokens;
    reading.loss /= n;
    reading.ms = ms / timed;
    if (reading.tokens > 1)
        reading.error = std::sqrt(std::max(0.0, squares / n - reading.loss * reading.loss) / (n - 1));
    return reading;
}

void paintReadings(QPainter& painter, QSizeF size, const std::vector<Reading>& readings)
{
    const FigurePen pen(painter);
    const auto bounds = [&readings](auto value, auto error) {
        ValueRange range{1e300, -1e300};
        for (const Reading& reading : readings) {
            range.low = std::min(range.low, value(reading) - error(reading));
            range.high = std::max(range.high, value(reading) + error(reading));
        }
        const double room = std::max(0.12 * (range.high - range.low), 1e-6 + 0.01 * std::abs(range.high));
        return ValueRange{range.low - room, range.high + room};
    };
    ValueRange across = bounds([](const Reading& r) { return r.ms; }, [](const Reading&) { return 0.0; });
    across.low = 0;
    const ValueRange up = bounds([](const Reading& r) { return r.loss; }, [](const Reading& r) { return r.error; });
    const FigureAxis y{Text::tr("loss, nats a token"), up};
    const double room = size.height() - kGap - bottomRoom();
    const double left = leftRoom(y, room);
    const FigurePlot plot({left, kGap, size.width() - left - 1, room}, {Text::tr("ms a token, as read"), across}, y);
    plot.paintAxes(pen, true);
    const QFontMetricsF metrics = figureMetrics();
    for (const Reading& reading : readings) {
        const QPointF at(plot.x(reading.ms), plot.y(reading.loss));
        pen.line({at.x(), plot.y(reading.loss - reading.error)}, {at.x(), plot.y(reading.loss + reading.error)},
                 FigurePen::kQuiet, 1);
        painter.setPen(QPen(Qt::white, 0.5));
        painter.setBrush(FigurePen::kAccent);
        painter.drawEllipse(at, 3, 3);
        const double wide = metrics.horizontalAdvance(reading.name) + 1;
        const bool on_the_left = at.x() + 6 + wide > plot.area().right();
        pen.text({on_the_left ? at.x() - 6 - wide : at.x() + 6, at.y() - metrics.height() / 2, wide, metrics.height()},
                 Qt::AlignLeft | Qt::AlignVCenter, reading.name);
    }
}

} // namespace

Figure whyFigure(const FigureSource& source)
{
    const Trace& trace = source.trace();
    const int token = tokenOf(source);
    Figure figure;
    std::vector<Bars> bars;
    figure.data.columns = {QStringLiteral("sub_block"), QStringLiteral("width"), QStringLiteral("probability"),
                           QStringLiteral("used")};
    for (const SubBlock block : kBlocks) {
        if (routerProbabilities(trace, token, source.layer, block).empty()) continue;
        bars.push_back(barsOf(trace, token, source.layer, block));
        for (std::size_t i = 0; i < bars.back().shares.size(); ++i)
            figure.data.rows.push_back({QLatin1String(blockId(block)), bars.back().names[static_cast<int>(i)],
                                        figureNumber(bars.back().shares[i]),
                                        QString::number(static_cast<int>(i) == bars.back().used ? 1 : 0)});
    }
    if (bars.empty())
        throw Failure(ErrorCode::Unsupported, Text::tr("no dynamic router was asked at this token").toStdString(),
                      Text::tr("Take a run with dynamic routing, and a token that it read.").toStdString());
    const QString place = placeText(trace, token, source.layer);
    figure.height = [bars](double) {
        double height = figureMetrics().height() * 1.3;
        for (const Bars& each : bars) height += barsHeight(each);
        return height;
    };
    figure.paint = [bars, place](QPainter& painter, QSizeF size) {
        const FigurePen pen(painter);
        pen.text({0, 0, size.width(), figureMetrics().height()}, Qt::AlignLeft | Qt::AlignVCenter,
                 figureMetrics().elidedText(place, Qt::ElideMiddle, size.width()));
        double top = figureMetrics().height() * 1.3;
        const double names = widestName(bars);
        for (const Bars& each : bars) {
            paintBars(pen, top, size.width(), names, each);
            top += barsHeight(each);
        }
    };
    return figure;
}

Figure budgetFigure(const FigureSource& source)
{
    requireModel(source, Text::tr("the budget needs the model, for what widths cost"));
    const LayerCosts costs(source.checkpoint->config(), source.latency);
    TargetContext context;
    context.config = &source.checkpoint->config();
    context.choices = &source.checkpoint->choices();
    context.latency = source.latency ? &*source.latency : nullptr;
    context.losses = &source.checkpoint->record().losses;
    const BudgetLedger ledger = budgetLedger(source.trace(), costs, dynamicStops(context));
    Figure figure;
    figure.data.columns = {QStringLiteral("token"),        QStringLiteral("id"),           QStringLiteral("text"),
                           QStringLiteral("chosen_share"), QStringLiteral("running_mean"), QStringLiteral("asked")};
    const auto texts = tokenTexts(source.trace());
    for (std::size_t i = 0; i < ledger.chosen.size(); ++i)
        figure.data.rows.push_back({QString::number(i), QString::number(source.trace().records[i].id),
                                    QString::fromStdString(texts[i]), figureNumber(ledger.chosen[i]),
                                    figureNumber(ledger.running_mean[i]), figureNumber(ledger.asked)});
    const auto share = [](double value) { return QString::number(value, 'f', 2); };
    const QString basis = costs.fromTable() ? Text::tr("ms") : Text::tr("FLOPs");
    const std::vector<LegendEntry> entries{
        {QColor(0xff9a9ea4), Text::tr("each token (%1)").arg(basis), true},
        {FigurePen::kAccent, Text::tr("running mean %1").arg(share(ledger.mean.chosen)), true},
        {FigurePen::kCaution, Text::tr("asked %1").arg(share(ledger.asked)), true, Qt::DashLine}};
    figure.height = [entries](double width) { return legendHeight(entries, width) + kGap + 120 + bottomRoom(); };
    figure.paint = [ledger, entries](QPainter& painter, QSizeF size) { paintBudget(painter, size, ledger, entries); };
    return figure;
}

Figure anatomyFigure(const FigureSource& source)
{
    requireModel(source, Text::tr("the anatomy needs the model, for its shapes and importance"));
    const int token = tokenOf(source);
    const Trace& trace = source.trace();
    const AnatomyLayer layer = anatomyLayer(
        *source.checkpoint, source.layer, usedWidth(trace, token, source.layer, SubBlock::Mlp),
        usedWidth(trace, token, source.layer, SubBlock::Attention), source.bytes_per_weight);
    Figure figure;
    figure.data.columns = {QStringLiteral("sub_block"), QStringLiteral("unit"), QStringLiteral("used"),
                           QStringLiteral("importance")};
    const auto add = [&figure](SubBlock block, int units, int used, const std::vector<double>& importance) {
        for (int unit = 0; unit < units; ++unit)
            figure.data.rows.push_back(
                {QLatin1String(block == SubBlock::Mlp ? "neuron" : "group"), QString::number(unit),
                 QString::number(unit < used ? 1 : 0),
                 importance.empty() ? QString() : figureNumber(importance[static_cast<std::size_t>(unit)])});
    };
    add(SubBlock::Mlp, layer.full_mlp, layer.mlp, layer.neuron_importance);
    add(SubBlock::Attention, layer.full_heads / layer.heads_per_group, layer.heads / layer.heads_per_group,
        layer.group_importance);
    const QString place = placeText(trace, token, source.layer);
    const QStringList key{Text::tr("above: K and V; below: Q and O; grey: not read"), Text::tr("curve: importance")};
    figure.height = [](double) { return 150 + kGap + 2 * figureMetrics().height(); };
    figure.paint = [layer, place, key](QPainter& painter, QSizeF paper) {
        const QSizeF size(paper.width(), 150);
        const FigurePen pen(painter);
        const QFontMetricsF metrics = figureMetrics();
        const double line = metrics.height();
        pen.text({0, 0, size.width(), line}, Qt::AlignLeft | Qt::AlignVCenter,
                 metrics.elidedText(place, Qt::ElideMiddle, size.width()));
        const double top = line * 2.6;
        painter.save();
        painter.translate(0, top - line * 1.3);
        const AnatomySketch sketch(layer, {size.width(), size.height() - top + line * 1.3}, line, 0.25);
        sketch.paint(painter, {Qt::white, FigurePen::kText, FigurePen::kQuiet, FigurePen::kAccent});
        painter.restore();
        const QString heads = Text::tr("%1 of %2 heads").arg(layer.heads).arg(layer.full_heads);
        const QString mlp = Text::tr("%1 of %2 neurons").arg(layer.mlp).arg(layer.full_mlp);
        pen.text({0, line * 1.3, size.width() / 2, line}, Qt::AlignLeft | Qt::AlignVCenter, heads);
        const double left = std::max(sketch.mlpRect().left(), metrics.horizontalAdvance(heads) + 2 * kGap);
        pen.text({left, line * 1.3, size.width() - left, line}, Qt::AlignLeft | Qt::AlignVCenter, mlp);
        for (int i = 0; i < key.size(); ++i)
            pen.text({0, size.height() + kGap + i * line, size.width(), line}, Qt::AlignLeft | Qt::AlignVCenter, key[i],
                     FigurePen::kQuiet);
    };
    return figure;
}

Figure paretoFigure(const FigureSource& source)
{
    std::vector<Reading> readings;
    for (const Trace& trace : source.traces) {
        if (trace.ids() != source.trace().ids()) continue;
        readings.push_back(readingOf(trace));
        if (readings.back().tokens == 0) readings.pop_back();
    }
    if (readings.size() < 2)
        throw Failure(ErrorCode::Unsupported,
                      Text::tr("losses can only be held against each other on one text; this trace has fewer than two "
                               "panes that read the same")
                          .toStdString(),
                      Text::tr("Read a text through several panes and save that trace; flextron pareto measures the "
                               "front.")
                          .toStdString());
    Figure figure;
    figure.data.columns = {QStringLiteral("pane"), QStringLiteral("ms_a_token"), QStringLiteral("loss_nats"),
                           QStringLiteral("standard_error"), QStringLiteral("tokens")};
    for (const Reading& reading : readings)
        figure.data.rows.push_back({reading.name, figureNumber(reading.ms), figureNumber(reading.loss),
                                    figureNumber(reading.error), QString::number(reading.tokens)});
    figure.height = [](double width) { return std::min(0.7 * width, 300.0); };
    figure.paint = [readings](QPainter& painter, QSizeF size) { paintReadings(painter, size, readings); };
    return figure;
}

} // namespace flextron::ui
