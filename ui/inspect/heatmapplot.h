// The heatmap's drawing: the map, the means beside it, cursor, brush, zoom. Knows numbers, not models.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include <QPoint>

#include <qcustomplot.h>

#include "ui/data/cellgrid.h"
#include "ui/parts/celltexts.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

/// What is drawn over the map. -1 and empty = nothing.
struct HeatmapMarks {
    int prompt_tokens = 0;
    std::optional<int> split; ///< first token of another text
    std::set<int> tokens;     ///< selected columns
    int primary = -1;
    int layer = -1;
    std::set<int> layers; ///< of a brush
};

/// Drag brushes, Ctrl and drag pans, the wheel zooms tokens, Ctrl and the wheel layers, a double click shows all.
/// Keys: arrows, Home, End move the cursor, with Shift they extend; + and - zoom, 0 shows all.
class HeatmapPlot final : public QCustomPlot {
    Q_OBJECT

public:
    explicit HeatmapPlot(QWidget* parent = nullptr);

    /// Forgets everything that was drawn.
    void setRoom(int tokens, int layers);
    /// Draws columns from `first` on, and the means.
    void showCells(const CellGrid& grid, int first);
    void setScale(ColorMap map, ValueRange range);
    /// Tokens that are shown unless the user has zoomed.
    void setShownTokens(int tokens);
    void resetZoom();
    void setMarks(const HeatmapMarks& marks);
    /// The text under a column, where there is room.
    void setTokenLabel(std::function<QString(int token)> label) { token_label_ = std::move(label); }
    /// What stands in a cell that is large enough.
    void setCellText(std::function<QString(double value)> text);
    /// Only as many tokens at once as can have their numbers printed, about the selected one or the last one.
    void setPrinted(bool printed);
    [[nodiscard]] bool numbersShown() const { return texts_->fits(); }
    /// Every token alike: the means by layer are the picture, and get the room.
    void setProfile(bool profile);

    /// NaN where nothing is drawn.
    [[nodiscard]] double drawnValue(int token, int layer) const;
    [[nodiscard]] double drawnTokenMean(int token) const;
    [[nodiscard]] double drawnLayerMean(int layer) const;
    [[nodiscard]] bool zoomed() const { return zoomed_; }
    /// Of a cell's middle, in the widget's coordinates.
    [[nodiscard]] QPoint cellPosition(int token, int layer) const;

signals:
    void cellPointed(int token, int layer);
    void pointerLeft();
    void cellClicked(int token, int layer, bool extend);
    void cellsBrushed(int token, int layer, int to_token, int to_layer);
    void cursorMoved(int tokens, int layers, bool extend);

private:
    struct Cell {
        int token = 0;
        int layer = 0;
        bool operator==(const Cell&) const = default;
    };
    void makeMeans();
    void makeMarks();
    void updateFrame();
    void updateTicks();
    void boundRanges();
    void updateColors();
    void zoomTokens(double factor);
    void showBrush(Cell from, Cell to);
    [[nodiscard]] Cell cellAt(QPointF point) const;
    [[nodiscard]] int tokens() const { return map_->data()->keySize(); }
    [[nodiscard]] int layers() const { return map_->data()->valueSize(); }

    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void changeEvent(QEvent* event) override;

    std::function<QString(int)> token_label_;
    int shown_tokens_ = 1;
    bool zoomed_ = false;
    bool profile_ = false;
    std::optional<QPoint> press_; // of a brush
    bool printed_ = false;
    int focus_ = -1; // the selected token; -1 without one
    CellTexts* texts_ = nullptr;
    QCPColorMap* map_ = nullptr; // owned by QCustomPlot, as are all below
    QCPAxisRect* token_rect_ = nullptr;
    QCPAxisRect* layer_rect_ = nullptr;
    QCPGraph* token_means_ = nullptr;
    QCPGraph* layer_means_ = nullptr;
    QCPItemRect* columns_ = nullptr;
    QCPItemRect* columns_rim_ = nullptr;
    QCPItemRect* cursor_ = nullptr;
    QCPItemRect* cursor_rim_ = nullptr;
    QCPItemStraightLine* prompt_end_ = nullptr;
    QCPItemStraightLine* prompt_rim_ = nullptr;
    QCPItemStraightLine* split_ = nullptr;
    QCPItemStraightLine* split_rim_ = nullptr;
};

} // namespace flextron::ui
