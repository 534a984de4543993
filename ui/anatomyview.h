// Anatomy: one layer drawn to scale, what a token reads of it in colour, the rest in grey.
#pragma once

#include <optional>

#include <QLabel>
#include <QSpinBox>
#include <QWidget>

#include "ui/anatomydata.h"
#include "ui/colorlegend.h"
#include "ui/inspected.h"
#include "ui/statusline.h"

namespace flextron::ui {

/// Areas are bytes: attention left, the MLP right. In attention K and V above, Q and O below, a column a key/value
/// group; in the MLP a column a neuron. Units stand in their order, by importance where the model was sorted; the curve
/// over them is importance.
class AnatomyDrawing final : public QWidget {
    Q_OBJECT

public:
    struct Layer {
        int heads = 0;
        int full_heads = 0;
        int heads_per_group = 1;
        int mlp = 0;
        int full_mlp = 0;
        LayerBytes full_bytes;
        std::vector<double> group_importance; ///< relative; empty when never measured
        std::vector<double> neuron_importance;
    };
    explicit AnatomyDrawing(QWidget* parent = nullptr);
    void setLayer(Layer layer);
    [[nodiscard]] const Layer& layer() const { return layer_; }
    /// Rectangles of the two sub-blocks, without the room for the curves.
    [[nodiscard]] QRectF attentionRect() const;
    [[nodiscard]] QRectF mlpRect() const;

    [[nodiscard]] QSize sizeHint() const override;

private:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;
    void paintAttention(QPainter& painter) const;
    void paintMlp(QPainter& painter) const;
    void paintUnits(QPainter& painter, const QRectF& area, int used, int units,
                    const std::vector<double>& importance) const;
    void paintCut(QPainter& painter, const QRectF& area, double share) const;
    void paintCurve(QPainter& painter, const QRectF& area, const std::vector<double>& importance) const;
    [[nodiscard]] QString hint(QPointF point) const;
    [[nodiscard]] double curveHeight() const;

    Layer layer_;
};

class AnatomyView final : public QWidget {
    Q_OBJECT

public:
    AnatomyView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] AnatomyDrawing* drawing() const { return drawing_; }
    [[nodiscard]] QString summary() const { return summary_->fullText(); }

private:
    QWidget* makeContent();
    void setModel(const ModelInfoPtr& model);
    void refresh();
    /// Widths to draw and whose they are.
    struct Shown {
        int mlp = 0;
        int heads = 0;
        QString of;
    };
    [[nodiscard]] Shown shown(int layer) const;

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    StatePage* page_ = nullptr;
    QSpinBox* layer_box_ = nullptr;
    ElidedLabel* summary_ = nullptr;
    QLabel* note_ = nullptr;
    AnatomyDrawing* drawing_ = nullptr;
};

} // namespace flextron::ui
