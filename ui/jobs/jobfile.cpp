#include "ui/jobs/jobfile.h"

#include <algorithm>

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

#include "engine/base/files.h"

namespace flextron::ui {

namespace {

constexpr std::uint64_t kMostBytes = 16U << 20;

QByteArray readProc(const QString& name)
{
    QFile file(name);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

struct ProcStat {
    char state = 'X';
    quint64 started = 0;
};

/// Fields 3 and 22 of /proc/PID/stat; the second one, a name, may hold spaces and brackets.
std::optional<ProcStat> readStat(qint64 pid)
{
    const QByteArray text = readProc(QStringLiteral("/proc/%1/stat").arg(pid));
    const auto fields = text.mid(text.lastIndexOf(')') + 2).split(' ');
    constexpr qsizetype kStarted = 22 - 3;
    if (fields.size() <= kStarted || fields[0].isEmpty()) return std::nullopt;
    return ProcStat{fields[0].front(), fields[kStarted].toULongLong()};
}

QString bootId()
{
    return QString::fromLatin1(readProc(QStringLiteral("/proc/sys/kernel/random/boot_id")).trimmed());
}

const char* kindName(JobKind kind)
{
    return kind == JobKind::Convert ? "convert" : "report";
}

[[noreturn]] void damaged(const QString& file, const char* field)
{
    throw Failure(
        ErrorCode::Corrupt,
        QStringLiteral("%1: the field “%2” is missing or no such thing").arg(file, QLatin1String(field)).toStdString(),
        "The file was changed or damaged. A conversion can still be gone on with in the terminal: flextron "
        "convert … --resume.");
}

QString textField(const QJsonObject& object, const char* field, const QString& file)
{
    const QJsonValue value = object.value(QLatin1String(field));
    if (!value.isString()) damaged(file, field);
    return value.toString();
}

JobRecord recordOf(const QJsonObject& object, const QString& folder, const QString& file)
{
    if (object.value(QLatin1String("flextron_job")).toInt() != JobRecord::kFormatVersion)
        throw Failure(ErrorCode::Unsupported, file.toStdString() + ": not a job of this program's version",
                      "Open it with the version that wrote it.");
    JobRecord job;
    job.folder = folder;
    const QString kind = textField(object, "kind", file);
    if (kind != QLatin1String("convert") && kind != QLatin1String("report")) damaged(file, "kind");
    job.kind = kind == QLatin1String("convert") ? JobKind::Convert : JobKind::Report;
    job.title = textField(object, "title", file);
    job.program = textField(object, "program", file);
    job.result = textField(object, "result", file);
    job.started = QDateTime::fromString(textField(object, "started", file), Qt::ISODate);
    for (const QJsonValue& value : object.value(QLatin1String("arguments")).toArray()) {
        if (!value.isString()) damaged(file, "arguments");
        job.arguments << value.toString();
    }
    for (const QJsonValue& value : object.value(QLatin1String("plan")).toArray()) {
        const QJsonObject stage = value.toObject();
        job.plan.push_back({textField(stage, "stage", file), stage.value(QLatin1String("seconds")).toDouble()});
    }
    const QJsonObject process = object.value(QLatin1String("process")).toObject();
    job.process.pid = static_cast<qint64>(process.value(QLatin1String("pid")).toDouble());
    job.process.started = textField(process, "started", file).toULongLong();
    job.process.boot = textField(process, "boot", file);
    return job;
}

} // namespace

std::optional<ProcessId> identifyProcess(qint64 pid)
{
    const auto stat = pid > 0 ? readStat(pid) : std::nullopt;
    if (!stat) return std::nullopt;
    return ProcessId{pid, stat->started, bootId()};
}

ProcessState processState(const ProcessId& process)
{
    const auto stat = process.pid > 0 ? readStat(process.pid) : std::nullopt;
    if (!stat || stat->started != process.started || process.boot != bootId()) return ProcessState::Gone;
    switch (stat->state) {
    case 'Z': // over, only nobody has asked how it ended
    case 'X': return ProcessState::Gone;
    case 'T':
    case 't': return ProcessState::Stopped;
    default: return ProcessState::Running;
    }
}

Result<void> writeJob(const JobRecord& job)
{
    QJsonArray plan;
    for (const PlannedStage& stage : job.plan)
        plan.append(QJsonObject{{QStringLiteral("stage"), stage.name}, {QStringLiteral("seconds"), stage.seconds}});
    const QJsonObject object{
        {QStringLiteral("flextron_job"), JobRecord::kFormatVersion},
        {QStringLiteral("kind"), QLatin1String(kindName(job.kind))},
        {QStringLiteral("title"), job.title},
        {QStringLiteral("program"), job.program},
        {QStringLiteral("arguments"), QJsonArray::fromStringList(job.arguments)},
        {QStringLiteral("result"), job.result},
        {QStringLiteral("plan"), plan},
        {QStringLiteral("started"), job.started.toString(Qt::ISODate)},
        {QStringLiteral("process"), QJsonObject{{QStringLiteral("pid"), static_cast<double>(job.process.pid)},
                                                {QStringLiteral("started"), QString::number(job.process.started)},
                                                {QStringLiteral("boot"), job.process.boot}}},
    };
    return writeFile(job.file(QStringLiteral("job.json")).toStdString(), QJsonDocument(object).toJson().toStdString());
}

Result<JobRecord> readJob(const QString& folder)
{
    const QString file = folder + QStringLiteral("/job.json");
    const auto text = readFile(file.toStdString(), kMostBytes);
    if (!text.ok()) return text.error();
    return guarded([&] {
        const QJsonDocument document = QJsonDocument::fromJson(QByteArray::fromStdString(*text));
        if (!document.isObject()) damaged(file, "flextron_job");
        return recordOf(document.object(), folder, file);
    });
}

void JobLog::feed(const QByteArray& bytes)
{
    lines_in_.feed(bytes, [this](const QByteArray& line) { take(line); });
}

void JobLog::take(const QByteArray& line)
{
    const QJsonObject object = QJsonDocument::fromJson(line).object();
    const QString event = object.value(QLatin1String("event")).toString();
    if (event.isEmpty()) {
        progress_.last_text = QString::fromUtf8(line);
    } else if (event == QLatin1String("progress")) {
        progress_.stage = object.value(QLatin1String("stage")).toString();
        progress_.done = object.value(QLatin1String("done")).toDouble();
        progress_.total = object.value(QLatin1String("total")).toDouble();
        progress_.unit = object.value(QLatin1String("unit")).toString();
        const QJsonValue left = object.value(QLatin1String("seconds_left"));
        progress_.seconds_left = left.isDouble() ? std::optional(left.toDouble()) : std::nullopt;
    } else if (event == QLatin1String("error")) {
        progress_.error = Error{ErrorCode::Io, object.value(QLatin1String("message")).toString().toStdString(),
                                object.value(QLatin1String("hint")).toString().toStdString()};
    } else if (event == QLatin1String("end")) {
        progress_.exit_code = object.value(QLatin1String("code")).toInt(1);
    }
}

JobState jobState(ProcessState process, const JobProgress& progress)
{
    constexpr int kCancelled = 3; // docs/guide/command-line.md
    if (process == ProcessState::Stopped) return JobState::Paused;
    if (process == ProcessState::Running) return JobState::Running;
    if (!progress.exit_code) return JobState::Died;
    if (*progress.exit_code == 0) return JobState::Finished;
    return *progress.exit_code == kCancelled ? JobState::Stopped : JobState::Failed;
}

} // namespace flextron::ui
