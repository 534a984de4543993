// Shares of the routers' choices, a stacked bar a layer and sub-block, narrow to wide from dark to light.
#pragma once

#include <QAbstractScrollArea>

#include "ui/jobs/corpusdata.h"

namespace flextron::ui {

class CorpusBars final : public QAbstractScrollArea {
    Q_OBJECT

public:
    explicit CorpusBars(QWidget* parent = nullptr);
    /// `others`: of a second set of routers on the same text and stop, drawn under each bar; may be empty.
    void setRows(std::vector<CorpusRow> rows, std::vector<CorpusRow> others);
    [[nodiscard]] int current() const { return current_; }
    /// "Layer 3, MLP: 192 for 97.0 %, ... entropy 0.143, margin 0.540"
    [[nodiscard]] QString rowText(int row) const;
    [[nodiscard]] QSize sizeHint() const override;

signals:
    /// By mouse or keyboard.
    void rowChosen(int layer);

private:
    struct Measures {
        int line = 0;
        int label = 0;
        int numbers = 0;
    };
    [[nodiscard]] Measures measures() const;
    [[nodiscard]] int rowAt(int y) const;
    void setCurrent(int row);
    void drawBar(QPainter& painter, const QRectF& room, const CorpusRow& row) const;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    void fit();

    std::vector<CorpusRow> rows_;
    std::vector<CorpusRow> others_;
    int current_ = -1;
};

} // namespace flextron::ui
