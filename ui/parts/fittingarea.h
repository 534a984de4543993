// Controls that may need more height than a small screen has: then they are scrolled.
#pragma once

#include <QScrollArea>

namespace flextron::ui {

/// As wide as its content needs.
class FittingArea final : public QScrollArea {
    Q_OBJECT

public:
    /// Takes the content over. Asks for the height that it needs, but not for more than `most_of_screen` of the
    /// screen's.
    explicit FittingArea(QWidget* content, double most_of_screen, QWidget* parent = nullptr);
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] QSize sizeHint() const override;

private:
    double most_of_screen_;
    [[nodiscard]] int neededHeight() const;
    bool eventFilter(QObject* watched, QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
};

} // namespace flextron::ui
