#include "ui/jobs/jobpanel.h"

#include <QHBoxLayout>
#include <QMenu>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/jobs/jobtext.h"
#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

constexpr int kResolution = 1000;

void setUpBar(QProgressBar* bar)
{
    bar->setAccessibleName(QObject::tr("Progress of the job"));
    bar->setRange(0, kResolution);
    bar->setTextVisible(false);
}

/// The whole job where it is planned, else the stage; busy where nothing is known.
void showShare(QProgressBar* bar, const Jobs& jobs)
{
    const JobProgress& progress = jobs.progress();
    auto share = shareDone(*jobs.job(), progress);
    if (!share && progress.total > 0) share = progress.done / progress.total;
    if (jobs.state() == JobState::Finished) share = 1.0;
    bar->setRange(0, share || !jobs.alive() ? kResolution : 0);
    bar->setValue(static_cast<int>(kResolution * share.value_or(0.0)));
}

} // namespace

JobPanel::JobPanel(Jobs* jobs, JobKind kind, const JobActions& actions, QWidget* parent)
    : QFrame(parent)
    , jobs_(jobs)
    , kind_(kind)
    , text_(new QLabel)
    , bar_(new QProgressBar)
{
    setFrameShape(QFrame::StyledPanel);
    text_->setWordWrap(true);
    text_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setUpBar(bar_);
    auto* buttons = new QHBoxLayout;
    for (QAction* action : {actions.pause, actions.go_on, actions.stop, actions.resume, actions.open_result,
                            actions.show_run, actions.discard, actions.forget}) {
        auto* button = new ActionButton;
        button->setAction(action);
        buttons->addWidget(button);
        buttons_.emplace_back(button, action);
    }
    buttons->addStretch(1);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(text_);
    layout->addWidget(bar_);
    layout->addLayout(buttons);
    connect(jobs_, &Jobs::changed, this, &JobPanel::follow);
    follow();
}

void JobPanel::follow()
{
    const bool shown = jobs_->job() && jobs_->job()->kind == kind_;
    if (!shown) {
        hide();
        return;
    }
    QString text = jobLine(*jobs_->job(), jobs_->state(), jobs_->progress(), jobs_->stopping());
    if (const auto failure = jobs_->failure()) text += QLatin1Char('\n') + formatError(*failure);
    text_->setText(text);
    bar_->setVisible(jobs_->alive());
    showShare(bar_, *jobs_);
    for (const auto& [button, action] : buttons_) button->setVisible(action->isEnabled());
    // With the buttons that it has now: all of them would make it wide. Without a parent yet, it is shown with it.
    if (parentWidget() != nullptr) show();
}

JobStatus::JobStatus(Jobs* jobs, const JobActions& actions, QWidget* parent)
    : QWidget(parent)
    , jobs_(jobs)
    , button_(new QToolButton)
    , bar_(new QProgressBar)
{
    setObjectName(QStringLiteral("jobStatus"));
    auto* menu = new QMenu(this);
    for (QAction* action : actions.all()) menu->addAction(action);
    button_->setMenu(menu);
    button_->setPopupMode(QToolButton::InstantPopup);
    button_->setAutoRaise(true);
    button_->setObjectName(QStringLiteral("jobButton"));
    button_->setAccessibleName(tr("Job"));
    setUpBar(bar_);
    bar_->setMaximumWidth(fontMetrics().averageCharWidth() * 12);
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(bar_);
    layout->addWidget(button_);
    connect(jobs_, &Jobs::changed, this, &JobStatus::follow);
    follow();
}

QString JobStatus::text() const
{
    return isHidden() ? QString() : button_->text();
}

void JobStatus::follow()
{
    if (!jobs_->job()) {
        hide();
        return;
    }
    if (parentWidget() != nullptr) show();
    const QString line = jobLine(*jobs_->job(), jobs_->state(), jobs_->progress(), jobs_->stopping());
    const int room = fontMetrics().averageCharWidth() * 48;
    button_->setText(fontMetrics().elidedText(line, Qt::ElideRight, room));
    button_->setAccessibleName(tr("Job: %1").arg(line));
    button_->setToolTip(tr("%1\nPress for what can be done with it").arg(line));
    bar_->setVisible(jobs_->alive());
    showShare(bar_, *jobs_);
}

} // namespace flextron::ui
