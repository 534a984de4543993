#include "ui/window/recovery.h"

#include <QDir>
#include <QFile>
#include <QThreadPool>

#include "engine/base/files.h"

namespace flextron::ui {

namespace {
constexpr int kIntervalMs = 5000;
} // namespace

Recovery::Recovery(std::function<Session()> current, QObject* parent) : QObject(parent), current_(std::move(current))
{
    const QString folder = QString::fromStdString(dataFolder().string());
    if (!QDir().mkpath(folder)) return;
    auto lock = std::make_unique<QLockFile>(folder + QStringLiteral("/recovery.lock"));
    lock->setStaleLockTime(0); // stale when its process is gone, however long it takes
    if (!lock->tryLock()) return;
    lock_ = std::move(lock);
    if (QFile::exists(file())) {
        auto left = readSession(file());
        if (left.ok()) found_ = std::move(*left);
    }
    kept_ = toJson(current_()); // a window that was only opened leaves nothing
    timer_.setInterval(kIntervalMs);
    connect(&timer_, &QTimer::timeout, this, &Recovery::keep);
    timer_.start();
}

Recovery::~Recovery()
{
    QThreadPool::globalInstance()->waitForDone();
}

QString Recovery::file()
{
    return QString::fromStdString((dataFolder() / "recovery.flextron").string());
}

void Recovery::keep()
{
    if (!lock_) return;
    const QByteArray now = toJson(current_());
    if (now == kept_) return;
    kept_ = now;
    // A disk that is full or slow must not stop the window; a session that cannot be kept is kept the next time.
    QThreadPool::globalInstance()->start(
        [now, file = file().toStdString()] { static_cast<void>(writeFile(file, now.toStdString()).ok()); });
}

void Recovery::close()
{
    if (!lock_) return;
    timer_.stop();
    QThreadPool::globalInstance()->waitForDone();
    QFile::remove(file());
    lock_->unlock();
    lock_.reset();
}

} // namespace flextron::ui
