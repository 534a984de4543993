// The five states of every panel, in words and with an action.
#pragma once

#include <QElapsedTimer>
#include <QFrame>
#include <QLabel>
#include <QPointer>
#include <QProgressBar>
#include <QPushButton>
#include <QStackedWidget>
#include <QToolButton>
#include <QWidget>

#include "ui/service/rundata.h"

class QAction;
class QPlainTextEdit;

namespace flextron::ui {

/// Says an action's text and key, follows whether it can be used, and triggers it; hidden without one.
class ActionButton final : public QPushButton {
    Q_OBJECT

public:
    explicit ActionButton(QWidget* parent = nullptr);
    void setAction(QAction* action);

private:
    void follow();
    QPointer<QAction> action_;
};

/// Shows either a content widget, perhaps under a banner, or a message in its place. Empty, loading and error replace
/// the content; running and stale leave it visible: what is partly there is worth seeing.
class StatePage final : public QWidget {
    Q_OBJECT

public:
    enum class State { Empty, Loading, Content, Stale, Error };

    explicit StatePage(QWidget* content, QWidget* parent = nullptr);

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] QString message() const { return text_->text(); }

    /// What to do next. `action` (may be null) is offered as a button.
    void showEmpty(const QString& title, const QString& text, QAction* action = nullptr);
    /// Stage, amount and time left as far as they are known; `cancel` as a button.
    void showLoading(const QString& title, const LoadProgress& progress, QAction* cancel = nullptr);
    void showContent();
    /// Content under a banner that says why it is out of date and how to renew it.
    void showStale(const QString& why, QAction* again = nullptr);
    /// What, why, what to do; details to read and to copy.
    void showError(const QString& title, const flextron::Error& error, QAction* again = nullptr);

private:
    QWidget* makeMessagePage();
    QWidget* makeBanner();
    void setMessage(State state, const QString& title, const QString& text, QAction* action);
    void changeEvent(QEvent* event) override;
    void updateColors();

    State state_ = State::Content;
    QStackedWidget* stack_;
    QWidget* banner_ = nullptr;
    QLabel* banner_text_ = nullptr;
    ActionButton* banner_button_ = nullptr;
    QLabel* title_ = nullptr;
    QLabel* text_ = nullptr;
    QProgressBar* progress_ = nullptr;
    ActionButton* button_ = nullptr;
    QPushButton* copy_ = nullptr;
    QToolButton* details_toggle_ = nullptr;
    QPlainTextEdit* details_ = nullptr;
    QElapsedTimer stage_timer_;
    QString stage_;
};

} // namespace flextron::ui
