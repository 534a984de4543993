// A router's probabilities over its choices, a bar each, the one that was used marked.
#pragma once

#include <vector>

#include <QWidget>

namespace flextron::ui {

class ChoiceBars final : public QWidget {
    Q_OBJECT

public:
    explicit ChoiceBars(QWidget* parent = nullptr);

    /// `used` is an entry of `choices`, or not (forced by hand: then no bar is marked). No probabilities: no bars.
    void setChoices(const std::vector<int>& choices, const std::vector<float>& probabilities, int used);
    [[nodiscard]] const std::vector<float>& probabilities() const { return probabilities_; }

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

private:
    void paintEvent(QPaintEvent* event) override;

    std::vector<int> choices_;
    std::vector<float> probabilities_;
    int used_ = -1;
};

} // namespace flextron::ui
