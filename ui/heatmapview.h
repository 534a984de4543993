// The heatmap: tokens along, layers up, drawn column by column from the records of the run that is seen beside it.
#pragma once

#include <memory>

#include <QComboBox>
#include <QLabel>
#include <QWidget>

#include "ui/colorlegend.h"
#include "ui/comparison.h"
#include "ui/heatmapdata.h"
#include "ui/selection.h"
#include "ui/statepage.h"

class QCPColorMap;
class QCPItemRect;
class QCPItemStraightLine;
class QCustomPlot;

namespace flextron::ui {

class HeatmapView final : public QWidget {
    Q_OBJECT

public:
    HeatmapView(EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
                QWidget* parent = nullptr);
    ~HeatmapView() override;

    [[nodiscard]] QCustomPlot* plot() const { return plot_; }
    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QString readout() const { return readout_->text(); }
    [[nodiscard]] QString note() const { return note_->text(); }
    void setQuantity(Quantity quantity);
    /// NaN where nothing is drawn.
    [[nodiscard]] double drawnValue(int token, int layer) const;
    void resetZoom();

private:
    QWidget* makeContent();
    void makePlot();
    void listPanes();
    [[nodiscard]] const PaneData& pane() const { return comparison_->pane(slot_); }
    [[nodiscard]] const Trace& trace() const { return pane().trace; }
    void rebuild();
    void drawColumns(int first);
    [[nodiscard]] QString noteText() const;
    void updateScale();
    void updateFrame();
    void updateTicks();
    void updateState();
    void updateMarks();
    void showCell(int token, int layer);
    void select(int token, int layer, bool extend);
    bool eventFilter(QObject* watched, QEvent* event) override;
    bool handleKey(int key, bool extend);
    void changeEvent(QEvent* event) override;
    void updateColors();

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    QAction* run_action_;
    PaneSlot slot_ = PaneSlot::Live;
    Quantity quantity_ = Quantity::MlpWidth;
    std::unique_ptr<LayerShares> shares_;
    ValueRange range_;
    bool zoomed_ = false;
    QPoint press_;

    QComboBox* pane_box_ = nullptr;
    QComboBox* quantity_box_ = nullptr;
    ColorLegend* legend_ = nullptr;
    QLabel* note_ = nullptr;
    QLabel* readout_ = nullptr;
    QCustomPlot* plot_ = nullptr;
    StatePage* page_ = nullptr;
    QCPColorMap* map_ = nullptr; // owned by plot_, as are the next eight
    QCPItemRect* column_ = nullptr;
    QCPItemRect* column_rim_ = nullptr;
    QCPItemRect* cursor_ = nullptr;
    QCPItemRect* cursor_rim_ = nullptr;
    QCPItemStraightLine* prompt_end_ = nullptr;
    QCPItemStraightLine* prompt_rim_ = nullptr;
    QCPItemStraightLine* split_ = nullptr;
    QCPItemStraightLine* split_rim_ = nullptr;
};

} // namespace flextron::ui
