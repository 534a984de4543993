#include "ui/jobs/jobviews.h"

#include <QAction>
#include <QMainWindow>
#include <QMessageBox>

#include "ui/jobs/convertform.h"
#include "ui/jobs/corpusview.h"
#include "ui/jobs/jobtext.h"
#include "ui/measure/runmonitor.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/format.h"
#include "ui/parts/noticebar.h"

namespace flextron::ui {

JobViews::JobViews(Jobs* jobs, EngineService* service, RunMonitor* monitor, NoticeBar* notice, QMainWindow* window)
    : QObject(window)
    , jobs_(jobs)
    , service_(service)
    , monitor_(monitor)
    , notice_(notice)
    , window_(window)
{
    makeActions();
    corpus_ = new CorpusView(jobs_, service_, actions_, convert_action_);
    connect(corpus_, &CorpusView::failed, notice_, &NoticeBar::showError);
    connect(corpus_, &CorpusView::raised, this, &JobViews::corpusWanted);
    connect(jobs_, &Jobs::changed, this, &JobViews::follow);
    connect(jobs_, &Jobs::ended, this, &JobViews::onEnded);
    // What is measured must not be disturbed.
    connect(service_, &EngineService::measureStarted, jobs_, [this] { jobs_->hold(true); });
    connect(service_, &EngineService::measureEnded, jobs_, [this] { jobs_->hold(false); });
    follow();
}

QAction* JobViews::make(const char* name, const QString& text, const QString& help)
{
    auto* action = new QAction(text, this);
    action->setObjectName(QLatin1String(name));
    action->setStatusTip(help);
    action->setWhatsThis(help);
    action->setToolTip(help);
    window_->addAction(action);
    return action;
}

void JobViews::makeActions()
{
    convert_action_ = make("convert", tr("&Convert…"),
                           tr("Make a model elastic: train narrow widths and routers, into a new folder"));
    sort_action_ = make("sortModel", tr("&Sort…"),
                        tr("Order a model's neurons and heads by importance, into a new folder; takes a minute"));
    adopt_action_ = make("adoptJob", tr("Resume an &Interrupted Conversion…"),
                         tr("Go on with a conversion that was stopped or died, from its folder that ends in .run"));
    actions_.show = make("showJob", tr("Show the &Job"), tr("Bring what the job belongs to to the front"));
    actions_.pause = make("pauseJob", tr("&Pause"), tr("Let the job sleep; it keeps its memory"));
    actions_.go_on = make("continueJob", tr("&Go On"), tr("Wake the job"));
    actions_.stop = make("stopJob", tr("S&top the Job"),
                         tr("End the job; what was done is kept, and it can be resumed"));
    actions_.resume = make("resumeJob", tr("&Resume"), tr("Go on from the last saved state"));
    actions_.open_result = make("openJobResult", tr("&Open the Result"), tr("Open the converted model"));
    actions_.show_run = make("showJobRun", tr("Show in the Run &Monitor"),
                             tr("Follow the conversion's losses, costs and choices"));
    actions_.discard = make("discardJob", tr("&Discard…"), tr("Remove what the interrupted job did so far"));
    actions_.forget = make("forgetJob", tr("Do Not Sho&w It Any More"),
                           tr("Take the job off the screen; files of an unfinished one stay"));
    connect(convert_action_, &QAction::triggered, this, [this] { offer(ConvertPlan::What::Whole); });
    connect(sort_action_, &QAction::triggered, this, [this] { offer(ConvertPlan::What::SortOnly); });
    connect(adopt_action_, &QAction::triggered, this, &JobViews::adopt);
    connect(actions_.show, &QAction::triggered, this, &JobViews::show);
    connect(actions_.pause, &QAction::triggered, jobs_, &Jobs::pause);
    connect(actions_.go_on, &QAction::triggered, jobs_, &Jobs::goOn);
    connect(actions_.stop, &QAction::triggered, jobs_, &Jobs::stop);
    connect(actions_.resume, &QAction::triggered, this,
            [this] { say(tr("The job could not be resumed."), jobs_->resume()); });
    connect(actions_.open_result, &QAction::triggered, this, [this] {
        if (!jobs_->job()) return;
        emit openRequested(jobs_->job()->result);
        jobs_->forget(); // it has arrived
    });
    connect(actions_.show_run, &QAction::triggered, this, [this] {
        if (!jobs_->job()) return;
        monitor_->open(jobs_->job()->result);
        emit monitorWanted();
    });
    connect(actions_.discard, &QAction::triggered, this, &JobViews::discard);
    connect(actions_.forget, &QAction::triggered, jobs_, &Jobs::forget);
}

void JobViews::greet()
{
    jobs_->find();
    if (!jobs_->job() || jobs_->job()->kind != JobKind::Convert) return;
    monitor_->open(jobs_->job()->result);
    if (!jobs_->alive()) onEnded(jobs_->state());
}

ConvertForm* JobViews::form()
{
    if (!form_) {
        form_ = new ConvertForm(jobs_, actions_, window_);
        connect(form_, &ConvertForm::started, this, [this](const QString& out) {
            monitor_->open(out);
            emit monitorWanted();
        });
    }
    return form_;
}

void JobViews::offer(ConvertPlan::What what)
{
    const ModelInfoPtr& model = service_->model();
    ConvertForm* shown = form();
    if (!shown->isVisible())
        shown->offer(model ? QString::fromStdString(model->checkpoint->folder().string()) : QString(), what);
    shown->show();
    shown->raise();
    shown->activateWindow();
}

void JobViews::follow()
{
    const JobState state = jobs_->state();
    const bool conversion = jobs_->job() && jobs_->job()->kind == JobKind::Convert;
    actions_.show->setEnabled(jobs_->job().has_value());
    actions_.pause->setEnabled(state == JobState::Running && !jobs_->stopping());
    actions_.go_on->setEnabled(state == JobState::Paused && !jobs_->stopping());
    actions_.stop->setEnabled(jobs_->alive() && !jobs_->stopping());
    actions_.resume->setEnabled(isInterrupted(state));
    actions_.open_result->setEnabled(conversion && state == JobState::Finished);
    actions_.show_run->setEnabled(conversion);
    actions_.discard->setEnabled(isInterrupted(state));
    actions_.forget->setEnabled(jobs_->job() && !jobs_->alive());
    if (!conversion) monitor_->setNotice({}, nullptr);
    if (!conversion || monitor_->path() != jobs_->job()->result) return;
    if (isInterrupted(state))
        monitor_->setNotice(jobLine(*jobs_->job(), state, jobs_->progress(), false), actions_.resume);
    else if (state == JobState::Finished)
        monitor_->setNotice(jobLine(*jobs_->job(), state, jobs_->progress(), false), actions_.open_result);
    else monitor_->setNotice({}, nullptr);
}

void JobViews::onEnded(JobState state)
{
    follow();
    if (jobs_->job()->kind != JobKind::Convert) return;
    const QString line = jobLine(*jobs_->job(), state, jobs_->progress(), false);
    if (state == JobState::Finished)
        notice_->ask(tr("%1. It is in %2.").arg(line, jobs_->job()->result), tr("Open It"),
                     [this] { actions_.open_result->trigger(); });
    else if (const auto failure = jobs_->failure())
        notice_->ask(line + QLatin1Char('\n') + formatError(*failure), tr("Resume"),
                     [this] { actions_.resume->trigger(); });
}

void JobViews::show()
{
    if (!jobs_->job()) return;
    if (jobs_->job()->kind == JobKind::Report) {
        emit corpusWanted();
        return;
    }
    form()->show();
    form()->raise();
    form()->activateWindow();
}

/// The one question that is modal: its answer loses data.
void JobViews::discard()
{
    if (!jobs_->job() || jobs_->alive()) return;
    auto* box = new QMessageBox(QMessageBox::Question, tr("Discard the Job"),
                                tr("Remove what “%1” did so far? It cannot be resumed then.").arg(jobs_->job()->title),
                                QMessageBox::Discard | QMessageBox::Cancel, window_);
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->setDefaultButton(QMessageBox::Cancel);
    connect(box, &QMessageBox::buttonClicked, this, [this, box](QAbstractButton* button) {
        if (box->standardButton(button) != QMessageBox::Discard || !jobs_->job()) return;
        const QString result = jobs_->job()->result;
        jobs_->discard();
        monitor_->leave(result);
    });
    box->open();
}

void JobViews::adopt()
{
    askForFile(window_, {FileQuestion::Kind::Folder, adopt_action_->text(), {}, {}, {}}, [this](const QString& folder) {
        // The folder that the result would get, or its .work, will do as well.
        QString job = folder;
        if (folder.endsWith(QLatin1String(".work"))) job = folder.chopped(5) + QStringLiteral(".run");
        else if (!folder.endsWith(QLatin1String(".run"))) job = folder + QStringLiteral(".run");
        const auto adopted = jobs_->adopt(job);
        if (adopted.ok()) show();
        else say(tr("The folder holds no conversion that could be resumed."), adopted);
    });
}

void JobViews::say(const QString& title, const Result<void>& result)
{
    if (!result.ok()) notice_->showError(title, result.error());
}

} // namespace flextron::ui
