// What colours mean: a swatch a value, or a strip with its ends.
#pragma once

#include <functional>
#include <vector>

#include <QWidget>

#include "ui/data/heatmapdata.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

class ColorLegend final : public QWidget {
    Q_OBJECT

public:
    explicit ColorLegend(QWidget* parent = nullptr);

    using Say = std::function<QString(double value)>;
    /// `values` empty: a continuous strip over `range`. `say` writes a value with its unit.
    void setScale(ColorMap map, ValueRange range, std::vector<double> values, Say say);

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

private:
    void paintEvent(QPaintEvent* event) override;
    void paintSwatches(QPainter& painter) const;
    void paintStrip(QPainter& painter) const;
    [[nodiscard]] double swatch() const;
    [[nodiscard]] QString say(double value) const;

    ColorMap map_ = ColorMap::Sequential;
    Say say_;
    ValueRange range_;
    std::vector<double> values_;
};

} // namespace flextron::ui
