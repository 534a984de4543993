// A strip under a text: how much was computed for each token.
#pragma once

#include <memory>

#include <QWidget>

#include "ui/data/comparison.h"
#include "ui/data/heatmapdata.h"
#include "ui/data/selection.h"

namespace flextron::ui {

/// A bar a token, from left to right: as high and as bright as the share of the full layers' FLOPs that it took. A
/// click selects the token.
class ComputeRibbon final : public QWidget {
    Q_OBJECT

public:
    ComputeRibbon(PaneSlot slot, EngineService* service, Comparison* comparison, Selection* selection,
                  QWidget* parent = nullptr);

    /// Share of a token, 0 to 1; NaN where it was not read.
    [[nodiscard]] double share(int token) const;

    [[nodiscard]] QSize sizeHint() const override;

private:
    [[nodiscard]] int tokens() const;
    [[nodiscard]] int tokenAt(double x) const;
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    bool event(QEvent* event) override;

    PaneSlot slot_;
    Comparison* comparison_;
    Selection* selection_;
    std::unique_ptr<LayerShares> shares_;
};

} // namespace flextron::ui
