// The numbers in a colour map's cells, where the cells are large enough to hold them.
#pragma once

#include <functional>

#include <qcustomplot.h>

#include "ui/parts/colors.h"

namespace flextron::ui {

class CellTexts final : public QCPAbstractItem {
    Q_OBJECT

public:
    /// Drawn over `map`, on the plot's current layer.
    explicit CellTexts(QCPColorMap* map);

    void setText(std::function<QString(double value)> text) { text_ = std::move(text); }
    void setColorMap(ColorMap colors) { colors_ = colors; }
    /// Pixels that a cell needs, for the widest text that the map's range can have.
    [[nodiscard]] QSizeF needed() const;
    /// The cells are large enough at the present zoom.
    [[nodiscard]] bool fits() const;

    double selectTest(const QPointF&, bool, QVariant*) const override { return -1; }

private:
    void draw(QCPPainter* painter) override;
    [[nodiscard]] QFont cellFont() const;

    QCPColorMap* map_;
    ColorMap colors_ = ColorMap::Sequential;
    std::function<QString(double)> text_;
};

} // namespace flextron::ui
