// Long work in the flextron program, beside the window: one job at a time, which outlives the window and is found
// again.
#pragma once

#include <optional>

#include <QObject>
#include <QProcessEnvironment>
#include <QTimer>

#include "ui/jobs/jobfile.h"

namespace flextron::ui {

/// The flextron program beside this one, in the tree that it was installed or built in, or on the PATH. Empty when
/// there is none.
QString flextronProgram();
/// What it is run with beside a window: threads that have nothing to do sleep, or they would take the window's time.
QProcessEnvironment jobEnvironment();

/// No view: whoever wants to show a job listens to it.
class Jobs final : public QObject {
    Q_OBJECT

public:
    explicit Jobs(QString program = flextronProgram(), QObject* parent = nullptr);
    ~Jobs() override;

    /// What the last window left, if anything: running, finished, or dead.
    void find();
    /// Takes up the job that a folder holds, say one that was interrupted long ago.
    Result<void> adopt(const QString& folder);

    [[nodiscard]] const QString& program() const { return program_; }
    [[nodiscard]] const std::optional<JobRecord>& job() const { return job_; }
    [[nodiscard]] JobState state() const { return state_; }
    [[nodiscard]] bool alive() const { return isAlive(state_); }
    /// It was asked to stop and has not yet.
    [[nodiscard]] bool stopping() const { return stopping_ && alive(); }
    [[nodiscard]] const JobProgress& progress() const { return log_.progress(); }
    /// Why it failed or died; nothing otherwise.
    [[nodiscard]] std::optional<Error> failure() const;

    /// `job` says what to do: kind, title, folder (made if need be), arguments, result, plan. Fails while another one
    /// runs, of this window or of another.
    Result<void> start(JobRecord job);
    /// Again with the same arguments, from where it was.
    Result<void> resume();
    void pause();
    void goOn();
    /// Asks it to end; what was done is kept, and resume() goes on.
    void stop();
    /// Sleeps while something is measured that it would disturb. Whoever paused it himself finds it paused after.
    void hold(bool on);
    /// No longer shown. Its files stay, but for those of one that is finished.
    void forget();
    /// Forgets it and removes what it did so far. Only for one that is not running.
    void discard();

signals:
    void changed();
    /// This window saw it end.
    void ended(flextron::ui::JobState state);

private:
    [[nodiscard]] Result<void> launch(JobRecord job, bool resume);
    void take(JobRecord job);
    void poll();
    bool readLog();
    void send(int signal);

    QString program_;
    std::optional<JobRecord> job_;
    JobState state_ = JobState::None;
    JobLog log_;
    qint64 read_ = 0;
    bool stopping_ = false;
    bool held_ = false;
    QTimer timer_;
};

} // namespace flextron::ui
