// How tokens are drawn, and when a text ends.
#pragma once

#include <QDoubleSpinBox>
#include <QLineEdit>
#include <QSpinBox>
#include <QWidget>

#include "ui/data/comparison.h"

namespace flextron::ui {

class SamplingPanel final : public QWidget {
    Q_OBJECT

public:
    explicit SamplingPanel(Comparison* comparison, QWidget* parent = nullptr);

    /// Puts the panel's settings into `inputs`; the prompt stays.
    void apply(RunInputs& inputs) const;
    /// The seed stands in the tool bar as well as everything else here: one widget, placed by the window.
    [[nodiscard]] QSpinBox* seed() const { return seed_; }
    [[nodiscard]] QSpinBox* maxTokens() const { return max_tokens_; }

signals:
    void edited();

private:
    void show(const RunInputs& inputs);

    QSpinBox* seed_;
    std::uint64_t shown_seed_ = 0; ///< may be larger than the box can hold
    QSpinBox* max_tokens_;
    QDoubleSpinBox* temperature_;
    QSpinBox* top_k_;
    QDoubleSpinBox* top_p_;
    QDoubleSpinBox* min_p_;
    QDoubleSpinBox* penalty_;
    QLineEdit* stop_text_;
};

} // namespace flextron::ui
