// The drawing of one layer, wherever it is painted: on the screen, in a figure.
#pragma once

#include <QColor>
#include <QPainter>
#include <QRectF>
#include <QSizeF>

#include "ui/data/anatomydata.h"

namespace flextron::ui {

/// Areas are bytes: attention left, the MLP right. In attention K and V above, Q and O below, a column a key/value
/// group; in the MLP a column a neuron. Units stand in their order, by importance where the model was sorted; the curve
/// over them is importance.
class AnatomySketch {
public:
    struct Inks {
        QColor ground;
        QColor text;
        QColor quiet;
        QColor accent;
    };
    /// `line`: height of a line of text. `pixel`: the narrowest column worth painting.
    AnatomySketch(const AnatomyLayer& layer, QSizeF size, double line, double pixel)
        : layer_(layer)
        , size_(size)
        , line_(line)
        , pixel_(pixel)
    {
    }
    /// Rectangles of the two sub-blocks, without the room for the curves.
    [[nodiscard]] QRectF attentionRect() const;
    [[nodiscard]] QRectF mlpRect() const;
    void paint(QPainter& painter, const Inks& inks) const;

private:
    void paintAttention(QPainter& painter, const Inks& inks) const;
    void paintMlp(QPainter& painter, const Inks& inks) const;
    void paintUnits(QPainter& painter, const Inks& inks, const QRectF& area, int used,
                    const std::vector<double>& importance, int units) const;
    void paintCut(QPainter& painter, const Inks& inks, const QRectF& area, double share) const;
    void paintCurve(QPainter& painter, const Inks& inks, const QRectF& area,
                    const std::vector<double>& importance) const;
    [[nodiscard]] double curveHeight() const;

    const AnatomyLayer& layer_;
    QSizeF size_;
    double line_;
    double pixel_;
};

} // namespace flextron::ui
