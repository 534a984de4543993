#include "ui/figures/figureviews.h"

#include <QCoreApplication>

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Figures)
};

constexpr std::array kIds{"heatmap", "layers", "text", "why", "budget", "anatomy", "pareto"};
static_assert(kIds.size() == kFigureViews.size());

} // namespace

QString figureViewId(FigureView view)
{
    return QLatin1String(kIds[static_cast<std::size_t>(view)]);
}

std::optional<FigureView> parseFigureView(const QString& id)
{
    for (const FigureView view : kFigureViews) {
        if (figureViewId(view) == id) return view;
    }
    return std::nullopt;
}

QString figureViewName(FigureView view)
{
    switch (view) {
    case FigureView::Heatmap: return Text::tr("Heatmap of layers and tokens");
    case FigureView::Layers: return Text::tr("Mean widths by layer");
    case FigureView::Text: return Text::tr("Coloured text");
    case FigureView::Why: return Text::tr("Why this choice");
    case FigureView::Budget: return Text::tr("Budget by token");
    case FigureView::Anatomy: return Text::tr("Anatomy of a layer");
    case FigureView::Pareto: return Text::tr("Loss against time");
    }
    return {};
}

int FigureSource::chosenToken() const
{
    const auto& records = trace().records;
    if (token >= 0) return token < static_cast<int>(records.size()) ? token : -1;
    int last_read = -1;
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (!records[i].read) continue;
        last_read = static_cast<int>(i);
        if (!records[i].given) break;
    }
    return last_read;
}

Result<Figure> makeFigure(FigureView view, const FigureSource& source)
{
    return guarded([&] {
        if (source.pane >= source.traces.size() || source.trace().records.empty() || source.trace().layers < 1)
            throw Failure(ErrorCode::InvalidArgument, Text::tr("there are no tokens to draw").toStdString(),
                          Text::tr("Write or read a text first.").toStdString());
        if (source.layer < 0 || source.layer >= source.trace().layers)
            throw Failure(ErrorCode::InvalidArgument,
                          Text::tr("layer %1: the trace has layers 0 to %2")
                              .arg(source.layer)
                              .arg(source.trace().layers - 1)
                              .toStdString(),
                          Text::tr("Choose one of these.").toStdString());
        Figure figure;
        switch (view) {
        case FigureView::Heatmap: figure = heatmapFigure(source); break;
        case FigureView::Layers: figure = layersFigure(source); break;
        case FigureView::Text: figure = textFigure(source); break;
        case FigureView::Why: figure = whyFigure(source); break;
        case FigureView::Budget: figure = budgetFigure(source); break;
        case FigureView::Anatomy: figure = anatomyFigure(source); break;
        case FigureView::Pareto: figure = paretoFigure(source); break;
        }
        figure.view = figureViewId(view);
        if (figure.title.isEmpty()) figure.title = figureViewName(view);
        return figure;
    });
}

} // namespace flextron::ui
