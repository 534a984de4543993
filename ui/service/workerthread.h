// Holds a thread so that it cannot be forgotten: it is asked to quit and waited for on destruction.
#pragma once

#include <QThread>

namespace flextron::ui {

class WorkerThread final {
public:
    /// Starts a thread with an event loop. `name` is what debuggers show.
    explicit WorkerThread(const QString& name);
    ~WorkerThread();
    Q_DISABLE_COPY_MOVE(WorkerThread)

    /// Moves `worker` there and hands it over: it is deleted on that thread when the thread ends.
    void adopt(QObject* worker);
    /// Ends the event loop and waits. Cancel what runs on the thread first, or this waits for it. Safe to call twice.
    void stop();

private:
    QThread thread_;
};

} // namespace flextron::ui
