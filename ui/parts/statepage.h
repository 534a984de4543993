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

class EngineService;

/// Says an action's text and key, follows whether it can be used, and triggers it; hidden without one.
class ActionButton final : public QPushButton {
    Q_OBJECT

public:
    explicit ActionButton(QWidget* parent = nullptr);
    void setAction(QAction* action);
    [[nodiscard]] QAction* action() const { return action_; }

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
    [[nodiscard]] QString bannerText() const { return banner_text_->text(); }

    /// What to do next. `action` (may be null) is offered as a button.
    void showEmpty(const QString& title, const QString& text, QAction* action = nullptr);
    /// Stage, amount and time left as far as they are known; `cancel` as a button.
    void showLoading(const QString& title, const LoadProgress& progress, QAction* cancel = nullptr);
    /// Before the first model: what the panel is for, or that one is being opened. Follows the service until it shows
    /// something else.
    void showNoModel(EngineService* service, const QString& text, QAction* open = nullptr);
    /// A run that has brought nothing yet; its cancel button stops it.
    void showStarting(EngineService* service);
    void showContent();
    /// Content under a banner that says why it is out of date and how to renew it.
    void showStale(const QString& why, QAction* again = nullptr);
    /// What, why, what to do; details to read and to copy.
    void showError(const QString& title, const flextron::Error& error, QAction* again = nullptr);

private:
    QWidget* makeMessagePage();
    QWidget* makeBanner();
    void setMessage(State state, const QString& title, const QString& text, QAction* action);
    void turnTo(int page);
    void changeEvent(QEvent* event) override;
    void updateColors();
    void updateTitle();

    State state_ = State::Content;
    QStackedWidget* stack_;
    QSizePolicy content_policy_;
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
    EngineService* no_model_of_ = nullptr; ///< while "No model" is shown
    EngineService* followed_ = nullptr;
    QString no_model_text_;
    QPointer<QAction> no_model_open_;
    QAction* stop_ = nullptr;
    QElapsedTimer stage_timer_;
    QString stage_;
};

} // namespace flextron::ui
