// What the heatmap's colours mean: a swatch a value, or a strip with its ends.
#pragma once

#include <vector>

#include <QWidget>

#include "ui/heatmapdata.h"

namespace flextron::ui {

class ColorLegend final : public QWidget {
    Q_OBJECT

public:
    explicit ColorLegend(QWidget* parent = nullptr);

    /// `values` empty: a continuous strip over `range`.
    void setScale(Quantity quantity, ValueRange range, std::vector<double> values);

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

private:
    void paintEvent(QPaintEvent* event) override;
    void paintSwatches(QPainter& painter) const;
    void paintStrip(QPainter& painter) const;
    [[nodiscard]] double swatch() const;

    Quantity quantity_ = Quantity::MlpWidth;
    ValueRange range_;
    std::vector<double> values_;
};

} // namespace flextron::ui
