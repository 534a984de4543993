// A slider over a target: a hollow handle where the user asks, a solid one where the engine is.
#pragma once

#include <optional>
#include <vector>

#include <QSlider>

namespace flextron::ui {

/// A QSlider for keyboard and screen readers, drawn anew: the stretch below the floor is hatched and cannot be reached,
/// ticks stand at what can be had. Arrow keys go from tick to tick.
class TargetSlider final : public QSlider {
    Q_OBJECT

public:
    explicit TargetSlider(QWidget* parent = nullptr);

    /// Up to `maximum`; `ticks` ascending, the first one is the floor, the last one `maximum`. A little of what lies
    /// below the floor is shown, so that the reachable part has the room.
    void setScale(double maximum, std::vector<double> ticks, const QString& floor_text, const QString& full_text);
    /// What the user asks for. Emits nothing.
    void setRequested(double value);
    [[nodiscard]] double requested() const { return requested_; }
    /// What the engine runs; none before the first run.
    void setRunning(std::optional<double> value);
    [[nodiscard]] std::optional<double> running() const { return running_; }
    /// Draws the part below full as something to be careful with.
    void setCautious(bool cautious);
    [[nodiscard]] bool cautious() const { return cautious_; }

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    /// While the mouse or a held key moves it.
    void dragged(double value);
    /// Let go.
    void committed(double value);

private:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void keyReleaseEvent(QKeyEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;

    [[nodiscard]] double handleRadius() const;
    [[nodiscard]] double xOf(double value) const;
    [[nodiscard]] double valueAt(double x) const;
    [[nodiscard]] QRectF groove() const;
    [[nodiscard]] double keyTarget(int key) const;
    void move(double value);
    void drawTicks(QPainter& painter) const;

    double maximum_value_ = 1.0;
    double origin_ = 0.0; // value at the left end
    std::vector<double> ticks_{0.0, 1.0};
    QString floor_text_;
    QString full_text_;
    double requested_ = 1.0;
    std::optional<double> running_;
    bool cautious_ = false;
    bool own_change_ = false; // QSlider's value follows requested_: not a user's doing
    bool key_held_ = false;
};

} // namespace flextron::ui
