// Something that went wrong with a file, or that waits for an answer: said in the window, never in its way.
#pragma once

#include <functional>

#include <QFrame>
#include <QLabel>
#include <QPushButton>

#include "ui/service/rundata.h"

namespace flextron::ui {

class NoticeBar final : public QFrame {
    Q_OBJECT

public:
    explicit NoticeBar(QWidget* parent = nullptr);

    /// What, why, what to do.
    void showError(const QString& title, const flextron::Error& error);
    /// A question that can be left unanswered.
    void ask(const QString& text, const QString& button, std::function<void()> answer);
    [[nodiscard]] QString text() const { return isHidden() ? QString() : text_->text(); }
    [[nodiscard]] QPushButton* button() const { return answer_button_; }

private:
    void changeEvent(QEvent* event) override;
    void updateColors();

    QLabel* text_;
    QPushButton* answer_button_;
    QPushButton* copy_;
    std::function<void()> answer_;
};

} // namespace flextron::ui
