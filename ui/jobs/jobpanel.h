// The job that runs, or the last one: how far it is, and what can be done with it. Hidden where there is none.
#pragma once

#include <QAction>
#include <QFrame>
#include <QLabel>
#include <QProgressBar>

#include "ui/jobs/jobs.h"
#include "ui/parts/statepage.h"

class QToolButton;

namespace flextron::ui {

/// What can be done with a job; the same in the menu, in the status bar and in the panels.
struct JobActions {
    QAction* show = nullptr; ///< the form or the report that it belongs to
    QAction* pause = nullptr;
    QAction* go_on = nullptr;
    QAction* stop = nullptr;
    QAction* resume = nullptr;
    QAction* open_result = nullptr;
    QAction* show_run = nullptr;
    QAction* discard = nullptr;
    QAction* forget = nullptr;
    [[nodiscard]] QList<QAction*> all() const
    {
        return {show, pause, go_on, stop, resume, open_result, show_run, discard, forget};
    }
};

/// With buttons, for a form.
class JobPanel final : public QFrame {
    Q_OBJECT

public:
    JobPanel(Jobs* jobs, JobKind kind, const JobActions& actions, QWidget* parent = nullptr);
    [[nodiscard]] QString text() const { return text_->text(); }

private:
    void follow();
    Jobs* jobs_;
    JobKind kind_;
    QLabel* text_;
    QProgressBar* bar_;
    std::vector<std::pair<ActionButton*, QAction*>> buttons_;
};

/// One line for the status bar, with a menu.
class JobStatus final : public QWidget {
    Q_OBJECT

public:
    JobStatus(Jobs* jobs, const JobActions& actions, QWidget* parent = nullptr);
    [[nodiscard]] QString text() const;

private:
    void follow();
    Jobs* jobs_;
    QToolButton* button_;
    QProgressBar* bar_;
};

} // namespace flextron::ui
