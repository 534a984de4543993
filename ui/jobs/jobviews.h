// What shows and steers the long jobs: the convert form, the corpus report, and the actions around them.
#pragma once

#include <functional>

#include <QObject>
#include <QPointer>

#include "ui/jobs/convertplan.h"
#include "ui/jobs/jobpanel.h"
#include "ui/jobs/jobs.h"
#include "ui/service/engineservice.h"

class QMainWindow;

namespace flextron::ui {

class ConvertForm;
class CorpusView;
class NoticeBar;
class RunMonitor;

class JobViews final : public QObject {
    Q_OBJECT

public:
    /// `monitor` follows the folder of a conversion; `notice` says what a job came to; `window` is what the form
    /// belongs to.
    JobViews(Jobs* jobs, EngineService* service, RunMonitor* monitor, NoticeBar* notice, QMainWindow* window);

    /// Finds the job that the last window left, and says what became of it.
    void greet();
    [[nodiscard]] Jobs* jobs() const { return jobs_; }
    [[nodiscard]] CorpusView* corpus() const { return corpus_; }
    [[nodiscard]] ConvertForm* form();
    /// For the menus "Model" and "Run".
    [[nodiscard]] QList<QAction*> modelActions() const { return {convert_action_, sort_action_, adopt_action_}; }
    [[nodiscard]] QList<QAction*> jobActions() const { return actions_.all(); }
    [[nodiscard]] QAction* convertAction() const { return convert_action_; }
    [[nodiscard]] QAction* sortAction() const { return sort_action_; }
    [[nodiscard]] const JobActions& actions() const { return actions_; }

signals:
    void openRequested(const QString& folder);
    /// Its panel should come to the front.
    void monitorWanted();
    void corpusWanted();

private:
    QAction* make(const char* name, const QString& text, const QString& help);
    void makeActions();
    void offer(ConvertPlan::What what);
    void follow();
    void onEnded(JobState state);
    void show();
    void discard();
    void adopt();
    void say(const QString& title, const Result<void>& result);

    Jobs* jobs_;
    EngineService* service_;
    RunMonitor* monitor_;
    NoticeBar* notice_;
    QMainWindow* window_;
    JobActions actions_;
    QAction* convert_action_ = nullptr;
    QAction* sort_action_ = nullptr;
    QAction* adopt_action_ = nullptr;
    CorpusView* corpus_ = nullptr;
    QPointer<ConvertForm> form_;
};

} // namespace flextron::ui
