// Controls that may need more height than a small screen has: then they are scrolled.
#pragma once

#include <QScrollArea>

namespace flextron::ui {

/// As wide as its content needs, and as high as it has room for, up to a share of the screen; what is more is scrolled.
class FittingArea final : public QScrollArea {
    Q_OBJECT

public:
    enum class Least {
        Width, ///< its content's width is always there
        Little ///< what it needs up to a share of the screen, else a few letters and lines: the rest is scrolled
    };
    /// Takes the content over.
    explicit FittingArea(QWidget* content, Least least = Least::Width, QWidget* parent = nullptr);
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] QSize sizeHint() const override;

private:
    void fit();
    Least least_;
    void resizeEvent(QResizeEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;
};

} // namespace flextron::ui
