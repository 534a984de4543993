// The prompt, how many tokens it has, and what the model has read.
#pragma once

#include <QLabel>
#include <QPlainTextEdit>
#include <QToolButton>
#include <QWidget>

#include "ui/service/engineservice.h"
#include "ui/service/throttle.h"

namespace flextron::ui {

class PromptPanel final : public QWidget {
    Q_OBJECT

public:
    explicit PromptPanel(EngineService* service, QWidget* parent = nullptr);

    [[nodiscard]] QString prompt() const { return edit_->toPlainText(); }
    void setPrompt(const QString& prompt) { edit_->setPlainText(prompt); }
    [[nodiscard]] QPlainTextEdit* editor() const { return edit_; }
    [[nodiscard]] QString countText() const { return count_->text(); }
    /// A line under the prompt: what to expect of this model.
    void setHint(const QString& hint);
    void setHintShown(bool shown);
    /// To pick from; none for none.
    void setPrompts(const QStringList& prompts);

signals:
    void promptChanged();

private:
    void showCount(int tokens, const QString& problem);
    void changeEvent(QEvent* event) override;
    void updateColors();
    void updateHeight();

    EngineService* service_;
    QPlainTextEdit* edit_;
    QLabel* count_;
    QLabel* hint_;
    bool hint_shown_ = true;
    QToolButton* pick_;
    Throttle count_throttle_;
};

} // namespace flextron::ui
