// A combo box that may be narrower than what it shows.
#pragma once

#include <QComboBox>

namespace flextron::ui {

/// Shortened with "…" where there is no room; its list shows everything.
class ElidedBox final : public QComboBox {
    Q_OBJECT

public:
    using QComboBox::QComboBox;
    [[nodiscard]] QSize minimumSizeHint() const override;

private:
    void paintEvent(QPaintEvent* event) override;
};

} // namespace flextron::ui
