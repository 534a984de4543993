#include "app/figures.h"

#include <QCommandLineParser>
#include <QLocale>

#include "engine/generate/loaded_model.h"
#include "ui/figures/figurefile.h"

namespace flextron::app {

namespace {

using namespace flextron::ui;

template <class Value, std::size_t N>
Value named(const std::array<std::pair<const char*, Value>, N>& names, const QString& name, const char* option)
{
    for (const auto& [id, value] : names) {
        if (name == QLatin1String(id)) return value;
    }
    throw Failure(ErrorCode::InvalidArgument, std::string(option) + ": there is no \"" + name.toStdString() + "\"",
                  "flextron render --help tells what there is");
}

constexpr std::array kQuantities{std::pair("mlp", Quantity::MlpWidth), std::pair("heads", Quantity::Heads),
                                 std::pair("compute", Quantity::ComputeShare),
                                 std::pair("time", Quantity::Milliseconds)};
constexpr std::array kColorings{
    std::pair("probability", TokenQuantity::Probability),   std::pair("surprisal", TokenQuantity::Surprisal),
    std::pair("difference", TokenQuantity::LossDifference), std::pair("compute", TokenQuantity::Compute),
    std::pair("time", TokenQuantity::Milliseconds),         std::pair("margin", TokenQuantity::Margin)};

std::size_t paneOf(const std::vector<Trace>& traces, const QString& pane)
{
    if (pane.isEmpty()) return traces.size() - 1;
    std::string labels;
    for (std::size_t i = 0; i < traces.size(); ++i) {
        if (traces[i].label == pane.toStdString()) return i;
        labels += (i > 0 ? ", " : "") + traces[i].label;
    }
    bool number = false;
    const uint index = pane.toUInt(&number);
    if (number && index < traces.size()) return index;
    throw Failure(ErrorCode::NotFound, "the trace has no pane \"" + pane.toStdString() + "\"",
                  "its panes are " + labels + "; or give a number from 0 to " + std::to_string(traces.size() - 1));
}

/// The model's shapes and importance; its weights are not loaded.
void addModel(FigureSource& source, const std::string& model)
{
    const Trace& trace = source.trace();
    const auto checkpoint = Checkpoint::open(findModel(model).orThrow()).orThrow();
    if (const auto hash = modelHash(*checkpoint); hash != trace.model_hash)
        throw Failure(ErrorCode::InvalidArgument,
                      "the trace was made by " + trace.model + " (hash " + trace.model_hash + "), not by " + model +
                          " (hash " + hash + ")",
                      "give the model that made the trace");
    source.checkpoint = checkpoint;
    if (trace.backend.find("f32") != std::string::npos) source.bytes_per_weight = 4;
    if (trace.latency_table.empty()) return;
    if (auto table = readLatencyTable(latencyTablePath(trace.latency_table)); table.ok())
        source.latency = std::move(table).value();
}

QCommandLineOption option(const char* name)
{
    return {QLatin1String(name), {}, QStringLiteral("VALUE")};
}

} // namespace

Result<QStringList> renderFigure(const QStringList& arguments)
{
    return guarded([&] {
        QLocale::setDefault(QLocale::c()); // what goes to a file reads the same everywhere
        QCommandLineParser parser;
        for (const char* name :
             {"render", "trace", "out", "width", "layer", "token", "pane", "quantity", "colour", "model", "command"})
            parser.addOption(option(name));
        parser.addOption(QCommandLineOption(QStringLiteral("no-data")));
        if (!parser.parse(QStringList{QStringLiteral("flextron")} + arguments))
            throw Failure(ErrorCode::InvalidArgument, parser.errorText().toStdString(),
                          "flextron render --help tells what there is");
        const auto value = [&parser](const char* name) { return parser.value(QLatin1String(name)); };
        const auto view = parseFigureView(value("render"));
        if (!view)
            throw Failure(ErrorCode::InvalidArgument, "there is no view \"" + value("render").toStdString() + "\"",
                          "flextron render --help tells what there is");
        FigureSource source;
        source.traces = readTraces(value("trace").toStdString()).orThrow();
        if (source.traces.empty())
            throw Failure(ErrorCode::InvalidArgument, value("trace").toStdString() + ": the trace is empty");
        source.pane = paneOf(source.traces, value("pane"));
        for (const Trace& trace : source.traces) {
            if (trace.label == "full" && !source.full) source.full = trace;
        }
        if (!value("quantity").isEmpty()) source.quantity = named(kQuantities, value("quantity"), "--quantity");
        if (!value("colour").isEmpty()) source.coloring = named(kColorings, value("colour"), "--colour");
        if (!value("token").isEmpty()) source.token = value("token").toInt();
        source.layer = value("layer").toInt();
        if (!value("model").isEmpty()) addModel(source, value("model").toStdString());
        FigureFile file{value("out")};
        if (!value("width").isEmpty()) file.width_mm = value("width").toDouble();
        file.with_data = !parser.isSet(QStringLiteral("no-data"));
        const Figure figure = makeFigure(*view, source).orThrow();
        return writeFigureFiles(figure, file, figureOrigin(source, value("command"))).orThrow();
    });
}

} // namespace flextron::app
