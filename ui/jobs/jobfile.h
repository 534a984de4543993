// A long job as files: what was started, which process it is, and what its log says of it. No window.
//
// A job's folder holds job.json (this record), progress.jsonl (what the program said) and output.json (its result).
// They outlive the window, so that the next one finds the job where it stands.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <QByteArray>
#include <QDateTime>
#include <QString>
#include <QStringList>

#include "engine/base/error.h"
#include "ui/parts/linebuffer.h"

namespace flextron::ui {

/// A process that cannot be mistaken for a later one with the same number.
struct ProcessId {
    qint64 pid = 0;
    quint64 started = 0; ///< clock ticks after the machine's start
    QString boot;        ///< which start of the machine
    bool operator==(const ProcessId&) const = default;
};
enum class ProcessState { Gone, Running, Stopped };

/// Nothing when there is no such process (any more).
std::optional<ProcessId> identifyProcess(qint64 pid);
ProcessState processState(const ProcessId& process);

/// A stage that is to come, and the seconds that it was estimated to take.
struct PlannedStage {
    QString name;
    double seconds = 0;
};

enum class JobKind { Convert, Report };

struct JobRecord {
    static constexpr int kFormatVersion = 1;
    JobKind kind = JobKind::Convert;
    QString title;                  ///< "Converting stories"
    QString folder;                 ///< of the job's own files
    QString program;                ///< absolute
    QStringList arguments;          ///< without --resume
    QString result;                 ///< of a conversion: the checkpoint's folder
    std::vector<PlannedStage> plan; ///< may be empty
    QDateTime started;              ///< UTC
    ProcessId process;

    [[nodiscard]] QString file(const QString& name) const { return folder + QLatin1Char('/') + name; }
    [[nodiscard]] QString logFile() const { return file(QStringLiteral("progress.jsonl")); }
    [[nodiscard]] QString outputFile() const { return file(QStringLiteral("output.json")); }
};
/// Written whole or not at all, as job.json in the record's folder.
Result<void> writeJob(const JobRecord& job);
/// Of the folder; Corrupt names the field.
Result<JobRecord> readJob(const QString& folder);

/// What the lines of a log come to so far.
struct JobProgress {
    QString stage; ///< as the program says it; empty before the first line
    double done = 0;
    double total = 0; ///< 0 while unknown
    QString unit;
    std::optional<double> seconds_left; ///< of the stage
    std::optional<Error> error;
    std::optional<int> exit_code; ///< it ended by itself
    QString last_text;            ///< a line that is no JSON: what a library or a crash said
};

/// Takes the log's bytes as they come; a line that is not complete yet waits for its rest.
class JobLog {
public:
    void feed(const QByteArray& bytes);
    [[nodiscard]] const JobProgress& progress() const { return progress_; }

private:
    void take(const QByteArray& line);
    LineBuffer lines_in_;
    JobProgress progress_;
};

enum class JobState {
    None,
    Running,
    Paused,   ///< the process sleeps and keeps its memory
    Finished, ///< with a result
    Stopped,  ///< on request; what was done is kept
    Failed,   ///< with a message
    Died,     ///< without one: killed, out of memory, or the machine went down
};
/// From what can be seen of the process and its log.
JobState jobState(ProcessState process, const JobProgress& progress);
[[nodiscard]] constexpr bool isAlive(JobState state)
{
    return state == JobState::Running || state == JobState::Paused;
}
/// It can go on from where it was.
[[nodiscard]] constexpr bool isInterrupted(JobState state)
{
    return state == JobState::Stopped || state == JobState::Failed || state == JobState::Died;
}

} // namespace flextron::ui
