// What the status bar says, in labels that give way when the window is narrow.
#pragma once

#include <QLabel>

namespace flextron::ui {

/// One line; shortened with "…" where there is no room, whole in the tool tip (unless that has been given a text of
/// its own) and for assistive technology.
class ElidedLabel final : public QLabel {
    Q_OBJECT

public:
    explicit ElidedLabel(QWidget* parent = nullptr);
    void setFullText(const QString& text);
    [[nodiscard]] const QString& fullText() const { return full_; }
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] QSize sizeHint() const override;

private:
    void resizeEvent(QResizeEvent* event) override;
    void elide();
    QString full_;
};

} // namespace flextron::ui
