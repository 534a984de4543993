// The heatmap's panel: what is drawn, of which pane, as a map or as a table; it reads the run that is seen beside it.
#pragma once

#include <memory>

#include <QComboBox>
#include <QLabel>
#include <QStackedWidget>
#include <QToolButton>
#include <QWidget>

#include "ui/compare/colorlegend.h"
#include "ui/data/baseline.h"
#include "ui/data/cellgrid.h"
#include "ui/data/selection.h"
#include "ui/inspect/heatmapplot.h"
#include "ui/inspect/tokentable.h"
#include "ui/parts/statepage.h"
#include "ui/parts/statusline.h"

namespace flextron::ui {

class HeatmapView final : public QWidget {
    Q_OBJECT

public:
    HeatmapView(EngineService* service, Comparison* comparison, Selection* selection, Baseline* baseline,
                QAction* run_action, QWidget* parent = nullptr);
    ~HeatmapView() override;

    [[nodiscard]] HeatmapPlot* plot() const { return plot_; }
    [[nodiscard]] TokenTable* table() const { return table_; }
    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QString readout() const { return readout_->fullText(); }
    [[nodiscard]] QString note() const { return note_->fullText(); }
    /// What the window lists in its menus.
    [[nodiscard]] QList<QAction*> viewActions() const;
    void setQuantity(Quantity quantity);
    [[nodiscard]] Quantity quantity() const { return quantity_; }
    /// NaN where nothing is drawn.
    [[nodiscard]] double drawnValue(int token, int layer) const { return plot_->drawnValue(token, layer); }
    void resetZoom() { plot_->resetZoom(); }

private:
    void makeActions();
    QWidget* makeContent();
    QWidget* makeBar();
    void connectPlot();
    void connectData();
    void listPanes();
    [[nodiscard]] const PaneData& pane() const { return comparison_->pane(slot_); }
    [[nodiscard]] const Trace& trace() const { return pane().trace; }
    [[nodiscard]] GridSource gridSource() const;
    [[nodiscard]] TokenSource tokenSource() const;
    void rebuild();
    void drawColumns(int first);
    void followBaseline();
    [[nodiscard]] QString noteText() const;
    void updateScale();
    [[nodiscard]] QString cellNumber(double value) const;
    void updateState();
    void updateActions();
    void updateMarks();
    void showCell(int token, int layer);
    void select(int token, int layer, bool extend);
    void switchToDynamic();

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    Baseline* baseline_;
    QAction* run_action_;
    QAction* table_action_ = nullptr;
    QAction* difference_action_ = nullptr;
    QAction* same_text_action_ = nullptr;
    QAction* dynamic_action_ = nullptr;
    PaneSlot slot_ = PaneSlot::Live;
    Quantity quantity_ = Quantity::MlpWidth;
    std::unique_ptr<LayerShares> shares_;
    CellGrid grid_;
    Baseline::View compared_with_;
    int compared_ = 0; // tokens that could be compared when last drawn

    QComboBox* pane_box_ = nullptr;
    QComboBox* quantity_box_ = nullptr;
    ColorLegend* legend_ = nullptr;
    ElidedLabel* note_ = nullptr;
    ElidedLabel* readout_ = nullptr;
    QStackedWidget* twins_ = nullptr;
    HeatmapPlot* plot_ = nullptr;
    TokenTableModel* table_model_ = nullptr;
    TokenTable* table_ = nullptr;
    StatePage* page_ = nullptr;
};

} // namespace flextron::ui
