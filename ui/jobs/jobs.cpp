#include "ui/jobs/jobs.h"

#include <csignal>

#include <sys/resource.h>

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QLockFile>
#include <QProcess>
#include <QStandardPaths>

#include "engine/base/files.h"
#include "ui/parts/elsewhere.h"

namespace flextron::ui {

namespace {

constexpr int kPollMs = 500;
constexpr qint64 kTail = 64 * 1024;   // of an old log: its last lines tell everything
constexpr qint64 kChunk = 256 * 1024; // bytes at once: the window must not wait
constexpr int kLockMs = 2000;
constexpr int kNice = 10; // the window comes first

/// The folder of the job that is shown, one line.
QString currentFile()
{
    return QString::fromStdString((dataFolder() / "current-job").string());
}

QString currentFolder()
{
    const auto text = readFile(currentFile().toStdString(), 1U << 16);
    return text.ok() ? QString::fromStdString(*text).trimmed() : QString();
}

/// A job that another window started meanwhile, or this one.
std::optional<JobRecord> runningJob()
{
    const QString folder = currentFolder();
    if (folder.isEmpty()) return std::nullopt;
    auto job = readJob(folder);
    if (!job.ok() || processState(job->process) == ProcessState::Gone) return std::nullopt;
    return *std::move(job);
}

/// Where the last whole lines of a log begin.
qint64 tailOf(const QString& name)
{
    QFile file(name);
    if (!file.open(QIODevice::ReadOnly) || file.size() <= kTail || !file.seek(file.size() - kTail)) return 0;
    file.readLine(); // the end of a line
    return file.pos();
}

/// A job's own files, and its folder if nothing else is in it.
void removeFiles(const JobRecord& job)
{
    for (const QString& file : {job.file(QStringLiteral("job.json")), job.logFile(), job.outputFile()})
        QFile::remove(file);
    QDir().rmdir(job.folder);
}

Error cannotWrite(const QString& what)
{
    return {ErrorCode::Io, what.toStdString() + " cannot be written",
            "Choose a folder that you may write to, on a disk with room."};
}

} // namespace

QString flextronProgram()
{
    const QString here = QCoreApplication::applicationDirPath();
    for (const QString& candidate : {here + QStringLiteral("/flextron"), here + QStringLiteral("/../bin/flextron")}) {
        const QFileInfo info(candidate);
        if (info.isFile() && info.isExecutable()) return QDir::cleanPath(info.absoluteFilePath());
    }
    return QStandardPaths::findExecutable(QStringLiteral("flextron"));
}

QProcessEnvironment jobEnvironment()
{
    auto environment = QProcessEnvironment::systemEnvironment();
    const QString policy = QStringLiteral("OMP_WAIT_POLICY");
    if (!environment.contains(policy)) environment.insert(policy, QStringLiteral("PASSIVE"));
    return environment;
}

Jobs::Jobs(QString program, QObject* parent) : QObject(parent), program_(std::move(program))
{
    timer_.setInterval(kPollMs);
    connect(&timer_, &QTimer::timeout, this, &Jobs::poll);
}

Jobs::~Jobs()
{
    if (held_) send(SIGCONT);
}

void Jobs::find()
{
    const QString folder = currentFolder();
    if (folder.isEmpty()) return;
    auto job = readJob(folder);
    if (job.ok()) take(*std::move(job));
}

Result<void> Jobs::adopt(const QString& folder)
{
    auto job = readJob(folder);
    if (!job.ok()) return job.error();
    if (alive() && job->folder != job_->folder)
        return Error{ErrorCode::InvalidArgument, "another job is running: " + job_->title.toStdString(),
                     "Wait for it, or stop it first."};
    auto written = writeFile(currentFile().toStdString(), job->folder.toStdString() + "\n");
    if (!written.ok()) return written;
    take(*std::move(job));
    return {};
}

void Jobs::take(JobRecord job)
{
    job_ = std::move(job);
    log_ = {};
    read_ = tailOf(job_->logFile());
    stopping_ = false;
    held_ = false;
    while (readLog()) {
    }
    state_ = jobState(processState(job_->process), log_.progress());
    if (alive()) timer_.start();
    emit changed();
}

std::optional<Error> Jobs::failure() const
{
    if (!job_ || (state_ != JobState::Failed && state_ != JobState::Died)) return std::nullopt;
    if (const auto& error = log_.progress().error) return error;
    const QString said = log_.progress().last_text;
    Error error{ErrorCode::Internal,
                tr("%1: the program ended without a word%2")
                    .arg(job_->title, said.isEmpty() ? QString() : tr("; the last one was: %1").arg(said))
                    .toStdString(),
                tr("It was killed, ran out of memory, or the machine went down. Resume goes on from its last saved "
                   "state; if it dies again, a smaller batch takes less memory. Its log: %1")
                    .arg(job_->logFile())
                    .toStdString()};
    return error;
}

Result<void> Jobs::start(JobRecord job)
{
    if (program_.isEmpty())
        return Error{ErrorCode::NotFound, tr("the program “flextron” was not found beside this one").toStdString(),
                     tr("Install both into the same folder, or build the target flextron.").toStdString()};
    QDir().mkpath(QString::fromStdString(dataFolder().string()));
    QLockFile lock(currentFile() + QStringLiteral(".lock"));
    if (!lock.tryLock(kLockMs)) return cannotWrite(currentFile());
    if (const auto running = runningJob())
        return Error{ErrorCode::InvalidArgument, tr("another job is running: %1").arg(running->title).toStdString(),
                     tr("One runs at a time. Wait for it, or stop it first.").toStdString()};
    job.program = program_;
    return launch(std::move(job), false);
}

Result<void> Jobs::resume()
{
    if (!job_ || alive()) return {};
    QLockFile lock(currentFile() + QStringLiteral(".lock"));
    if (!lock.tryLock(kLockMs)) return cannotWrite(currentFile());
    if (const auto running = runningJob())
        return Error{ErrorCode::InvalidArgument, tr("another job is running: %1").arg(running->title).toStdString(),
                     tr("One runs at a time. Wait for it, or stop it first.").toStdString()};
    JobRecord job = *job_;
    if (!program_.isEmpty()) job.program = program_; // the tree may have moved
    return launch(std::move(job), job_->kind == JobKind::Convert);
}

Result<void> Jobs::launch(JobRecord job, bool resume)
{
    if (!QDir().mkpath(job.folder)) return cannotWrite(job.folder);
    job.started = QDateTime::currentDateTimeUtc();
    job.process = {};
    // First the record, then the process: what cannot be written down is not started.
    if (auto written = writeJob(job); !written.ok()) return written;
    QProcess process;
    process.setProgram(job.program);
    process.setArguments(resume ? job.arguments + QStringList{QStringLiteral("--resume")} : job.arguments);
    process.setStandardInputFile(QProcess::nullDevice());
    process.setStandardOutputFile(job.outputFile());
    process.setStandardErrorFile(job.logFile());
    process.setWorkingDirectory(QDir::homePath());
    process.setProcessEnvironment(jobEnvironment());
    qint64 pid = 0;
    if (!process.startDetached(&pid)) // in a session of its own: it outlives the window and its terminal
        return Error{
            ErrorCode::NotFound, tr("%1 could not be started").arg(job.program).toStdString(),
            tr("Is the program still there? Open the explorer anew, or install both programs again.").toStdString()};
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), kNice);
    job.process = identifyProcess(pid).value_or(ProcessId{});
    auto written = writeJob(job);
    if (written.ok()) written = writeFile(currentFile().toStdString(), job.folder.toStdString() + "\n");
    job_ = std::move(job);
    log_ = {};
    read_ = 0;
    stopping_ = false;
    held_ = false;
    state_ = JobState::Running;
    timer_.start();
    emit changed();
    return written;
}

