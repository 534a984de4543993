// The views that can be printed, each from a trace; what it needs beyond that, it says.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/error.h"
#include "engine/generate/trace.h"
#include "engine/latency/latency_table.h"
#include "engine/model/checkpoint.h"
#include "ui/data/heatmapdata.h"
#include "ui/data/tokendata.h"
#include "ui/figures/figure.h"

namespace flextron::ui {

enum class FigureView { Heatmap, Layers, Text, Why, Budget, Anatomy, Pareto };
inline constexpr std::array kFigureViews{FigureView::Heatmap, FigureView::Layers,  FigureView::Text,  FigureView::Why,
                                         FigureView::Budget,  FigureView::Anatomy, FigureView::Pareto};
/// "heatmap": on the command line and in files.
QString figureViewId(FigureView view);
std::optional<FigureView> parseFigureView(const QString& id);
/// For a person.
QString figureViewName(FigureView view);

/// What figures are drawn from.
struct FigureSource {
    std::vector<Trace> traces; ///< of a run, or of several that read one text
    std::size_t pane = 0;
    std::optional<Trace> full; ///< what the full model makes of the pane's text: for differences
    int token = -1;            ///< of Why and Anatomy; -1: the first one that was written and read
    int layer = 0;
    Quantity quantity = Quantity::MlpWidth;            ///< of Heatmap
    TokenQuantity coloring = TokenQuantity::Surprisal; ///< of Text
    std::shared_ptr<const Checkpoint> checkpoint;      ///< the model's: for costs and importance; may be null
    std::optional<LatencyTable> latency;               ///< else costs are FLOPs
    int bytes_per_weight = 2;

    [[nodiscard]] const Trace& trace() const { return traces[pane]; }
    /// `token`, or what it stands for; -1 where nothing was read.
    [[nodiscard]] int chosenToken() const;
};

/// Unsupported, with what is missing, where the source does not have what the view needs.
Result<Figure> makeFigure(FigureView view, const FigureSource& source);

// Each view by itself. They throw Failure.
Figure heatmapFigure(const FigureSource& source);
Figure layersFigure(const FigureSource& source);
Figure textFigure(const FigureSource& source);
Figure whyFigure(const FigureSource& source);
Figure budgetFigure(const FigureSource& source);
Figure anatomyFigure(const FigureSource& source);
Figure paretoFigure(const FigureSource& source);

} // namespace flextron::ui
