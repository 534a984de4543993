#include "ui/measure/runfiles.h"

#include <algorithm>
#include <array>

#include <QDir>
#include <QFile>
#include <QFileInfo>

namespace flextron::ui {

namespace {

constexpr qint64 kChunk = 128 * 1024; // bytes at once: the window must not wait
// Each stage's finished folder has the record of those before as well; the last one first.
constexpr std::array kStages{"surrogate", "joint", "routers", "elastic"};

QString metricsIn(const QString& folder)
{
    const QString file = folder + QStringLiteral("/metrics.jsonl");
    return QFileInfo(file).isFile() ? file : QString();
}

QString withoutEnding(QString path, const QString& ending)
{
    if (path.endsWith(ending)) path.chop(ending.size());
    return path;
}

RunFiles filesOfWork(const QString& work)
{
    RunFiles found;
    for (const char* stage : kStages) {
        const QString done = metricsIn(work + QLatin1Char('/') + QLatin1String(stage));
        if (done.isEmpty()) continue;
        found.files << done;
        break;
    }
    for (const char* stage : kStages) {
        const QString running = metricsIn(work + QLatin1Char('/') + QLatin1String(stage) + QStringLiteral(".job"));
        if (!running.isEmpty()) found.files << running;
    }
    found.waiting = found.files.isEmpty();
    return found;
}

} // namespace

RunFiles runFiles(const QString& path)
{
    if (path.isEmpty()) return {};
    if (QFileInfo(path).isFile()) return {{path}, false};
    const QString folder = QDir::cleanPath(path);
    if (const QString own = metricsIn(folder); !own.isEmpty()) return {{own}, false};
    if (folder.endsWith(QLatin1String(".work"))) {
        if (QFileInfo(folder).isDir()) return filesOfWork(folder);
        return runFiles(withoutEnding(folder, QStringLiteral(".work")));
    }
    if (folder.endsWith(QLatin1String(".run"))) return runFiles(withoutEnding(folder, QStringLiteral(".run")));
    if (QFileInfo(folder + QStringLiteral(".work")).isDir()) return filesOfWork(folder + QStringLiteral(".work"));
    if (const QString job = metricsIn(folder + QStringLiteral(".job")); !job.isEmpty()) return {{job}, false};
    return {{},
            QFileInfo(folder + QStringLiteral(".run")).isDir() || QFileInfo(folder + QStringLiteral(".job")).isDir()};
}

void RunReader::open(const QString& path)
{
    close();
    path_ = path;
}

bool RunReader::readSome(RunLog& into)
{
    for (std::size_t i = 0; i < read_.size(); ++i) {
        QFile file(files_[static_cast<qsizetype>(i)]);
        if (!file.open(QIODevice::ReadOnly) || !file.seek(read_[i])) continue;
        const QByteArray bytes = file.read(kChunk);
        if (bytes.isEmpty()) continue;
        if (i > 0 && read_[i] == 0) into.feed("\n"); // a last line that was torn ends here
        read_[i] += bytes.size();
        into.feed(bytes);
        return true;
    }
    return false;
}

bool RunReader::poll()
{
    more_ = false;
    if (!isOpen()) return false;
    const QStringList now = runFiles(path_).files;
    if (now.isEmpty()) return false; // between two folders, or not yet: what is known stays
    bool anew = now != files_;
    for (std::size_t i = 0; i < read_.size() && !anew; ++i)
        anew = QFileInfo(files_[static_cast<qsizetype>(i)]).size() < read_[i];
    if (anew) {
        files_ = now;
        read_.assign(static_cast<std::size_t>(files_.size()), 0);
        again_ = {};
        reading_ = true;
    }
    more_ = readSome(reading_ ? again_ : log_);
    if (!reading_) return more_;
    if (more_ && log_.lines() > 0) return false;
    log_ = again_; // whole, or the first part of the first one
    reading_ = more_;
    return true;
}

} // namespace flextron::ui
