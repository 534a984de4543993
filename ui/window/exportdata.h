// What is on the screen as what reports and figures are made of.
#pragma once

#include "engine/report/report.h"
#include "ui/data/baseline.h"
#include "ui/data/comparison.h"
#include "ui/figures/figureviews.h"

namespace flextron::ui {

class FileActions;
class MainWindow;

/// What all panes wrote and what was measured of them, without a model: any thread may add what the model knows.
Report reportOf(const Comparison& comparison, const Baseline& baseline, const FileActions& files,
                const ModelInfoPtr& model);
/// The model's configuration and vocabulary, where it is the one that made the traces. Reads a sample of its weights.
void addModel(Report& report, const ModelInfoPtr& model);

/// The selected pane, token and layer (else the live pane, or the one that has a text), with the quantities that the
/// heatmap and the texts show now. No traces where nothing was run.
FigureSource figureSourceOf(const MainWindow& window);

} // namespace flextron::ui