bool Jobs::readLog()
{
    QFile file(job_->logFile());
    if (!file.open(QIODevice::ReadOnly) || !file.seek(read_)) return false;
    const QByteArray bytes = file.read(kChunk);
    read_ += bytes.size();
    log_.feed(bytes);
    return bytes.size() == kChunk;
}

void Jobs::poll()
{
    const ProcessState process = processState(job_->process); // before the log: its last line is written before it goes
    bool more = readLog();
    if (process == ProcessState::Gone) {
        while (more) more = readLog();
    }
    const JobState before = state_;
    state_ = jobState(process, log_.progress());
    if (!alive()) timer_.stop();
    emit changed();
    if (isAlive(before) && !alive()) emit ended(state_);
}

void Jobs::send(int signal)
{
    if (job_ && processState(job_->process) != ProcessState::Gone)
        ::kill(static_cast<pid_t>(job_->process.pid), signal);
}

void Jobs::pause()
{
    if (state_ != JobState::Running) return;
    held_ = false;
    send(SIGSTOP);
    poll();
}

void Jobs::goOn()
{
    if (state_ != JobState::Paused) return;
    held_ = false;
    send(SIGCONT);
    poll();
}

void Jobs::stop()
{
    if (!alive() || stopping_) return;
    stopping_ = true;
    held_ = false;
    send(SIGINT);
    send(SIGCONT);
    emit changed();
}

void Jobs::hold(bool on)
{
    if (on && state_ == JobState::Running && !stopping_) {
        held_ = true;
        send(SIGSTOP);
        poll();
    } else if (!on && held_) {
        goOn();
    }
}

void Jobs::forget()
{
    if (!job_ || alive()) return;
    QFile::remove(currentFile());
    if (state_ == JobState::Finished) removeFiles(*job_);
    job_.reset();
    log_ = {};
    state_ = JobState::None;
    emit changed();
}

void Jobs::discard()
{
    if (!job_ || alive()) return;
    const JobRecord job = *job_;
    forget();
    removeFiles(job);
    if (job.kind != JobKind::Convert || job.result.isEmpty()) return;
    elsewhere(
        this, [work = job.result + QStringLiteral(".work")] { return QDir(work).removeRecursively(); },
        [this](bool) { emit changed(); }); // the folder is free again
}

} // namespace flextron::ui
