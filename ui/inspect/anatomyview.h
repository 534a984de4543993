// Anatomy: one layer drawn to scale, what a token reads of it in colour, the rest in grey.
#pragma once

#include <optional>

#include <QLabel>
#include <QSpinBox>
#include <QWidget>

#include "ui/compare/colorlegend.h"
#include "ui/inspect/anatomysketch.h"
#include "ui/inspect/inspected.h"
#include "ui/parts/statusline.h"

namespace flextron::ui {

/// An AnatomySketch that says what a unit is under the pointer.
class AnatomyDrawing final : public QWidget {
    Q_OBJECT

public:
    explicit AnatomyDrawing(QWidget* parent = nullptr);
    void setLayer(AnatomyLayer layer);
    [[nodiscard]] const AnatomyLayer& layer() const { return layer_; }
    [[nodiscard]] QRectF attentionRect() const { return sketch().attentionRect(); }
    [[nodiscard]] QRectF mlpRect() const { return sketch().mlpRect(); }

    [[nodiscard]] QSize sizeHint() const override;

private:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;
    [[nodiscard]] AnatomySketch sketch() const;
    [[nodiscard]] QString hint(QPointF point) const;

    AnatomyLayer layer_;
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
